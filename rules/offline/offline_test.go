package offline_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
	"github.com/caltrop/caltrop/sinks/alert"
)

const documents = `apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
partition_key: card
max_bytes: 2 MiB
fields: {card: string, amount: double}
---
apiVersion: caltrop/v1
kind: Stream
name: login
source: {topic: logins}
time: {field: ts, unit: ms}
partition_key: card
fields: {card: string}
---
apiVersion: caltrop/v1
kind: Rule
name: pair
key: card
within: 1h
pattern: a -> b
steps:
  a: {stream: login}
  b: {stream: payment, where: amount > 10}
---
apiVersion: caltrop/v1
kind: Rule
name: quiet
key: card
within: 1h
pattern: a -> !b
steps:
  a: {stream: login}
  b: {stream: payment}
`

func load(t *testing.T) *rules.Set {
	t.Helper()
	set, problems := rules.Check(nil, rules.Source{Name: "documents", Text: []byte(documents)})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return set
}

// play runs a text of events and returns each alert as `rule key at`, and the
// lines that are no events.
func play(t *testing.T, text string) (alerts []string, bad []string) {
	t.Helper()
	set := load(t)
	run, err := offline.New(set, offline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	lines := offline.NewLines(run, set, strings.NewReader(text))
	for {
		err := lines.Next()
		var line *offline.LineError
		switch {
		case err == io.EOF:
			if err := run.Close(); err != nil {
				t.Fatal(err)
			}
			offline.Sort(run.Alerts)
			for _, a := range run.Alerts {
				alerts = append(alerts, fmt.Sprintf("%s %s %d", a.Rule, a.KeyText(), a.At))
			}
			return alerts, bad
		case errors.As(err, &line):
			bad = append(bad, line.Error())
		case err != nil:
			t.Fatal(err)
		}
	}
}

// Streams are matched together in key order, and at the end every deadline
// fires.
func TestEventTimeClosesAtTheEnd(t *testing.T) {
	alerts, bad := play(t, `{"stream":"login","ts":1700000000000,"card":"c1"}
{"stream":"payment","ts":1700000001000,"card":"c1","amount":11}
{"stream":"login","ts":1700000002000,"card":"c2"}`)
	want := []string{"pair c1 1700000001000000", "quiet c2 1700003602000000"}
	if !slices.Equal(alerts, want) || len(bad) > 0 {
		t.Errorf("alerts %q, bad %q; want %q", alerts, bad, want)
	}
}

func TestLinesOfAnyLength(t *testing.T) {
	padded := func(n int) string {
		return `{"stream":"payment","ts":1700000001000,"card":"c1","amount":11,"pad":"` + strings.Repeat("x", n) + `"}`
	}
	login := `{"stream":"login","ts":1700000000000,"card":"c1"}` + "\n"
	for _, c := range []struct {
		name string
		text string
		fire bool
		bad  string
	}{
		{"below the read buffer", login + padded(1000) + "\n", true, ""},
		{"longer than the read buffer", login + padded(3<<19) + "\n", true, ""},
		{"without a line end", login + padded(3<<19), true, ""},
		{"over max_bytes", login + padded(10<<20) + "\n", false, "line 2: too_large"},
		{"a byte order mark", "\ufeff" + login + padded(1) + "\n", true, ""},
		{"a byte order mark and nothing else", "\ufeff", false, ""},
		{"a byte order mark in the middle", login + "\ufeff" + padded(1), false, "line 2: bad_json"},
		{"blank lines and carriage returns", "\n \r\n" + login + "\r\n" + padded(1) + "\r\n\n", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			alerts, bad := play(t, c.text)
			fired := slices.ContainsFunc(alerts, func(a string) bool { return strings.HasPrefix(a, "pair") })
			if fired != c.fire || !strings.HasPrefix(strings.Join(bad, ";"), c.bad) || (c.bad == "") != (len(bad) == 0) {
				t.Errorf("fired %v, bad %q; want %v, %q", fired, bad, c.fire, c.bad)
			}
		})
	}
}

// The order of the output does not depend on the order of raising.
func TestSortIsTotal(t *testing.T) {
	schema := event.NewSchema("payment", nil)
	at := func(us, offset int64) *event.Event { return &event.Event{Schema: schema, Time: us, Offset: offset} }
	step := func(name string, events ...*event.Event) alert.Step { return alert.Step{Name: name, Events: events} }
	a, b, c := at(1, 0), at(2, 1), at(2, 2)
	ordered := []alert.Alert{
		{At: 5, Rule: "z", Key: []event.Value{event.StringOf("k")}},
		{At: 6, Rule: "a", Key: []event.Value{event.StringOf("k2")}},
		{At: 6, Rule: "b", Key: []event.Value{event.StringOf("k1")}, Evidence: []alert.Step{step("s", a, c)}},
		{At: 6, Rule: "b", Key: []event.Value{event.StringOf("k1")}, Evidence: []alert.Step{step("s", b)}, Version: 1},
		{At: 6, Rule: "b", Key: []event.Value{event.StringOf("k1")}, Evidence: []alert.Step{step("s", b)}, Version: 2},
		{At: 6, Rule: "b", Key: []event.Value{event.StringOf("k1")}, Evidence: []alert.Step{step("s", b, c)}, Version: 1},
		{At: 6, Rule: "b", Key: []event.Value{event.StringOf("k1")}, Evidence: []alert.Step{step("s", c)}, Version: 1},
		{At: 6, Rule: "b", Key: []event.Value{event.StringOf("k2")}},
	}
	for seed := range uint64(50) {
		shuffled := slices.Clone(ordered)
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		offline.Sort(shuffled)
		if got, want := fmt.Sprintf("%+v", shuffled), fmt.Sprintf("%+v", ordered); got != want {
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, got, want)
		}
	}
}
