package task_test

import (
	"fmt"
	"testing"
)

// Fault 33: one key is 90 % of the traffic. The others' alerts wait for no more
// of their own events than without it, in the order of work, and the hot key is
// named.
func TestT33AHotKeyStarvesNoOther(t *testing.T) {
	const others = 300
	// raisedAt tells after which of the others' events each of their alerts came.
	raisedAt := func(hot int) (map[string]int, *rig) {
		r := newRig(t)
		r.use(r.rule("each", 1, behaviour{streams: "ab", key: byCard, raises: true}), r.rule("gone", 1, behaviour{streams: "a", key: byCard, absence: 5}))
		at := map[string]int{}
		for i := range others {
			for j := range hot {
				r.step(fmt.Sprintf("a-hot-%d-%d", i, j), "hot", float64(i)+float64(j)/100, 1)
			}
			r.step(fmt.Sprintf("a-%d", i), fmt.Sprintf("c%d", i%20), float64(i)+0.5, 1)
			r.step(fmt.Sprintf("A-%d", i), "second", float64(i)+0.5, 1) // the other partition keeps up
			r.step(fmt.Sprintf("b-%d", i), "third", float64(i)+0.5, 1)
			for _, line := range r.log {
				if _, known := at[line]; !known {
					at[line] = i
				}
			}
			r.log = nil
		}
		return at, r
	}
	alone, _ := raisedAt(0)
	beside, r := raisedAt(27)
	n := 0
	for line, want := range alone {
		got, ok := beside[line]
		if !ok || got > want {
			t.Errorf("%q came after event %d without the hot key, %d (%v) beside it", line, want, got, ok)
		}
		n++
	}
	if n < others {
		t.Errorf("%d alerts are compared, want at least %d", n, others)
	}
	found := false
	for _, k := range r.task.HotKeys(0.5) {
		found = found || k.Stream == "a" && k.Key == "hot" && k.Share > 0.85
	}
	if !found {
		t.Errorf("the hot key is not named: %+v", r.task.HotKeys(0.05))
	}
}
