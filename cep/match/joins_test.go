package match_test

import (
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

// TestJoins: of runs that began with events of several kinds an event goes on
// with those of its own; one without the field, or after a start without it,
// is an error.
func TestJoins(t *testing.T) {
	r := newRig(t, "within: 60s\npattern: a -> b\nsteps:\n  a: {stream: e, where: v < 10}\n  b: {stream: e, where: kind == a.kind && v > a.v + 10}\n")
	for i, kind := range []string{"x", "y", "z"} {
		if got := r.feed(int64(100+i), kind, float64(i)); got != "" {
			t.Fatal(got)
		}
	}
	if got := r.feed(110, "w", 50); got != "" {
		t.Errorf("no run began with w: %s", got)
	}
	if got := r.feed(111, "y", 11); got != "" {
		t.Errorf("11 is not above 1 + 10: %s", got)
	}
	ev := r.event(112, "y", 50)
	ev.Values[r.schema.Index("kind")] = event.Value{}
	if got := r.show(ev); got != "" || r.out.Stats.ConditionErrors != 3 {
		t.Errorf("without kind: %q and %d errors", got, r.out.Stats.ConditionErrors)
	}
	if got, want := r.feed(113, "y", 12), "at 113s a=y2 b=y6\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNothingChangesNothingIsWritten counts what an event that no run takes
// writes.
func TestNothingChangesNothingIsWritten(t *testing.T) {
	r := newRig(t, "within: 60s\npattern: a -> b\nsteps:\n  a: {stream: e, where: v < 10}\n  b: {stream: e, where: v > a.v * 100}\n")
	s := &counting{rig: r}
	for i, c := range []struct {
		second int64
		v      float64
		puts   int
	}{{100, 5, 1}, {101, 20, 0}, {102, 30, 0}, {120, 7, 1}, {161, 50, 0}, {180, 50, 1}, {181, 50, 0}} {
		s.puts = 0
		r.eval.Event([]byte("k1"), r.event(c.second, "x", c.v), 1, s, &r.out)
		if s.puts != c.puts {
			t.Errorf("event %d is written %d times, want %d", i, s.puts, c.puts)
		}
	}
	if len(r.states) != 0 {
		t.Error("a state is left when the last run has expired")
	}
}

type counting struct {
	*rig
	puts int
}

func (c *counting) Put(key, state []byte) {
	c.puts++
	c.rig.Put(key, state)
}
