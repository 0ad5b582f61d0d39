package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
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
		return slices.ContainsFunc(first.Status().Tasks, func(s TaskStatus) bool { return strings.Contains(s.Reason, "still being stored") })
	}
	b.until("a task that waits for what it has left", waits)
	keeper.store.Stall(nil)
	close(released)
	b.until("two live tasks", func() bool { return b.live(first) == 2 })
	raise()
}
