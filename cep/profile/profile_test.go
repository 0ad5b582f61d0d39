package profile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/profile"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

const documents = `apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
partition_key: card
fields: {card: string, amount: int, device: {type: string, optional: true}}
---
apiVersion: caltrop/v1
kind: Profile
name: habits
key: card
stream: payment
where: amount > 0
pane: 10s
keep: 30s
values: {n: count(), total: sum(amount), mean: avg(amount), devices: set(device)}
limits: {set: 2}
`

func compile(t *testing.T) *prog.Profile {
	t.Helper()
	file, problems := syntax.Parse("p.yaml", []byte(documents))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	stream := file.Documents[0].(*syntax.Stream)
	env := &prog.Env{Streams: map[string]*syntax.Stream{"payment": stream}, Schemas: map[string]*event.Schema{"payment": prog.SchemaOf(stream)}}
	p, problems := prog.CompileProfile(file.Documents[1].(*syntax.Profile), env)
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

// A spend is an event at a second, with an amount and a device.
type spend struct {
	at, amount int64
	device     string
}

func stateOf(p *prog.Profile, spends []spend) (state []byte, dies int64) {
	h := profile.New(p)
	for _, s := range spends {
		ev := &event.Event{Schema: p.Stream, Time: s.at * 1e6, Values: []event.Value{event.StringOf("c"), event.IntOf(s.amount), {}}}
		if s.device != "" {
			ev.Values[2] = event.StringOf(s.device)
		}
		if next, at, taken, _ := h.Add(state, ev, nil); taken {
			state, dies = slices.Clone(next), at
		}
	}
	return state, dies
}

// read writes the values as of a second: n total mean devices, with - for an
// error.
func read(p *prog.Profile, state []byte, at int64) string {
	h := profile.New(p)
	h.Open(state, at*1e6, nil)
	var words []string
	for i := range 2 {
		v, _ := h.Value(i)
		words = append(words, fmt.Sprint(v.Int()))
	}
	if mean, ok := h.Value(2); ok {
		words = append(words, fmt.Sprint(mean.Double()))
	} else {
		words = append(words, "-")
	}
	devices, ok := h.List(3)
	if !ok {
		return strings.Join(append(words, "-"), " ")
	}
	for _, d := range devices {
		words = append(words, d.Str())
	}
	return strings.Join(words, " ")
}

// TestCovers cites docs/language.md, Profiles.
func TestCovers(t *testing.T) {
	p := compile(t)
	for _, c := range []struct {
		name   string
		spends []spend
		at     int64
		want   string
	}{
		{"of nothing count and sum are 0, the others errors", nil, 5, "0 0 - -"},
		{"all before the moment", []spend{{1, 10, "a"}, {2, 20, ""}}, 5, "2 30 15 a"},
		{"what where refuses is not taken", []spend{{1, 10, "a"}, {2, 0, "b"}}, 5, "1 10 10 a"},
		{"an event without the set's value is left out of it", []spend{{1, 10, ""}}, 5, "1 10 10 -"},
		{"a pane counts until its end is keep ago", []spend{{1, 10, "a"}}, 39, "1 10 10 a"},
		{"then it is dropped whole", []spend{{1, 10, "a"}, {9, 20, "b"}}, 40, "0 0 - -"},
		{"the pane after it stays", []spend{{9, 20, "b"}, {10, 1, "a"}}, 40, "1 1 1 a"},
		{"dropped while others close", []spend{{5, 1, "a"}, {15, 2, "b"}, {25, 4, "b"}, {35, 8, "c"}, {45, 16, ""}}, 49, "4 30 7.5 c b"},
		{"read later than the last event", []spend{{5, 1, "a"}, {15, 2, "b"}, {25, 4, "b"}, {35, 8, "c"}}, 55, "2 12 6 c b"},
		{"after a long silence", []spend{{5, 1, "a"}, {1005, 2, "b"}}, 1006, "1 2 2 b"},
		{"the last seen values stay, the last first", []spend{{1, 1, "a"}, {2, 1, "b"}, {3, 1, "c"}}, 5, "3 3 1 c b"},
		{"one that is seen again is the last seen", []spend{{1, 1, "a"}, {2, 1, "b"}, {3, 1, "a"}, {4, 1, "c"}}, 5, "4 4 1 c a"},
		{"before 1970 panes begin at multiples too", []spend{{-5, 1, "a"}, {5, 2, "b"}}, 30, "1 2 2 b"},
	} {
		state, _ := stateOf(p, c.spends)
		if got := read(p, state, c.at); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// TestDies: from the time that Add names on, a state reads as none.
func TestDies(t *testing.T) {
	p := compile(t)
	state, dies := stateOf(p, []spend{{5, 1, "a"}, {15, 2, "b"}})
	if got := read(p, state, dies/1e6-1); got != "1 2 2 b" {
		t.Errorf("just before: %s", got)
	}
	if got := read(p, state, dies/1e6); got != read(p, nil, dies/1e6) {
		t.Errorf("then: %s", got)
	}
}

// TestStateIsBounded: no number of events makes a key's state grow past its
// panes and the limit of its sets.
func TestStateIsBounded(t *testing.T) {
	p := compile(t)
	var spends []spend
	for i := range int64(2000) {
		spends = append(spends, spend{i, 1 + i%7, fmt.Sprint("d", i%50)})
	}
	if state, _ := stateOf(p, spends); len(state) > 200 {
		t.Errorf("the state of 2,000 events has %d bytes", len(state))
	}
}
