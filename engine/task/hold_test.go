package task_test

import (
	"fmt"
	"testing"

	"github.com/caltrop/caltrop/engine/task"
)

// Held events past their bound are matched in order before the watermark; what
// comes later than they is late; a restored task does the same.
func TestHeldEventsAreBounded(t *testing.T) {
	const bound = 4 << 10
	whole := newRig(t)
	whole.task = task.New(whole.bounded(bound))
	halved := newRig(t)
	halved.task = task.New(halved.bounded(bound))
	for _, r := range []*rig{whole, halved} {
		r.use(r.rule("every", 1, behaviour{streams: "a", key: []int{0}, raises: true}), r.rule("both", 1, behaviour{streams: "ab", key: []int{0}}))
	}
	for i := range 60 {
		if i == 30 {
			halved.restartBounded(bound)
		}
		for _, r := range []*rig{whole, halved} {
			r.step(fmt.Sprintf("a%d", i), "c1", float64(i)/100, 1)
			if held := r.task.HeldBytes(); held > bound {
				t.Fatalf("%d bytes held, the bound is %d", held, bound)
			}
		}
	}
	if whole.task.Counts().Hastened == 0 || whole.task.Counts() != halved.task.Counts() {
		t.Errorf("got %+v, restored %+v", whole.task.Counts(), halved.task.Counts())
	}
	for _, r := range []*rig{whole, halved} {
		r.step("alate", "c1", 0.1, 1) // after events that were matched already
		for i := range r.log[:len(r.log)-1] {
			if want := fmt.Sprintf("every/1 c1 v1 at %g a%d", float64(i)/100, i); r.log[i] != want {
				t.Errorf("line %d: got %s, want %s", i, r.log[i], want)
			}
		}
		if last := r.log[len(r.log)-1]; last != "late_stream at 0.1" {
			t.Errorf("got %s, want a late event", last)
		}
	}
}

func (r *rig) bounded(bytes int64) task.Config {
	cfg := r.config()
	cfg.HeldBytes = bytes
	return cfg
}

// restartBounded goes on with a task restored from a snapshot of this one.
func (r *rig) restartBounded(bytes int64) {
	r.t.Helper()
	restored, err := task.Restore(r.bounded(bytes), r.task.Snapshot())
	if err != nil {
		r.t.Fatal(err)
	}
	r.task = restored
}
