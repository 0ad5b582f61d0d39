package window

import (
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// counting is a memory that counts how often the state is written whole.
type counting struct {
	memory
	puts int
}

func (c *counting) Put(key, state []byte) {
	c.puts++
	c.memory.Put(key, state)
}

// A window that has an end keeps the latest events as its evidence, of whatever
// size, and seldom writes its state whole.
func TestTheTrailGrowsWhereItIs(t *testing.T) {
	const events, wholeMax = 2000, 40
	for _, kind := range []string{"sliding", "session"} {
		r := bare(kind)
		var store counting
		var out match.Output
		e := New(r)
		for i := range events {
			ev := occurrence(r, i)
			ev.Values[1] = event.StringOf(strings.Repeat("x", i*i%101))
			e.Event([]byte("a-key"), ev, 1, &store, &out)
			checkTrail(t, kind, store.state, i)
		}
		if store.puts > wholeMax {
			t.Errorf("%s: the state was written whole at %d of %d events", kind, store.puts, events)
		}
	}
}

// checkTrail wants the latest of the events up to number last in a state.
func checkTrail(t *testing.T, kind string, state []byte, last int) {
	t.Helper()
	got := evidenceOf(t, kind, state)
	if want := min(last+1, evidenceMax); len(got) != want {
		t.Fatalf("%s: after %d events the trail has %d, want %d", kind, last+1, len(got), want)
	}
	for i, ev := range got {
		at := last - len(got) + 1 + i
		if ev.Offset != int64(at) || ev.Time != int64(at)*1_000_000 || ev.Values[0].Str() != "a-key" || len(ev.Values[1].Str()) != at*at%101 {
			t.Fatalf("%s: after %d events, number %d of the trail is %v", kind, last+1, i, ev)
		}
	}
}

func evidenceOf(t *testing.T, kind string, state []byte) []*event.Event {
	t.Helper()
	w := newRule(bare(kind))
	var events []*event.Event
	var err error
	if kind == "session" {
		var s sitting
		if s, err = (&session{rule: w}).decode(state); err == nil {
			events, err = w.events(s.trail, s.keys, s.start, 0)
		}
	} else {
		var f frames
		if f, err = newPaned(w).decode(state); err == nil {
			events, err = w.events(f.trail, f.keys, f.origin, 0)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return events
}
