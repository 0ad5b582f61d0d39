package rules_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
)

func silenceText(match, span string) string {
	return fmt.Sprintf("apiVersion: caltrop/v1\nkind: Silence\nname: quiet\nmatch: %s\nreason: a move\nowner: ops\n%s\n", match, span)
}

// An alert is silenced by its own time and by what it says, whatever the clock
// shows.
func TestSilencesHoldByTheTimeOfTheAlert(t *testing.T) {
	const span = "from: 2026-01-01T10:00:00Z\nuntil: 2026-01-01T11:00:00Z"
	cases := []struct {
		name, match, at string
		want            bool
	}{
		{"rule", "{rule: card-testing}", "10:30:00", true},
		{"another rule", "{rule: velocity}", "10:30:00", false},
		{"at from", "{rule: card-testing}", "10:00:00", true},
		{"before from", "{rule: card-testing}", "09:59:59", false},
		{"at until", "{rule: card-testing}", "11:00:00", false},
		{"key and severity", "{key: c1, severity: high}", "10:30:00", true},
		{"all conditions must hold", "{key: c1, severity: low}", "10:30:00", false},
		{"tag of the rule", "{tag: cnp}", "10:30:00", true},
		{"another tag", "{tag: atm}", "10:30:00", false},
	}
	const documents = "apiVersion: caltrop/v1\nkind: Stream\nname: p\nsource: {topic: p}\ntime: {field: ts, unit: ms}\nfields: {card_id: string}\n---\n" +
		"apiVersion: caltrop/v1\nkind: Rule\nname: card-testing\ntags: [cnp]\nkey: card_id\nwithin: 1m\npattern: a\nsteps: {a: {stream: p, where: card_id != \"x\"}}\n---\n"
	for _, c := range cases {
		set, problems := rules.Check(nil, rules.Source{Name: "d", Text: []byte(documents + silenceText(c.match, span))})
		if len(problems) > 0 {
			t.Fatalf("%s: %v", c.name, problems)
		}
		at, err := time.Parse(time.RFC3339, "2026-01-01T"+c.at+"Z")
		if err != nil {
			t.Fatal(err)
		}
		a := alert.Alert{Rule: "card-testing", Severity: "high", Key: []event.Value{event.StringOf("c1")}, At: at.UnixMicro()}
		if got := set.Silencing(&a); (len(got) == 1) != c.want {
			t.Errorf("%s: silenced by %v", c.name, got)
		}
	}
}

// Without from a silence holds from when it was stored, and a deleted one does
// nothing.
func TestSilencesInTheLog(t *testing.T) {
	stored := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	r := rules.NewRegistry(rules.Options{Log: &rules.MemoryLog{}, Now: func() time.Time { return stored }})
	run(t, r)
	put := rules.Change{Kind: rules.KindSilence, Name: "quiet", Text: []byte(silenceText("{key: c1}", "until: 2026-01-01T11:00:00Z"))}
	if _, created, err := r.Put(t.Context(), put); err != nil || !created {
		t.Fatal(created, err)
	}
	at := func(when time.Time) string {
		return strings.Join(r.Current().Silencing(&alert.Alert{Key: []event.Value{event.StringOf("c1")}, At: when.UnixMicro()}), " ")
	}
	if at(stored) != "quiet" || at(stored.Add(-time.Second)) != "" || at(stored.Add(time.Hour)) != "" {
		t.Errorf("at %q, before %q, after %q", at(stored), at(stored.Add(-time.Second)), at(stored.Add(time.Hour)))
	}
	if names := r.Current().Names(); len(names.Rules)+len(names.Streams) != 0 {
		t.Errorf("a task is told of a silence: %+v", names)
	}
	if err := r.Delete(t.Context(), rules.KindSilence, "quiet", rules.Condition{}); err != nil {
		t.Fatal(err)
	}
	if at(stored) != "" {
		t.Error("a deleted silence holds")
	}
}
