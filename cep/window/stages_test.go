package window_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/window"
)

// feedStages is feed through two stages: the first on key and salt, then the
// second over what it hands over.
func (s *store) feedStages(t testing.TB, rule *prog.Rule, events []*event.Event) {
	t.Helper()
	schema := event.NewSchema("parts", window.PartFields())
	keeper, first := window.NewKeeper(rule), newStore()
	var rows []*event.Event
	fire := func(until int64) {
		for key, at := first.due(until); at != 0; key, at = first.due(until) {
			delete(first.timers, key)
			keeper.Deadline([]byte(key), at, first, &match.Output{})
			for _, p := range keeper.Parts() {
				ev := &event.Event{}
				keeper.Row(&p, schema, []byte(key[:len(key)-1]), key[len(key)-1], ev)
				ev.Offset = int64(len(rows))
				rows = append(rows, ev)
			}
		}
	}
	for _, ev := range slices.SortedFunc(slices.Values(events), event.Compare) {
		i := slices.Index(rule.Streams, ev.Schema)
		if i < 0 {
			continue
		}
		fire(ev.Time)
		salt := byte(ev.Offset % int64(rule.Window.Salts))
		keeper.Event(append([]byte(ev.Values[rule.Keys[i].Roles[0][0]].Str()), salt), ev, 1, first, &match.Output{})
	}
	fire(1 << 62)
	if len(first.states) > 0 {
		t.Fatalf("%d states are left in the first stage", len(first.states))
	}
	second := window.NewMerger(rule)
	for _, row := range slices.SortedFunc(slices.Values(rows), event.Compare) {
		s.fire(t, second, row.Time)
		second.Event([]byte(row.Values[window.PartKey].Str()), row, 1, s, &match.Output{})
	}
	s.fire(t, second, 1<<62)
}

// TestTwoStagesFindWhatOneDoes runs random rules with salts both ways: the alerts
// are the same, evidence and all.
func TestTwoStagesFindWhatOneDoes(t *testing.T) {
	alerts := 0
	for seed := range uint64(*randomRules) {
		rng := rand.New(rand.NewPCG(seed, 77))
		text := randomRule(rng)
		if !strings.Contains(text, "salts") {
			continue
		}
		if !strings.Contains(text, "limits") {
			text += pick(rng, "", "limits: {evidence: 2}\n", "limits: {evidence: 5}\n")
		}
		set := setting(t, text)
		rule := compile(t, set)
		for range *sequencesPerRule {
			events := randomEvents(rng, set, 1+rng.IntN(sequenceMax))
			one, two := newStore(), newStore()
			one.feed(t, rule, events)
			two.feedStages(t, rule, events)
			if got, want := format(two.alerts()), format(one.alerts()); got != want {
				t.Fatalf("seed %d:\n%s\nin two stages\n%sin one\n%s", seed, text[len(streams):], got, want)
			}
			if len(two.states) > 0 {
				t.Fatalf("seed %d: %d states are left in the second stage", seed, len(two.states))
			}
			alerts += len(one.raised)
		}
	}
	if alerts < *randomRules {
		t.Errorf("only %d alerts were compared", alerts)
	}
}
