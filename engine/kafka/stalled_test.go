package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/task"
)

// An upload that hangs does not hold up a move: the process that has the task lets
// go of it, and the other one raises its alerts while it hangs still. When the task
// comes back, it begins once nothing of its last tenure is at work any more.
func TestAMoveDoesNotWaitForAnUploadThatHangs(t *testing.T) {
	b := newBench(t)
	keeper := newKeeping(t, nil)
	first, _ := b.start(EngineOptions{Keeper: keeper, CheckpointEvery: often, FinalWait: time.Second})
	b.until("two live tasks", func() bool { return b.live(first) == 2 })
	released := make(chan struct{})
	keeper.store.Stall(released)
	b.until("uploads of both tasks that hang", func() bool { return keeper.store.Stalled() == 2 })
	second, stop := b.start(EngineOptions{Keeper: keeper.importing(""), FinalWait: time.Second})
	b.until("a live task in each process", func() bool { return b.live(first) == 1 && b.live(second) == 1 })
	alerts := 0
	raise := func() {
		for i := range 8 { // in both partitions
			b.produce(b.fails(fmt.Sprintf("c%d", i), 100*alerts)...)
			alerts++
		}
		b.wantAlerts(alerts)
	}
	raise()
	stop()
	waits := func() bool {
		return slices.ContainsFunc(first.Status().Tasks, func(s TaskStatus) bool { return strings.Contains(s.Reason, "still being stored or restored") })
	}
	b.until("a task that waits for what it has left", waits)
	keeper.store.Stall(nil)
	close(released)
	b.until("two live tasks", func() bool { return b.live(first) == 2 })
	raise()
}

// A restore that hangs does not hold up a move either, and the task that was left
// comes back once it has ended.
func TestAMoveDoesNotWaitForARestoreThatHangs(t *testing.T) {
	b := newBench(t)
	keeper := newKeeping(t, nil)
	hangs := &hanging{keeping: keeper, released: make(chan struct{})}
	first, _ := b.start(EngineOptions{Keeper: hangs, FinalWait: time.Second})
	b.until("restores of both tasks that hang", func() bool { return hangs.held.Load() == 2 })
	began := time.Now()
	second, stop := b.start(EngineOptions{Keeper: keeper.importing(""), FinalWait: time.Second})
	b.until("a live task in the other process", func() bool { return b.live(second) == 1 })
	if took := time.Since(began); took >= memberPollMax {
		t.Errorf("the move took %s: the group has waited until it gave the first process up", took)
	}
	stop()
	waits := func() bool {
		return slices.ContainsFunc(first.Status().Tasks, func(s TaskStatus) bool { return strings.Contains(s.Reason, "its last tenure here") })
	}
	b.until("a task that waits for what it has left", waits)
	close(hangs.released)
	b.until("two live tasks", func() bool { return b.live(first) == 2 })
	b.produce(b.fails("c", 0)...)
	b.wantAlerts(1)
}

// hanging is a keeper of which each opening waits until it is released, whatever
// becomes of its context.
type hanging struct {
	*keeping
	released chan struct{}
	held     atomic.Int32
}

func (h *hanging) Open(ctx context.Context, id TaskID, conf task.Config) (Kept, error) {
	h.held.Add(1)
	<-h.released
	return h.keeping.Open(ctx, id, conf)
}
