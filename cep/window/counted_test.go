package window_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

// TestDistinctBecomesAnEstimate follows a rolling window past 1,024 distinct
// values, down again and through a pause in which it empties.
func TestDistinctBecomesAnEstimate(t *testing.T) {
	s := setting(t, streams+"window: {stream: e, rolling: 3000s}\nvalues: {n: distinct(s)}\nhaving: count(v > 0) % 2 == 0\nalert: {measures: {n: n}}\n")
	rng := rand.New(rand.NewPCG(3, 3))
	events := burst(s, 9000)
	for i, ev := range events {
		ev.Values[1] = event.IntOf(int64(rng.IntN(2)))
		spread := 3000
		if i >= 4000 {
			spread = 200
		}
		ev.Values[4] = event.StringOf(fmt.Sprint("s", rng.IntN(spread)))
		if i >= 8000 {
			ev.Time += 10_000_000_000
		}
	}
	st := newStore()
	st.feed(t, compile(t, s), events)
	exact, estimates, left := 0, 0, false
	seen := map[string]int{}
	at, oldest := -1, 0
	for _, r := range st.raised {
		for ; at+1 < len(events) && events[at+1].Time <= r.found.At; at++ {
			seen[events[at+1].Values[4].Str()]++
			left = left || len(seen) > 1024
		}
		for ; events[oldest].Time <= r.found.At-3_000_000_000; oldest++ {
			if name := events[oldest].Values[4].Str(); seen[name] > 1 {
				seen[name]--
			} else {
				delete(seen, name)
			}
		}
		left = left && at < 8000
		got, want := r.found.Measures[0].Value.Int(), int64(len(seen))
		if r.found.Approx != left {
			t.Fatalf("event %d: %d distinct, approximate %v", at, want, r.found.Approx)
		}
		if !left {
			exact++
		} else {
			estimates++
		}
		if !left && got != want || math.Abs(float64(got-want)) > 0.04*float64(want) {
			t.Errorf("event %d: got %d, want %d", at, got, want)
		}
	}
	if exact < 100 || estimates < 1000 {
		t.Errorf("%d exact, %d estimates", exact, estimates)
	}
	if len(st.states) != 0 || len(st.timers) != 0 {
		t.Errorf("%d states are left", len(st.states))
	}
	for name, page := range st.pages {
		t.Errorf("page %s of %d bytes is left", name, len(page))
	}
}
