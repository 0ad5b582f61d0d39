package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/checkpoint"
)

// A savepoint is made by all tasks of a job; another job begins where it was,
// with what the first had in hand, and goes on from its own checkpoints.
func TestAJobStartsFromASavepoint(t *testing.T) {
	b := newBench(t)
	keeper := newKeeping(t, nil)
	savepoints := checkpoint.NewSavepoints(keeper.store, "test")
	e, stop := b.start(EngineOptions{Keeper: keeper, Savepoints: savepoints})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	b.produce(b.payment("c1", "declined", 0), b.payment("c1", "declined", 1))
	b.until("two of three read", func() bool { return status(e).Position.Offset == 2 })
	scope := b.ask(e, savepoints, "first")
	if slices.Sort(scope.Tasks); !slices.Equal(scope.Tasks, []string{"payment.0", "payment.1"}) || len(scope.Routes)+len(scope.Until)+scope.Generation > 0 {
		t.Fatalf("the job is %+v", scope)
	}
	b.complete(savepoints, "first")
	stop()

	b.cluster = openJob(t, "other", b.broker.ListenAddrs()...)
	other := keeper.importing("test/first")
	for n, card := range []string{"c1", "c2"} {
		e, stop = b.start(EngineOptions{Keeper: other, CheckpointEvery: time.Minute})
		b.until("two live tasks", func() bool { return b.live(e) == 2 })
		if n == 0 {
			b.produce(b.payment(card, "declined", 2), b.payment("other", "approved", 30))
		} else {
			b.produce(b.fails(card, 100)...)
		}
		b.wantAlerts(n + 1)
		b.until("a checkpoint of its own", func() bool { return n > 0 || !status(e).Checkpoint.IsZero() })
		stop()
	}
}

// ask asks for a savepoint of an engine's job.
func (b *bench) ask(e *Engine, s *checkpoint.Savepoints, name string) checkpoint.Scope {
	b.t.Helper()
	scope, err := e.Scope(testContext(b.t))
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := s.Ask(name, scope, time.Now()); err != nil {
		b.t.Fatal(err)
	}
	return scope
}

func (b *bench) complete(s *checkpoint.Savepoints, name string) {
	b.t.Helper()
	b.until("a complete savepoint", func() bool {
		p, err := s.Get(name)
		return err == nil && p.State(time.Now()) == checkpoint.SavepointComplete
	})
}

// Rules over keyed logs go on in a job that starts from a savepoint, in as many
// partitions or more: with the events that had been routed when it was asked for,
// those that the tasks have read since, and those that come later, each once.
func TestKeyedRulesStartFromASavepoint(t *testing.T) {
	b := newRoutedBench(t)
	keeper := newKeeping(t, nil)
	savepoints := checkpoint.NewSavepoints(keeper.store, "test")
	e, stop := b.start(EngineOptions{Keeper: keeper, Savepoints: savepoints, CheckpointEvery: time.Minute})
	b.until("all tasks live", func() bool { return b.live(e) == 2+2+3+2 })
	b.half(8, 0, false)
	b.pass(2)
	b.until("something routed", func() bool { return b.keyedRead(e) > 8 })
	scope := b.ask(e, savepoints, "first")
	if len(scope.Tasks) != 2+2 || len(scope.Until) != 2 || scope.Generation != 1 || len(scope.Routes) == 0 {
		t.Errorf("the job is %+v", scope)
	}
	b.half(12, 8, false) // most likely read before the tasks hear that a savepoint is wanted
	b.pass(9)
	b.complete(savepoints, "first")
	stop()
	b.half(16, 12, false)
	b.pass(14)

	alerts := 0
	for n, partitions := range []int{2, 6} {
		b.cluster = openKeyed(t, fmt.Sprintf("other%d", n), partitions, b.broker.ListenAddrs()...)
		other := keeper.importing("test/first")
		e, stop = b.start(EngineOptions{Keeper: other, CheckpointEvery: time.Minute})
		b.until("all tasks live", func() bool { return b.live(e) == 2+2+3+partitions })
		if n == 0 {
			b.half(16, 0, true)
			b.pass(40)
		}
		alerts += 16
		b.until("the alerts of each job", func() bool { return len(b.alerts()) >= alerts })
		stop()
		for p := range int32(partitions) { // the savepoint is needed no more
			id := TaskID{Job: fmt.Sprintf("other%d", n), Input: "keyed.card_id", Generation: 1, Partition: p}
			if own, err := keeper.Checkpointed(id.String()); err != nil || !own {
				t.Errorf("task %s has no checkpoint of its own: %v", id, err)
			}
		}
	}
	if got, distinct := b.alerts(), map[string]bool{}; true {
		for _, a := range got {
			distinct[a.ID.String()] = true
		}
		if len(got) != alerts || len(distinct) != 16 {
			t.Errorf("%d alerts, %d distinct; want the same 16 of each job", len(got), len(distinct))
		}
	}
	b.cluster = openKeyed(t, "third", 3, b.broker.ListenAddrs()...)
	e, _ = b.start(EngineOptions{Keeper: keeper.importing("test/first")})
	b.until("a task that says what is possible", func() bool {
		return slices.ContainsFunc(e.Status().Tasks, func(s TaskStatus) bool {
			return s.State == StateHalted && strings.Contains(s.Reason, "savepoint test/first has 2 partitions of keyed.card_id")
		})
	})
}
