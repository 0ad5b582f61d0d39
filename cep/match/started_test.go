package match_test

import (
	"math/rand/v2"
	"testing"
)

// begun are rules of which an event may do no more than start a run.
var begun = []string{
	"within: 20s\npattern: a -> b\nsteps:\n  a: {stream: e, where: kind == \"a\"}\n  b: {stream: e, where: v == a.v && kind == \"b\"}\n",
	"within: 30s\npattern: a -> b -> c\nsteps:\n  a: {stream: e, where: v < 4}\n  b: {stream: e, where: kind != \"d\" && v > a.v * 2}\n  c: {stream: e, where: kind == \"c\" && v > b.v, gap: 5s}\n",
	"within: 60s\nlimits: {runs_per_key: 5, evidence: 9}\npattern: a -> !c -> b\nsteps:\n  a: {stream: e, where: kind == \"a\"}\n  b: {stream: e, where: kind == \"b\" && v > a.v}\n  c: {stream: e, where: kind == \"c\" && v > a.v}\n",
	"within: 40s\nlimits: {matches_per_event: 50, runs_per_key: 100}\nemit: all\nafter_match: no_skip\npattern: a ->> b\nsteps:\n  a: {stream: e, where: kind == \"a\"}\n  b: {stream: e, where: kind == \"b\" && v >= a.v}\n",
	"within: 60s\npattern: (a -> b)+ -> c\nsteps:\n  a: {stream: e, where: kind == \"a\"}\n  b: {stream: e, where: kind == \"b\"}\n  c: {stream: e, where: kind == \"c\" && v > 7}\n",
	"within: 60s\npattern: (a -> b)+ until d -> c\nsteps:\n  a: {stream: e, where: kind == \"a\"}\n  b: {stream: e, where: kind == \"b\"}\n  c: {stream: e, where: kind == \"c\"}\n  d: {stream: e, where: kind == \"d\" && v > 14}\n",
}

// A run that was added to a state does what one does that was written with it: a
// rule that may add none raises the same.
func TestAddedRunsAreLikeWrittenOnes(t *testing.T) {
	const roomAt = 13 // in a state: how many runs may still be added
	for which, body := range begun {
		added := 0
		adds, writes := newRig(t, body), newRig(t, body)
		for seed := range uint64(60) {
			rnd := rand.New(rand.NewPCG(seed, uint64(which)))
			clear(adds.states)
			clear(writes.states)
			second := int64(1_700_000_000)
			for range 120 {
				second += rnd.Int64N(4) * rnd.Int64N(2+int64(seed%8))
				if rnd.IntN(20) == 0 {
					second += 70 // all are over
				}
				kind, v := string("aaaabcd"[rnd.IntN(7)]), float64(rnd.IntN(16))
				before := adds.states["k1"]
				got, want := adds.feed(second, kind, v), writes.feed(second, kind, v)
				if got != want || len(adds.states) != len(writes.states) {
					t.Fatalf("%s\nseed %d at %d: %q, written each time %q", body, seed, second, got, want)
				}
				if state := writes.states["k1"]; state != nil {
					state[roomAt] = 0
				}
				if after := adds.states["k1"]; before != nil && after != nil && after[roomAt]+1 == before[roomAt] {
					added++
				}
			}
		}
		if added < 100 {
			t.Errorf("%s\n%d runs were added in all", body, added)
		}
	}
}
