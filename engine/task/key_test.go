package task

import (
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

// A key that was made ahead is that of its event, whatever event is begun before
// it, and no other's, though events are used again.
func TestKeysMadeAheadAreTheirEvents(t *testing.T) {
	of := func(texts ...string) *event.Event {
		ev := &event.Event{}
		for _, s := range texts {
			ev.Values = append(ev.Values, event.StringOf(s))
		}
		return ev
	}
	k := &keyer{fields: []int{0}, owns: func(key []byte) bool { return string(key) != "foreign" }}
	a, b := of("a"), of("b")
	for i, step := range []struct {
		ahead, begin *event.Event
		want         string // "" where it has no key
	}{
		{a, a, "a"},
		{b, a, "a"},
		{nil, b, "b"},
		{a, b, "b"},
		{b, a, "a"},
		{of(), b, "b"},
		{of("foreign"), of("foreign"), ""},
		{a, a, "a"},
	} {
		if step.ahead != nil {
			k.approach(step.ahead)
		}
		got := ""
		if k.begin(step.begin) {
			got = string(k.bytes())
		}
		if got != step.want {
			t.Errorf("step %d: key %q, want %q", i, got, step.want)
		}
	}
	a.Values[0] = event.StringOf("again")
	if k.begin(a); string(k.bytes()) != "again" {
		t.Errorf("an event used again has the key %q", k.bytes())
	}
}
