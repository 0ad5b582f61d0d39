package ceptest_test

import (
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/cockroachdb/datadriven"
)

// TestScripts runs the scripts of testdata/pattern, sentence and found by oracle and
// engine. Commands:
//
//	rule      the body of a rule: pattern, steps and so on; streams, header and
//	          key are given (ceptest.DraftText). Prints ok, or the refusal.
//	events    events of one key in key order (ceptest.ParseEvents); covered=N
//	          says that the state covers all events from Epoch + N s on, by
//	          default from long before. Prints the alerts.
//
// The expected text is the oracle's answer; an engine that answers otherwise
// fails the script.
func TestScripts(t *testing.T) {
	for _, dir := range []string{"testdata/pattern", "testdata/sentence", "testdata/found"} {
		datadriven.Walk(t, dir, runScript)
	}
}

func runScript(t *testing.T, path string) {
	var s script
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "rule":
			return s.setRule(d)
		case "events":
			return s.feed(t, d)
		}
		d.Fatalf(t, "unknown command %q", d.Cmd)
		return ""
	})
}

// A script is the state between commands.
type script struct {
	setting *ceptest.Setting
	oracle  *ceptest.Oracle
	both    *compiled // nil where the engine refuses the rule
}

func (s *script) setRule(d *datadriven.TestData) string {
	*s = script{}
	setting, err := ceptest.Parse(ceptest.DraftText(d.Input + "\ntiming: final\n"))
	if err != nil {
		return err.Error()
	}
	oracle, err := setting.Oracle()
	if err != nil {
		return err.Error()
	}
	s.setting, s.oracle = setting, oracle
	c, refusal := compileBoth(setting.Text)
	if s.both = c; c == nil {
		return refusal
	}
	return "ok"
}

func (s *script) feed(t *testing.T, d *datadriven.TestData) string {
	if s.oracle == nil {
		return "no rule"
	}
	events, err := ceptest.ParseEvents(s.setting, d.Input)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	covered := int64(coveredLongAgo)
	if d.HasArg("covered") {
		var at int
		d.ScanArgs(t, "covered", &at)
		covered = ceptest.Epoch + int64(at)*1_000_000
	}
	want := ceptest.FormatAlerts(s.oracle.Alerts(events, covered))
	if s.both == nil {
		return want
	}
	judged, got := compare(s.both, [][]*event.Event{events}, covered)
	if judged != got {
		t.Errorf("%s: the oracle gives:\n%s\nthe engine gives:\n%s", d.Pos, judged, got)
	}
	return want
}
