package match_test

import "testing"

// Fault 36: `a+ -> b` with a thousand a a second and no b. Runs stop at
// limits.runs_per_key and events at limits.evidence, what is dropped is counted,
// and the state, which is what an event costs, no longer grows.
func TestT36FloodWithoutAnEnd(t *testing.T) {
	const a, b = "a: {stream: e, where: kind == \"a\"}", "{stream: e, where: kind == \"b\""
	for name, c := range map[string]struct {
		body string
		runs bool // dropped runs are counted, else dropped events
	}{
		"one run a state": {"pattern: a+ -> b\nsteps: {" + a + ", b: " + b + "}}\n", false},
		"explicit runs":   {"pattern: a+ -> b\nsteps: {" + a + ", b: " + b + " && v > sum(a.v)}}\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "within: 3600s\n"+c.body)
			sizeAfter := func(n int64) int {
				for ; r.offset < n; r.offset++ {
					ev := r.event(0, "a", 0)
					ev.Time = r.offset * 1000 // µs: a thousand a second
					r.want(r.show(ev), "")
				}
				return len(r.states["k1"])
			}
			early, late := sizeAfter(2000), sizeAfter(10_000)
			if late > early+early/10 {
				t.Errorf("the state of a key takes %d bytes after 2,000 events and %d after 10,000", early, late)
			}
			if c.runs && r.capped < 9000 || !c.runs && r.cut < 8000 {
				t.Errorf("%d runs and %d events are counted as dropped", r.capped, r.cut)
			}
			t.Logf("%d bytes a key, %d runs and %d events dropped", late, r.capped, r.cut)
		})
	}
}
