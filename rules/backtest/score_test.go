package backtest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/rules/backtest"
	"github.com/caltrop/caltrop/sinks/alert"
)

const dayUs = 24 * 3600 * 1_000_000

// raised is one version of an alert whose evidence has events of those ids.
func raised(rule, key string, n byte, at int64, ids ...string) alert.Alert {
	a := alert.Alert{ID: alert.ID{n}, Version: 1, Status: alert.Raised, Rule: rule, Key: []event.Value{event.StringOf(key)}, At: at}
	var events []*event.Event
	for _, id := range ids {
		events = append(events, &event.Event{ID: id})
	}
	a.Evidence = []alert.Step{{Name: "s", Events: events}}
	return a
}

func version(a alert.Alert, n int, s alert.Status) alert.Alert {
	a.Version, a.Status = n, s
	return a
}

func labels(t *testing.T, text string) []backtest.Label {
	t.Helper()
	l, err := backtest.ReadLabels(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

const known = `{"incident_id":"i1","scenario":"a","key":"c1","event_ids":["e1","e2"],"first_ts":1,"last_ts":2,"decisive_event_id":"e2"}

{"incident_id":"i2","scenario":"a","key":"c2","event_ids":["e3"]}
{"incident_id":"i3","scenario":"b","key":"c3","event_ids":["e4"]}
{"incident_id":"i4","scenario":"c","key":"c4","event_ids":["e5"]}
`

func TestRecallAndPrecision(t *testing.T) {
	alerts := []alert.Alert{
		raised("a", "c1", 1, 0, "e0", "e2"),                      // its own
		raised("a", "c3", 2, dayUs, "e4"),                        // another scenario's
		raised("a", "c2", 3, dayUs+1, "x1", "x2"),                // none's, of the key of a miss
		raised("a", "c9", 4, dayUs+2, "x3"),                      // none's
		version(raised("a", "c1", 1, 0, "e2"), 2, alert.Changed), // the same alert again
		raised("a", "c8", 5, 0, "x4"),
		version(raised("a", "c8", 5, 0, "x4"), 2, alert.Retracted), // withdrawn
	}
	r := backtest.Score([]string{"a", "b"}, alerts, labels(t, known), backtest.Options{Listed: 1})
	a, b := r.Rules[0], r.Rules[1]
	if a.Incidents != 2 || a.Caught != 1 || *a.Recall != 0.5 || a.Alerts != 4 || a.Proven != 2 || *a.Precision != 0.5 {
		t.Errorf("rule a: %+v", a)
	}
	if len(a.Misses) != 1 || a.Misses[0].ID != "i2" || a.Misses[0].Near != 1 || a.MissesMore != 0 {
		t.Errorf("misses of a: %+v", a.Misses)
	}
	if len(a.False) != 1 || a.False[0].Key != "c2" || !slices.Equal(a.False[0].Events, []string{"x1", "x2"}) || a.FalseMore != 1 {
		t.Errorf("false alerts of a: %+v, %d more", a.False, a.FalseMore)
	}
	if len(a.Scenarios) != 2 || a.Scenarios[0].Name != "a" || a.Scenarios[1].Name != "b" || a.Scenarios[1].Caught != 1 || *a.Scenarios[1].Precision != 0.25 {
		t.Errorf("scenarios of a: %+v", a.Scenarios)
	}
	if !slices.Equal(a.Days, []backtest.Day{{"1970-01-01", 1}, {"1970-01-02", 3}}) {
		t.Errorf("days of a: %+v", a.Days)
	}
	if b.Alerts != 0 || b.Precision != nil || *b.Recall != 0 || len(b.Misses) != 1 {
		t.Errorf("rule b: %+v", b)
	}
	if !slices.Equal(r.Unwatched, []backtest.Unwatched{{"c", 1}}) {
		t.Errorf("unwatched: %+v", r.Unwatched)
	}
}

func TestWithoutLabelsThereAreAlertsADayAlone(t *testing.T) {
	r := backtest.Score([]string{"a"}, []alert.Alert{raised("a", "c1", 1, 0, "e1")}, nil, backtest.Options{Listed: 9})
	if a := r.Rules[0]; r.Labelled || a.Alerts != 1 || len(a.Days) != 1 || a.Recall != nil || a.Precision != nil || a.False != nil {
		t.Errorf("%+v", r)
	}
}

func TestLabelsThatSayNothingAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                          "line 1: a label needs",
		"\n{\"scenario\":\"a\"}":      "line 2: a label needs",
		"{\"event_ids\":[\"e\"]}":     "line 1: a label needs",
		"card-testing":                "line 1: invalid character",
		strings.Repeat("x", 1<<20+10): "line 1: ",
	} {
		if _, err := backtest.ReadLabels(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// An alert on alerts catches what those caught.
func TestEvidenceOfEvidence(t *testing.T) {
	below := raised("a", "c1", 1, 0, "e1")
	above := raised("b", "c1", 2, 1, below.ID.String())
	top := raised("c", "c1", 3, 2, above.ID.String())
	r := backtest.Score([]string{"a", "b", "c"}, []alert.Alert{below, above, top}, labels(t, `{"incident_id":"i1","scenario":"c","key":"c1","event_ids":["e1"]}`), backtest.Options{})
	for _, rule := range r.Rules {
		if rule.Proven != 1 {
			t.Errorf("rule %s has %d alerts of fraud, want 1", rule.Name, rule.Proven)
		}
	}
	if r.Rules[2].Caught != 1 {
		t.Errorf("rule c caught %d incidents, want 1", r.Rules[2].Caught)
	}
}
