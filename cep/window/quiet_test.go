package window_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/window"
)

// What Quiet says of a key holds for the events that it said it of, and it says it
// of most.
func TestQuietKeepsItsWord(t *testing.T) {
	for _, having := range []string{"n >= 16", "n > 3 && odd >= 8", "values > 6", "odd > 8 || values > 7", "15 <= n && most > 2",
		"n > 3 && top > 9.5", "0.3 > low && n > 3", "top > 9.9 || top > 9.8", "top > 9.5 && low < 0.5", "share > 0.5 && top > 9.0"} {
		t.Run(having, func(t *testing.T) {
			s := setting(t, streams+"window: {stream: e, rolling: 20s}\nvalues: {n: count(), odd: count(v % 2 == 1), values: distinct(s), most: max(v), top: max(m), low: min(m), share: max(d)}\nhaving: "+having+"\n")
			rule, st, quiet := compile(t, s), newStore(), 0
			e := window.New(rule).(match.Bounded)
			rng := rand.New(rand.NewPCG(4, 4))
			key, at, word := []byte("k1"), int64(ceptest.Epoch), 0 // for so many events that lift nothing it is to be quiet yet
			lifts := uint8(0)
			for _, ev := range burst(s, 3000) {
				at += rng.Int64N(3_000_000)
				ev.Time = at
				ev.Values[4] = event.StringOf(fmt.Sprint("s", rng.IntN(8)))
				st.fire(t, e, at)
				if lifts != e.Lifts(ev) {
					lifts, word = e.Lifts(ev), 0
				}
				for n := 1; n <= 4 && e.Quiet(st.Get(key), n, lifts); n++ {
					word, quiet = max(word, n), quiet+1
				}
				var out match.Output
				e.Event(key, ev, 1, st, &out)
				if len(out.Found) > 0 && word > 0 {
					t.Fatalf("an alert at %d, where the key was to be quiet for %d more", at, word)
				}
				word--
				st.take(ev.Values[0], &out)
			}
			if len(st.raised) < 20 || quiet < 200 {
				t.Errorf("%d alerts, quiet %d times", len(st.raised), quiet)
			}
		})
	}
}
