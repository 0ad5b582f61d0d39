package main

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/internal/api"
	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/sinktest"
)

// A oneFetch yields an alert once.
type oneFetch struct{ done bool }

func (o *oneFetch) Fetch(ctx context.Context) ([]sinks.Message, error) {
	if o.done {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	o.done = true
	return []sinks.Message{{Value: sinktest.Alert{}.Record().JSON}}, nil
}

func (*oneFetch) Commit(context.Context) error { return nil }

// A refusal refuses what is written until it is told to take it.
type refusal struct{ taken atomic.Bool }

func (r *refusal) Write(context.Context, []sinks.Record) error {
	if r.taken.Load() {
		return nil
	}
	return errors.New("overloaded")
}

// A process that goes on without checkpoints, or whose history takes nothing, says
// so, and since when.
func TestDegradedPartsAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		task := func(partition int32) kafka.TaskStatus {
			return kafka.TaskStatus{ID: kafka.TaskID{Job: "main", Input: "payment", Partition: partition}, State: kafka.StateLive}
		}
		store := &refusal{}
		stores := map[string]*sinks.Status{"cassandra": {}, "redis.views": {}}
		go sinks.Deliver(t.Context(), &oneFetch{}, store, sinks.Options{Status: stores["cassandra"]})
		time.Sleep(time.Minute)
		now := time.Now()
		tasks := []kafka.TaskStatus{task(0), task(1), task(2), task(3)}
		tasks[1].CheckpointError, tasks[1].CheckpointFails = "checkpoint: SlowDown", began
		tasks[2].State, tasks[2].Reason, tasks[2].Entered = kafka.StatePaused, "waiting for the schema registry", began
		tasks[3].State, tasks[3].Reason, tasks[3].Entered = kafka.StatePaused, "no room for a moment", now.Add(-time.Second)
		want := []api.Degraded{
			{Part: "task " + tasks[1].ID.String(), Reason: "checkpoint: SlowDown", Since: timeText(began)},
			{Part: "task " + tasks[2].ID.String(), Reason: "waiting for the schema registry", Since: timeText(began)},
			{Part: "delivery to cassandra", Reason: "overloaded", Since: timeText(began)},
		}
		if got := degradedOf(tasks, stores, now); !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%+v\nwant\n%+v", got, want)
		}
		store.taken.Store(true)
		time.Sleep(time.Minute)
		if got := degradedOf(tasks[:1], stores, time.Now()); got != nil {
			t.Errorf("with all well again: %+v", got)
		}
	})
}
