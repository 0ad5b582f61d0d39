package rules_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/rules"
)

const readerRule = `apiVersion: caltrop/v1
kind: Rule
name: reader
key: key
within: 1h
pattern: a -> b
steps:
  a: {stream: alerts, where: rule == "probe"}
  b: {stream: alerts, where: rule == "probe" && spent > 1.0}
`

func measuring(measure string) string {
	return probeRule(5) + "alert: {measures: {spent: " + measure + "}}\n"
}

// Rules read the alerts of others by name; a measure is a field of them.
func TestRulesOverAlertsAreChecked(t *testing.T) {
	both := func(first, second string) string { return paymentStream + "---\n" + first + "---\n" + second }
	for _, c := range []struct{ name, text, want string }{
		{"a measure is a field", both(measuring("large.amount"), readerRule), ""},
		{"the order of the documents does not matter", both(readerRule, measuring("large.amount")), ""},
		{"no measure of that name", both(probeRule(5), readerRule), `nothing here is called "spent"`},
		{"of another type", both(measuring(`'"much"'`), readerRule), "cannot compare"},
		{"its own alerts", both(measuring("large.amount"), strings.ReplaceAll(readerRule, `"probe"`, `"reader"`)), "in a circle: reader -> reader"},
		{"a circle of two", both(strings.ReplaceAll(strings.Replace(readerRule, "name: reader", "name: other", 1), `rule == "probe" && spent > 1.0`, `rule == "reader"`),
			strings.ReplaceAll(readerRule, `rule == "probe" && spent > 1.0`, `rule == "other"`)), "in a circle: other -> reader -> other"},
		{"all alerts but its own", both(probeRule(5), "apiVersion: caltrop/v1\nkind: Rule\nname: sum\nkey: key\nwindow: {stream: alerts, rolling: 1h}\nvalues: {n: sum(score)}\nhaving: n > 100\n"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, problems := rules.Check(nil, rules.Source{Name: "documents", Text: []byte(c.text)})
			switch {
			case c.want == "" && len(problems) > 0:
				t.Errorf("problems %v", problems)
			case c.want != "" && (len(problems) == 0 || !strings.Contains(problems[0].Detail, c.want) || problems[0].Line == 0):
				t.Errorf("problems %v, want the first with %q and a place", problems, c.want)
			}
		})
	}
}

// Two rules that give a measure different types have no such field.
func TestMeasuresOfTwoTypesAreNoField(t *testing.T) {
	text := paymentStream + "---\n" + measuring("large.amount") + "---\n" + strings.Replace(measuring("2"), "name: probe", "name: probe-two", 1) +
		"---\n" + strings.ReplaceAll(readerRule, `rule == "probe"`, `rule.startsWith("probe")`)
	_, problems := rules.Check(nil, rules.Source{Name: "documents", Text: []byte(text)})
	if len(problems) == 0 || !strings.Contains(problems[0].Hint, "measure spent is double in rule probe and int in rule probe-two") {
		t.Errorf("problems %v", problems)
	}
}

// A rule over alerts runs live in the tasks of the one stream that all rules
// run on whose alerts it reads; what needs a hop between partitions is refused.
func TestLiveRulesOverAlerts(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	putStream(t, r, "challenge", challengeStream)
	put := func(name, text string) error {
		_, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindRule, Name: name, Text: []byte(text)})
		return err
	}
	if err := put("probe", measuring("large.amount")); err != nil {
		t.Fatal(err)
	}
	if err := put("reader", strings.Replace(readerRule, "key: key", "key: rule", 1)); err == nil || !strings.Contains(err.Error(), "key [rule] is not supported yet") {
		t.Errorf("another key: %v", err)
	}
	over := strings.Replace(readerRule, `b: {stream: alerts, where: rule == "probe" && spent > 1.0}`, `b: {stream: challenge, key: card_id}`, 1)
	if err := put("reader", over); err == nil || !strings.Contains(err.Error(), "over alerts and a stream (challenge)") {
		t.Errorf("alerts and a stream: %v", err)
	}
	if err := put("reader", readerRule); err != nil {
		t.Fatal(err)
	}
	part := r.Current().Restrict("payment")
	if part.Rule("reader") == nil || part.Alerts == nil || len(part.Names().Streams) != 2 {
		t.Errorf("the tasks of payment run %v", part.Names())
	}
	if other := r.Current().Restrict("challenge"); len(other.Rules) > 0 || other.Alerts != nil {
		t.Errorf("the tasks of challenge run %v", other.Names())
	}
	if live, err := r.Resolve(part.Names()); err != nil || live.Streams[1].Schema != part.Alerts.Schema {
		t.Errorf("a journaled set resolves to %v, %v", live, err)
	}
	if err := put("probe", measuring(`'"much"'`)); err == nil || !strings.Contains(err.Error(), "rule reader reads the alerts of this one") {
		t.Errorf("a measure that is read gets another type: %v", err)
	}
	var inUse *rules.InUseError
	if err := r.Delete(t.Context(), rules.KindRule, "probe", rules.Condition{}); !errors.As(err, &inUse) || inUse.Rules[0] != "reader" {
		t.Errorf("deleting a rule whose measures are read: %v", err)
	}
}

// A view over alerts runs where those rules run whose alerts it reads, and what
// it reads stays: a measure, and where the rule runs. It may be called as one of
// them.
func TestLiveViewsOverAlerts(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	putStream(t, r, "challenge", challengeStream)
	over := "apiVersion: caltrop/v1\nkind: View\nname: probe\nkey: key\nwindow: {stream: alerts, where: rule != \"other\", rolling: 1h}\nvalues: {total: sum(spent)}\nto: [redis]\n"
	for _, d := range []struct {
		kind             rules.Kind
		name, text, want string
	}{
		{rules.KindView, "probe", over, `nothing here is called "spent"`},
		{rules.KindRule, "probe", measuring("large.amount"), ""},
		{rules.KindView, "probe", strings.Replace(over, "key: key", "key: rule", 1), "a live view over alerts with key [rule] is not supported yet"},
		{rules.KindView, "probe", over, ""},
		{rules.KindRule, "probe", measuring(`'"much"'`), "view probe reads the alerts of this one, and could not go on"},
		{rules.KindRule, "failed", failedRule, "the live view probe reads the alerts of this one"},
		{rules.KindRule, "probe", measuring("large.amount + 1.0"), ""},
	} {
		_, _, err := r.Put(t.Context(), rules.Change{Kind: d.kind, Name: d.name, Text: []byte(d.text)})
		if (err == nil) != (d.want == "") || err != nil && !strings.Contains(err.Error(), d.want) {
			t.Fatalf("putting %s %s: %v, want %q", d.kind, d.name, err, d.want)
		}
	}
	part := r.Current().Restrict("payment")
	if len(part.Views) != 1 || part.Alerts == nil || len(r.Current().Restrict("challenge").Views) != 0 {
		t.Errorf("the tasks of payment run %+v", part.Names())
	}
	if live, err := r.Resolve(part.Names()); err != nil || live.Views[0].View.Rule.Streams[0] != part.Alerts.Schema {
		t.Errorf("a journaled set resolves to %v, %v", live, err)
	}
	var inUse *rules.InUseError
	if err := r.Delete(t.Context(), rules.KindRule, "probe", rules.Condition{}); !errors.As(err, &inUse) || len(inUse.Views) != 1 {
		t.Errorf("deleting a rule whose measures a view reads: %v", err)
	}
	if err := r.Delete(t.Context(), rules.KindView, "probe", rules.Condition{}); err != nil {
		t.Error(err)
	}
	if err := r.Delete(t.Context(), rules.KindRule, "probe", rules.Condition{}); err != nil {
		t.Errorf("deleting it without the view: %v", err)
	}
}

// failedRule reads another stream than the rules beside it.
const failedRule = "apiVersion: caltrop/v1\nkind: Rule\nname: failed\nkey: card_id\nwithin: 1h\npattern: a{2,}\nsteps:\n  a: {stream: challenge}\n"

// A rule of another stream must not slip in among those that a live rule reads.
func TestLiveRuleThatWouldNeedTheHop(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	putStream(t, r, "challenge", challengeStream)
	all := "apiVersion: caltrop/v1\nkind: Rule\nname: sum\nkey: key\nwindow: {stream: alerts, rolling: 1h}\nvalues: {n: sum(score)}\nhaving: n > 100\n"
	for _, d := range []struct{ name, text, want string }{
		{"probe", probeRule(5), ""}, {"sum", all, ""}, {"failed", failedRule, "the live rule sum reads the alerts of this one"},
	} {
		_, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindRule, Name: d.name, Text: []byte(d.text)})
		if (err == nil) != (d.want == "") || err != nil && !strings.Contains(err.Error(), d.want) {
			t.Errorf("putting %s: %v, want %q", d.name, err, d.want)
		}
	}
}
