package ceptest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
)

// MaxEvents is the longest random sequence.
const MaxEvents = 14

// draftKey is the key of all random events; otherKey is in the second role of
// some.
const (
	draftKey = "k1"
	otherKey = "k2"
)

// Epoch is +0s of random and scripted events, in µs.
const Epoch = 1_700_000_000_000_000

// second is a second in µs.
const second = 1_000_000

// RandomEvents makes events of one key, of the rule's streams, in key order: few kinds, small values,
// and times a whole number of seconds apart, so that ties and exact bounds are
// common.
func RandomEvents(rng *rand.Rand, s *Setting, n int) []*event.Event {
	var events []*event.Event
	at := int64(Epoch)
	for i := range n {
		at += int64([]int{0, 1, 1, 1, 2, 2, 3, 5}[rng.IntN(8)]) * second
		events = append(events, randomEvent(rng, s, at, i))
	}
	slices.SortFunc(events, event.Compare)
	return events
}

func randomEvent(rng *rand.Rand, s *Setting, at int64, i int) *event.Event {
	stream := s.randomStream(rng)
	schema := s.Schemas[stream]
	kind := "aabbccdx"[rng.IntN(8):][:1]
	ev := &event.Event{Schema: schema, Time: at, ID: fmt.Sprintf("%s%d", kind, i+1), Offset: int64(i), Values: make([]event.Value, len(schema.Fields))}
	set := func(field string, v event.Value) {
		if at := schema.Index(field); at >= 0 {
			ev.Values[at] = v
		}
	}
	set("kind", event.StringOf(kind))
	set("v", event.IntOf(int64(rng.IntN(5))))
	if rng.IntN(2) == 0 {
		set("u", event.IntOf(int64(rng.IntN(3))))
	}
	if rng.IntN(3) > 0 {
		set("rate", event.DoubleOf(float64(rng.IntN(9)-1)/2))
	}
	if rng.IntN(3) > 0 {
		set("cost", event.DecimalOf([]int64{-30, 0, 10, 20, 25, 110, 250}[rng.IntN(7)], 2))
	}
	set("k", event.StringOf(draftKey))
	if stream == "t" {
		roles := [][2]string{{draftKey, otherKey}, {otherKey, draftKey}, {draftKey, draftKey}}[rng.IntN(3)]
		set("k", event.StringOf(roles[0]))
		set("to", event.StringOf(roles[1]))
	}
	return ev
}

// randomStream picks one of the streams that the rule reads, mostly the first
// step's, or that of a profile that it reads.
func (s *Setting) randomStream(rng *rand.Rand) string {
	if w := s.window(); w != nil {
		return []string{"e", "e", "f", w.Streams[rng.IntN(len(w.Streams))].Name}[rng.IntN(4)]
	}
	if rng.IntN(3) == 0 {
		for _, p := range s.Profiles {
			if strings.Contains(s.Text, "profile."+p.Name+".") {
				return p.Stream.Name
			}
		}
	}
	steps := s.Rule.Steps
	return steps[max(0, rng.IntN(2*len(steps))-len(steps))].Stream
}

func (s *Setting) window() *syntax.Window {
	if s.View != nil {
		return s.View.Window
	}
	return s.Rule.Window
}
