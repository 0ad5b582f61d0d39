package kafka

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/task"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// halted waits until the task of partition 0 is halted and checks why.
func (b *bench) halted(e *Engine, because string) {
	b.t.Helper()
	var reason string
	b.until("a halted task", func() bool {
		for _, t := range e.Status().Tasks {
			if t.ID.Partition == 0 && t.State == StateHalted {
				reason = t.Reason
			}
		}
		return reason != ""
	})
	if !strings.Contains(reason, because) {
		b.t.Errorf("the task halted because %q, want %q", reason, because)
	}
}

// ran lets an engine raise one alert, so that there is something committed.
func (b *bench) ran(k Keeper) {
	b.t.Helper()
	e, stop := b.start(EngineOptions{Keeper: k})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	b.produce(b.fails("c1", 0)...)
	b.wantAlerts(1)
	stop()
}

func (b *bench) admin() *ck.AdminClient {
	b.t.Helper()
	admin, err := b.cluster.admin()
	if err != nil {
		b.t.Fatal(err)
	}
	return admin
}

// settled fails the test when an administrative call, or one of its results, did.
func (b *bench) settled(err error, results ...ck.TopicResult) {
	b.t.Helper()
	for _, r := range results {
		if r.Error.Code() != ck.ErrNoError {
			err = r.Error
		}
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// remake deletes the source topic and creates an empty one of its name.
func (b *bench) remake() {
	b.t.Helper()
	ctx := testContext(b.t)
	results, err := b.admin().DeleteTopics(ctx, []string{"payments"})
	b.settled(err, results...)
	results, err = b.admin().CreateTopics(ctx, []ck.TopicSpecification{{Topic: "payments", NumPartitions: 2, ReplicationFactor: 1}})
	b.settled(err, results...)
}

func TestT21TopicMadeAnew(t *testing.T) {
	b := newBench(t)
	b.ran(forgetful{})
	b.remake()
	e, _ := b.start(EngineOptions{Keeper: forgetful{}, EndWait: time.Second})
	b.halted(e, "the topic was made anew")
}

func TestT20PartitionsAddedLive(t *testing.T) {
	b := newBench(t)
	e, _ := b.engine()
	results, err := b.admin().CreatePartitions(testContext(t), []ck.PartitionsSpecification{{Topic: "payments", IncreaseTo: 3}})
	b.settled(err, results...)
	b.halted(e, "from 2 to 3 partitions: keys have moved")
}

func TestT20PartitionsAddedWhileNothingRan(t *testing.T) {
	b := newBench(t)
	b.ran(forgetful{})
	results, err := b.admin().CreatePartitions(testContext(t), []ck.PartitionsSpecification{{Topic: "payments", IncreaseTo: 3}})
	b.settled(err, results...)
	b.cluster = openCluster(t, b.broker.ListenAddrs()...) // a new process, which has seen nothing yet
	e, _ := b.start(EngineOptions{Keeper: forgetful{}})
	b.halted(e, "has 3 partitions, the job was started with 2")
}

// remembering is a keeper whose tasks are where their last owner left them, as
// if it had made a checkpoint at its end.
type remembering struct {
	forgetful
	tasks sync.Map
}

func (r *remembering) Open(ctx context.Context, id TaskID, conf task.Config) (Kept, error) {
	kept, err := forgetful{}.Open(ctx, id, conf)
	if err != nil {
		return nil, err
	}
	was, _ := r.tasks.LoadOrStore(id, kept)
	return was.(Kept), nil
}

func TestT19RetentionPassedTheCheckpoint(t *testing.T) {
	b := newBench(t)
	keeper := &remembering{}
	b.ran(keeper)
	b.produce(b.fails("c2", 100)...)
	source := "payments"
	_, err := b.admin().DeleteRecords(testContext(t), []ck.TopicPartition{{Topic: &source, Partition: 0, Offset: 6}})
	b.settled(err)
	e, _ := b.start(EngineOptions{Keeper: keeper})
	b.halted(e, "retention has passed it")
}

func TestT21TopicShorterThanTheCheckpoint(t *testing.T) {
	b := newBench(t)
	keeper := &remembering{}
	b.ran(keeper)
	b.remake()
	e, _ := b.start(EngineOptions{Keeper: keeper})
	b.halted(e, "the topic was made anew")
}
