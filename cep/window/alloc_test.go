package window_test

import (
	"fmt"
	"testing"
)

// On the steady path, where windows slide and pages come and go, an event
// allocates nothing.
func TestWindowsAllocateNothing(t *testing.T) {
	for _, c := range []struct{ kind, values string }{
		{"rolling: 500s", "n: count(), total: sum(m), most: max(m)"},
		{"rolling: 20s", "n: count(), low: min(d), latest: last(v), odd: count(v > 50)"},
		{"rolling: 500s", "n: count(), total: sum(d), mean: avg(m)"},
		{"rolling: 500s", "n: count(), spread: stddev(m)"},
		{"rolling: 500s", "n: count(), shops: distinct(s)"},
		{"rolling: 500s", "n: count(), p: 'percentile(m, 0.95)'"},
		{"session: 50s", "n: count(), total: sum(m), most: max(m)"},
	} {
		t.Run(fmt.Sprintf("%s of %s", c.values, c.kind), func(t *testing.T) {
			f := newFeed(t, fmt.Sprintf("window: {stream: e, %s}\nvalues: {%s}\nhaving: n >= 1000000\nlimits: {window_events: 1000000}\n", c.kind, c.values))
			for range 20_000 {
				f.step()
			}
			if allocs := testing.AllocsPerRun(5000, f.step); allocs != 0 {
				t.Errorf("%v allocations an event", allocs)
			}
		})
	}
}
