package match_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
)

// A flat store keeps the state of one key in the same memory.
type flat struct{ state []byte }

func (f *flat) Get([]byte) []byte {
	if len(f.state) == 0 {
		return nil
	}
	return f.state
}
func (f *flat) Put(_, state []byte) { f.state = append(f.state[:0], state...) }
func (f *flat) Timer([]byte, int64) {}
func (f *flat) Covered() int64      { return 0 }

// On the steady path an event that moves runs, begins one and is kept
// allocates nothing.
func TestTouchedEventsAllocateNothing(t *testing.T) {
	for _, body := range []string{unary, strictly} {
		r, s := newRig(t, body), &flat{}
		ev, key := r.event(0, "a", 0), []byte("k1")
		step := func() {
			ev.Time += 20_000_000
			r.eval.Event(key, ev, 1, s, &r.out)
		}
		for range 20 {
			step()
		}
		before := string(s.state)
		if n := testing.AllocsPerRun(100, step); n != 0 {
			t.Errorf("%s: %v allocations an event", body, n)
		}
		if string(s.state) == before || len(r.out.Found) > 0 {
			t.Errorf("%s: the events did not move the state, or raised %d", body, len(r.out.Found))
		}
	}
}

const strictly = `
within: 100s
pattern: a , a2 , b
steps:
  a: {stream: e, where: kind == "a"}
  a2: {stream: e, where: kind == "a"}
  b: {stream: e, where: kind == "b"}
`

// The numbers of a key's events begin again before they run out: what is next
// to what stays as it was.
func TestNumbersOfEventsBeginAgain(t *testing.T) {
	const sequenceNumber = 2 // its place in the state
	for _, body := range []string{unary, strictly} {
		plain, wrapped := newRig(t, body), newRig(t, body)
		for i, kind := range "aababcabaab" {
			if state := wrapped.states["k1"]; state != nil && i%3 == 1 {
				binary.LittleEndian.PutUint32(state[sequenceNumber:], math.MaxUint32)
			}
			want := plain.feed(int64(i), string(kind), 0)
			wrapped.want(wrapped.feed(int64(i), string(kind), 0), want)
		}
	}
}

// A rule with more conditions than an automaton takes keeps explicit runs, and
// finds the same.
func TestMoreConditionsThanAnAutomatonTakes(t *testing.T) {
	for _, n := range []int{60, 70} {
		absences, steps := "", ""
		for i := range n {
			absences += fmt.Sprintf("!x%d -> ", i)
			steps += fmt.Sprintf("  x%d: {stream: e, where: 'kind == \"x%d\"'}\n", i, i)
		}
		r := newRig(t, "within: 100s\npattern: a -> "+absences+"b\nsteps:\n  a: {stream: e, where: kind == \"a\"}\n  b: {stream: e, where: kind == \"b\"}\n"+steps)
		var got strings.Builder
		for i, kind := range []string{"a", "x9", "b", "a", "a", "y", "b"} {
			got.WriteString(r.feed(int64(i), kind, 0))
		}
		r.want(got.String(), "at 6s a=a4 b=b7\n")
	}
}
