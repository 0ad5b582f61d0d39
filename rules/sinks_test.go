package rules_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
)

func sinkText(name, rest string) string {
	return fmt.Sprintf("apiVersion: caltrop/v1\nkind: Sink\nname: %s\n%s\n", name, rest)
}

const sinkDocuments = "apiVersion: caltrop/v1\nkind: Stream\nname: p\nsource: {topic: p}\ntime: {field: ts, unit: ms}\nfields: {card_id: string}\n---\n" +
	"apiVersion: caltrop/v1\nkind: Rule\nname: probe\ntags: [cnp]\ntiming: TIMING\nkey: card_id\nwithin: 1m\npattern: a\nsteps: {a: {stream: p, where: card_id != \"x\"}}\n---\n" +
	"apiVersion: caltrop/v1\nkind: View\nname: sessions\ntags: [cnp]\nkey: card_id\nwindow: {stream: p, session: 30m}\nvalues: {n: count()}\nto: [kafka]\n---\n"

// loaded is the one sink of a set.
func loaded(t *testing.T, timing, sink string) (*rules.Set, *rules.Sink) {
	t.Helper()
	set, problems := rules.Check(nil, rules.Source{Name: "d", Text: []byte(strings.Replace(sinkDocuments, "TIMING", timing, 1) + sinkText("s", sink))})
	if len(problems) > 0 || len(set.Sinks) != 1 {
		t.Fatalf("%d sinks, %v", len(set.Sinks), problems)
	}
	return set, set.Sinks[0]
}

func seconds(n int64) int64 { return time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC).UnixMicro() + n*1e6 }

// Which alerts a sink takes.
func TestSinksSelectAlerts(t *testing.T) {
	const hook = "type: webhook\noptions: {url: 'https://example.com', secret: pager}\n"
	for match, want := range map[string]bool{
		"":                              true,
		"match: {}":                     true,
		"match: {rule: probe}":          true,
		"match: {rule: other}":          false,
		"match: {key: c1, tag: cnp}":    true,
		"match: {tag: atm}":             false,
		"match: {severity: high}":       true,
		"match: {severity: low}":        false,
		"match: {rule: probe, key: c2}": false,
	} {
		set, sink := loaded(t, "final", hook+match)
		a := &alert.Alert{Rule: "probe", Severity: "high", Key: []event.Value{event.StringOf("c1")}, DetectedAt: seconds(0)}
		if got := set.Selects(sink, a); got != want {
			t.Errorf("%s: %t, want %t", match, got, want)
		}
		since := *sink
		since.Since = time.UnixMicro(seconds(1))
		if set.Selects(&since, a) {
			t.Errorf("%s: an alert of before the sink goes to it", match)
		}
	}
}

func TestSinksSelectViews(t *testing.T) {
	for match, want := range map[string]bool{
		"options: {prefix: x}":                               true,
		"options: {prefix: x, view: sessions}":               true,
		"options: {prefix: x, view: other}":                  false,
		"match: {key: c1, tag: cnp}\noptions: {prefix: x}":   true,
		"match: {key: c2}\noptions: {prefix: x}":             false,
		"match: {tag: atm}\noptions: {prefix: x}":            false,
		"match: {tag: cnp}\noptions: {prefix: x, view: two}": false,
	} {
		set, sink := loaded(t, "final", "type: redis\nof: views\n"+match)
		if got := set.SelectsView(sink, "sessions", "c1"); got != want {
			t.Errorf("%s: %t, want %t", match, got, want)
		}
	}
}

// An alert that may still change waits; the clock and the watermark both have to
// have passed its final_after.
func TestAlertsWaitToBeFinal(t *testing.T) {
	const hook = "type: webhook\noptions: {url: 'https://example.com', secret: pager}\ntiming: "
	for _, c := range []struct {
		rule, sink         string
		revision           int
		detected, ripeness int64 // seconds after the alert's time; -1: at once
	}{
		{"early", "final", 1, 0, 30},
		{"early", "final", 1, 2, 32},
		{"early", "final", 1, 3600, 3630}, // read late: the watermark is an hour behind
		{"early", "early", 1, 2, -1},
		{"final", "final", 1, 31, -1},
		{"final", "final", 2, 31, 61}, // of a revision that is not the set's
	} {
		set, sink := loaded(t, c.rule, hook+c.sink)
		a := &alert.Alert{Rule: "probe", Revision: c.revision, At: seconds(0), FinalAfter: seconds(30), DetectedAt: seconds(c.detected)}
		want := time.Time{}
		if c.ripeness >= 0 {
			want = time.UnixMicro(seconds(c.ripeness))
		}
		if got := set.RipeFor(sink, a); !got.Equal(want) {
			t.Errorf("%+v: ripe at %s, want %s", c, got, want)
		}
	}
	set, sink := loaded(t, "final", hook+"final")
	if got := set.RipeFor(sink, &alert.Alert{Rule: "gone", At: seconds(0), FinalAfter: seconds(30), DetectedAt: seconds(2)}); !got.Equal(time.UnixMicro(seconds(32))) {
		t.Errorf("of a rule that is not there: ripe at %s", got)
	}
}

// A sink is stored like any document. Alerts go to it from its name's first
// revision on, and no stream reads what it writes.
func TestSinksInTheLog(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	put := func(k rules.Kind, name, text string) error {
		_, _, err := r.Put(t.Context(), rules.Change{Kind: k, Name: name, Text: []byte(text)})
		return err
	}
	refused := func(what string, err error) {
		t.Helper()
		var invalid *rules.InvalidError
		if !errors.As(err, &invalid) {
			t.Errorf("%s is not refused: %v", what, err)
		}
	}
	putStream(t, r, "payment", paymentStream)
	refused("a sink that writes what a stream reads", put(rules.KindSink, "cases", sinkText("cases", "type: kafka\noptions: {topic: payments}")))
	if err := put(rules.KindSink, "cases", sinkText("cases", "type: kafka\noptions: {topic: cases}")); err != nil {
		t.Fatal(err)
	}
	since := r.Current().Sinks[0].Since
	if err := put(rules.KindSink, "cases", sinkText("cases", "type: kafka\nmatch: {key: c1}\noptions: {topic: cases}")); err != nil {
		t.Fatal(err)
	}
	if k := r.Current().Sinks[0]; k.Revision != 2 || since.IsZero() || !k.Since.Equal(since) {
		t.Errorf("revision %d since %s, want 2 since %s", k.Revision, k.Since, since)
	}
	refused("a stream over what a sink writes", put(rules.KindStream, "case", strings.NewReplacer("name: payment", "name: case", "topic: payments", "topic: cases").Replace(paymentStream)))
	for i := range rules.SinksMax - 1 {
		name := fmt.Sprintf("s-%d", i)
		if err := put(rules.KindSink, name, sinkText(name, "type: kafka\noptions: {topic: x}")); err != nil {
			t.Fatal(err)
		}
	}
	refused("one sink too many", put(rules.KindSink, "more", sinkText("more", "type: kafka\noptions: {topic: x}")))
	if err := r.Delete(t.Context(), rules.KindSink, "cases", rules.Condition{}); err != nil || len(r.Current().Sinks) != rules.SinksMax-1 {
		t.Errorf("after a deletion %d sinks, %v", len(r.Current().Sinks), err)
	}
}
