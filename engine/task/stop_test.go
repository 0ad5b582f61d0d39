package task_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/task"
)

// What happens at one instant is one step. A driver that has to go gets out of the
// middle of it; the task then does nothing more.
func TestALongStepIsGivenUp(t *testing.T) {
	const cards = 5000
	for name, b := range map[string]behaviour{
		"events":    {streams: "b", key: byCard, raises: true},
		"deadlines": {streams: "b", key: byCard, absence: 60},
	} {
		for _, stopAt := range []int{0, 1, 7} { // the question that is answered with true
			questions := 0
			r := newRig(t)
			cfg := r.config()
			cfg.Stop = func() bool { questions++; return stopAt > 0 && questions >= stopAt }
			r.task = task.New(cfg)
			r.use(r.rule("r", 1, b))
			for i := range cards {
				if err := r.read("b1", fmt.Sprint("c", i), 5); err != nil {
					t.Fatal(err)
				}
			}
			err := r.read("b2", "late", 1000)
			switch raised := len(r.eff.Alerts); {
			case stopAt == 0 && (err != nil || raised != cards || questions < cards/1000):
				t.Errorf("%s: %d of %d alerts, %v; it was asked %d times", name, raised, cards, err, questions)
			case stopAt > 0 && (!errors.Is(err, task.ErrStopped) || raised >= cards || questions > stopAt):
				t.Errorf("%s, stopped at question %d: %d of %d alerts, %v; it was asked %d times", name, stopAt, raised, cards, err, questions)
			}
			if err := r.read("b3", "later", 1001); stopAt > 0 && !errors.Is(err, task.ErrStopped) {
				t.Errorf("%s: after it was stopped a task goes on: %v", name, err)
			}
		}
	}
}

// read is step, whose effects and error are the caller's.
func (r *rig) read(id, card string, seconds float64) error {
	ev := r.task.NewEvent()
	ev.Schema, ev.Time, ev.ID = r.schemas[1], at(seconds), fmt.Sprint(id, card)
	ev.Values = append(ev.Values[:0], event.StringOf(card), event.Value{}, event.IntOf(1))
	r.next++
	return r.task.Step(&task.Record{Offset: r.next, SourceOffset: r.next, Source: 2, Event: ev}, &r.eff)
}
