package rules_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/rules"
)

// at tells what a registry has of the rule probe: each revision with its state, and what
// of it runs.
func at(r *rules.Registry) string {
	d, err := r.Get(rules.KindRule, "probe")
	if err != nil {
		return "none"
	}
	text := fmt.Sprintf("%d %s", d.Revision.Revision, d.State)
	if d.Trial != nil {
		text += fmt.Sprintf(", %d %s", d.Trial.Revision.Revision, d.Trial.State)
	}
	text += ";"
	for _, rule := range r.Current().AtWork() {
		text += fmt.Sprintf(" %d", rule.Revision)
	}
	return text
}

func TestALifeStepByStep(t *testing.T) {
	log := &rules.MemoryLog{}
	r := start(t, log)
	putStream(t, r, "payment", paymentStream)
	put := func(limit int, state rules.State) error {
		_, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindRule, Name: "probe", Text: []byte(probeRule(limit)), State: state})
		return err
	}
	move := func(to rules.State, revision int) error {
		_, err := r.Move(t.Context(), rules.Move{Name: "probe", To: to, Revision: revision})
		return err
	}
	for i, step := range []struct {
		do     func() error
		want   string
		refuse string // a part of the error
	}{
		{func() error { return move(rules.Live, 0) }, "none", "not found"},
		{func() error { return put(1, rules.Paused) }, "none", "a rule is not stored as paused"},
		{func() error { return put(1, rules.Draft) }, "1 draft;", ""},
		{func() error { return move(rules.Paused, 0) }, "1 draft;", "revision 1 of rule probe is draft and cannot become paused: from draft a rule goes to shadow, live or retired"},
		{func() error { return put(2, rules.Draft) }, "2 draft;", ""},
		{func() error { return move(rules.Live, 1) }, "2 draft;", "it has no revision 1 that is at work or waits; it has revision 2, draft"},
		{func() error { return move(rules.Shadow, 0) }, "2 shadow; 2", ""},
		{func() error { return move(rules.Shadow, 0) }, "2 shadow; 2", ""},
		{func() error { return move(rules.Draft, 0) }, "2 draft;", ""},
		{func() error { return put(2, rules.Shadow) }, "2 shadow; 2", ""}, // the same text: no revision
		{func() error { return move(rules.Live, 0) }, "2 live; 2", ""},
		{func() error { return move(rules.Draft, 0) }, "2 live; 2", "from live a rule goes to paused or retired"},
		{func() error { return put(3, rules.Shadow) }, "2 live, 3 shadow; 2 3", ""},
		{func() error { return put(4, rules.Shadow) }, "2 live, 4 shadow; 2 4", ""},
		{func() error { return move(rules.Paused, 0) }, "2 paused, 4 shadow; 2 4", ""},
		{func() error { return move(rules.Live, 0) }, "2 paused, 4 shadow; 2 4", "it has revision 2, paused and revision 4, shadow"},
		{func() error { return move(rules.Live, 2) }, "2 live, 4 shadow; 2 4", ""},
		{func() error { return move(rules.Live, 0) }, "4 live; 4", ""}, // the shadow is promoted
		{func() error { return put(5, rules.Draft) }, "4 live, 5 draft; 4", ""},
		{func() error { return move(rules.Retired, 5) }, "4 live, 5 draft; 4", "a rule is retired as a whole"},
		{func() error { return put(6, rules.Live) }, "6 live, 5 draft; 6", ""},
		{func() error { return move(rules.Retired, 0) }, "6 retired;", ""},
		{func() error { return put(6, rules.Live) }, "6 retired;", "a retired rule stays retired"},
		{func() error { return move(rules.Live, 0) }, "6 retired;", "a retired rule stays retired"},
		{func() error { return r.Delete(t.Context(), rules.KindRule, "probe", rules.Condition{}) }, "none", ""},
		{func() error { return put(6, rules.Live) }, "7 live; 7", ""}, // numbers are not used again
	} {
		err := step.do()
		if (err == nil) != (step.refuse == "") || err != nil && !strings.Contains(err.Error(), step.refuse) {
			t.Fatalf("step %d: %v, want %q", i, err, step.refuse)
		}
		if got := at(r); got != step.want {
			t.Fatalf("step %d: %s, want %s", i, got, step.want)
		}
		if got := at(start(t, log)); got != step.want { // another process reads the same
			t.Fatalf("step %d, read again: %s, want %s", i, got, step.want)
		}
	}
	if names := r.Names(rules.KindRule); !slices.Equal(names, []string{"probe"}) {
		t.Errorf("names %v", names)
	}
}

// A revision on trial needs what it reads as a live one does, and a draft is
// checked again when it comes to run.
func TestWhatRunsKeepsWhatItReads(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	change := rules.Change{Kind: rules.KindRule, Name: "probe", Text: []byte(probeRule(1)), State: rules.Draft}
	if _, _, err := r.Put(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context(), rules.KindStream, "payment", rules.Condition{}); err != nil {
		t.Fatal(err) // a draft needs nothing
	}
	var invalid *rules.InvalidError
	if _, err := r.Move(t.Context(), rules.Move{Name: "probe", To: rules.Shadow}); !errors.As(err, &invalid) || invalid.Problems[0].Line == 0 {
		t.Fatalf("a draft whose stream is gone went on trial: %v", err)
	}
	putStream(t, r, "payment", paymentStream)
	if _, err := r.Move(t.Context(), rules.Move{Name: "probe", To: rules.Shadow}); err != nil {
		t.Fatal(err)
	}
	var used *rules.InUseError
	if err := r.Delete(t.Context(), rules.KindStream, "payment", rules.Condition{}); !errors.As(err, &used) {
		t.Errorf("the stream of a rule on trial was deleted: %v", err)
	}
}

// No rule reads the alerts of one on trial, and what one on trial reads may not
// change under it.
func TestAlertsOnTrialAreNotRead(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	put := func(name, text string, state rules.State) error {
		_, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindRule, Name: name, Text: []byte(text), State: state})
		return err
	}
	measured := probeRule(1) + "alert: {measures: {lost: small.amount}}\n"
	reader := `apiVersion: caltrop/v1
kind: Rule
name: reader
key: key
window: {stream: alerts, where: 'rule == "probe" && lost > 1.0', rolling: 1h}
values: {n: count()}
having: n > 1
`
	if err := put("probe", measured, rules.Shadow); err != nil {
		t.Fatal(err)
	}
	if err := put("reader", reader, rules.Live); err == nil {
		t.Error("a live rule reads a measure of a rule on trial")
	}
	if _, err := r.Move(t.Context(), rules.Move{Name: "probe", To: rules.Live}); err != nil {
		t.Fatal(err)
	}
	if err := put("reader", reader, rules.Shadow); err != nil {
		t.Fatal(err)
	}
	if err := put("probe", probeRule(1), rules.Live); err == nil || len(r.Current().Faults) > 0 {
		t.Errorf("a measure went away under a rule on trial: %v, %v", err, r.Current().Faults)
	}
	var used *rules.InUseError
	if _, err := r.Move(t.Context(), rules.Move{Name: "probe", To: rules.Retired}); !errors.As(err, &used) {
		t.Errorf("a rule was retired whose measures another reads: %v", err)
	}
	if _, err := r.Move(t.Context(), rules.Move{Name: "probe", To: rules.Paused}); err != nil {
		t.Errorf("a paused rule keeps its measures: %v", err)
	}
}

// A backtest by name runs what is newest of a rule, also what does not run live.
func TestTryingRunsWhatDoesNotRun(t *testing.T) {
	r := start(t, &rules.MemoryLog{})
	putStream(t, r, "payment", paymentStream)
	for i, state := range []rules.State{rules.Draft, rules.Shadow, rules.Live, rules.Shadow} {
		if _, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindRule, Name: "probe", Text: []byte(probeRule(i)), State: state}); err != nil {
			t.Fatal(err)
		}
		set, err := r.Trying("probe")
		if err != nil || len(set.AtWork()) != 1 || set.Rule("probe").Revision != i+1 || len(set.Names().Shadow) > 0 {
			t.Fatalf("%s: %+v, %v", state, set, err)
		}
		if _, err := set.Resolve(set.Names()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Move(t.Context(), rules.Move{Name: "probe", To: rules.Paused}); err != nil {
		t.Fatal(err)
	}
	if names := r.Current().AllLive().Names(); len(names.Rules) != 1 || len(names.Paused)+len(names.Shadow) > 0 {
		t.Errorf("all as if live: %+v", names)
	}
	if _, err := r.Trying("none"); !errors.Is(err, rules.ErrNotFound) {
		t.Errorf("an unknown rule: %v", err)
	}
}
