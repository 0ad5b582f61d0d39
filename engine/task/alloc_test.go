package task_test

import (
	"testing"
	"time"
)

// On the steady path the sequencer uses the space of events that are done
// with.
func TestStepAllocatesNothing(t *testing.T) {
	for _, ids := range []bool{false, true} {
		f, err := newFeed(time.Second, ids, 3)
		if err != nil {
			t.Fatal(err)
		}
		step := func() {
			if err := f.step(); err != nil {
				t.Fatal(err)
			}
		}
		for range 20_000 {
			step()
		}
		if allocs := testing.AllocsPerRun(10_000, step); allocs != 0 {
			t.Errorf("ids %v: %v allocations an event", ids, allocs)
		}
	}
}
