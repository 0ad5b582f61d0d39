package kafka

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/caltrop/caltrop/engine/task"
)

// A crowded keeper's tasks are full while it says so.
type crowded struct {
	forgetful
	full atomic.Bool
}

func (c *crowded) Open(ctx context.Context, id TaskID, conf task.Config) (Kept, error) {
	kept, err := c.forgetful.Open(ctx, id, conf)
	return &crowdedTask{kept, c}, err
}

type crowdedTask struct {
	Kept
	keeper *crowded
}

func (t *crowdedTask) Full() bool { return t.keeper.full.Load() }

func TestATaskPausesWhileItsStateIsFull(t *testing.T) {
	b := newBench(t)
	keeper := &crowded{}
	e, _ := b.start(EngineOptions{Keeper: keeper})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	keeper.full.Store(true)
	paused := func() int {
		n := 0
		for _, s := range e.Status().Tasks {
			if s.State == StatePaused {
				n++
			}
		}
		return n
	}
	b.until("two paused tasks", func() bool { return paused() == 2 })
	b.produce(b.fails("c1", 0)...)
	if got := b.alerts(); len(got) != 0 {
		t.Errorf("%d alerts were raised while the tasks were paused", len(got))
	}
	keeper.full.Store(false)
	b.wantAlerts(1)
}
