package kafka

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

// slowRules are rules whose evaluators take a millisecond for an event.
type slowRules struct {
	Rules
	matched atomic.Int64 // events
}

func (s *slowRules) Resolve(set task.Set) (*task.Live, error) {
	live, err := s.Rules.Resolve(set)
	if err != nil {
		return nil, err
	}
	for i := range live.Rules {
		live.Rules[i].Evaluator = func(r *prog.Rule) match.Evaluator { return &slowly{match.New(r), s} }
	}
	return live, nil
}

type slowly struct {
	match.Evaluator
	of *slowRules
}

func (s *slowly) Event(key []byte, ev *event.Event, roles uint64, store match.Store, out *match.Output) {
	s.of.matched.Add(1)
	pause(context.Background(), time.Millisecond)
	s.Evaluator.Event(key, ev, roles, store, out)
}

// All events of one instant are one step of their task. A process that has to go
// does not finish it: the next one does it again, and each alert is there once.
func TestAMoveDoesNotWaitForALongStep(t *testing.T) {
	b := newBench(t)
	b.put(rules.KindRule, "failed", ruleText+"timing: final\n")
	slow := &slowRules{Rules: b.rules}
	e := NewEngine(b.cluster, slow, EngineOptions{Keeper: forgetful{}, FinalWait: 200 * time.Millisecond})
	b.engines = append(b.engines, e)
	stop := b.background(func(ctx context.Context) { e.Run(ctx) })
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	const cards, alerts = 3000, 10
	var values []string
	for i := range 2*cards + alerts {
		values = append(values, b.payment(fmt.Sprint("c", i%cards), "declined", 0))
	}
	b.produce(append(values, b.payment("other", "approved", 30))...)
	b.until("a step that takes long", func() bool { return slow.matched.Load() > 0 })
	stop()
	if n := slow.matched.Load(); n >= 2*cards {
		t.Errorf("the process has matched all %d events of the instant before it went", n)
	}
	b.engine()
	b.wantAlerts(alerts)
}
