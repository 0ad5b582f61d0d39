package kafka

import (
	"slices"
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
	parts, err := e.Parts(testContext(t))
	if err != nil || !slices.Equal(parts, []string{"payment.0", "payment.1"}) {
		t.Fatalf("the job's tasks are %v, %v", parts, err)
	}
	if _, err := savepoints.Ask("first", parts, time.Now()); err != nil {
		t.Fatal(err)
	}
	b.until("a complete savepoint", func() bool {
		p, err := savepoints.Get("first")
		return err == nil && p.State(time.Now()) == checkpoint.SavepointComplete
	})
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
