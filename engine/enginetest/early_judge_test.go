package enginetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/engine/task"
)

// earlyJudges are the oracles of the rules of the simulation, over one set of
// schemas. Nothing is late for them: what is accepted has been decided.
type earlyJudges struct {
	setting *ceptest.Setting // of any rule: it decodes
	alert   *event.Schema
	oracles map[task.Ref]*ceptest.Oracle
}

func newEarlyJudges() (*earlyJudges, error) {
	streams := strings.NewReplacer("lateness: 5s", "lateness: 10h", "lateness: 3s", "lateness: 10h").Replace(earlyStreams)
	doc, err := prog.AlertsDoc("")
	if err != nil {
		return nil, err
	}
	j := &earlyJudges{oracles: map[task.Ref]*ceptest.Oracle{}, alert: prog.SchemaOf(doc)}
	for i := range earlyRules {
		for rev := 1; rev <= revisions; rev++ {
			setting, err := ceptest.Parse(streams + "---" + earlyText(i, rev, "final", ""))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", earlyName(i), err)
			}
			if j.setting == nil {
				j.setting = setting
				j.setting.Schemas[prog.AlertsStream] = j.alert
			}
			if earlyName(i) == "listed" { // the oracle knows no lists
				continue
			}
			o, err := ceptest.New(setting.Rule, j.setting.Schemas, setting.Profiles...)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", earlyName(i), err)
			}
			j.oracles[task.Ref{Name: earlyName(i), Revision: rev}] = o
		}
	}
	return j, nil
}

// events are accepted records.
func (j *earlyJudges) events(s *Script, accepted []int) ([]*event.Event, error) {
	var lines [][]byte
	for _, i := range accepted {
		r := &s.Records[i]
		lines = append(lines, append([]byte(`{"stream":"`+s.Sources[r.Source].Stream+`",`), r.Value[1:]...))
	}
	return j.setting.Accept(lines)
}

// judge returns what a rule must raise. What covers the state are the events,
// not the alerts, which stand after them.
func (j *earlyJudges) judge(ref task.Ref, events []*event.Event) []string {
	o := j.oracles[ref]
	var lines []string
	for _, a := range o.Alerts(events, o.Covered(events)) {
		line := fmt.Sprintf("%d %s", a.At, a.Key[0].Str())
		for _, step := range a.Evidence {
			line += describe(step.Step, step.Events)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// alerts are the events that alerts are to rules above them, in the order of
// docs/language.md: by level, rule, key and id at one time.
func (j *earlyJudges) alerts(valid standing) []*event.Event {
	var all []*event.Event
	for _, a := range valid {
		ev := &event.Event{Schema: j.alert, Time: a.At, ID: a.ID.String(), Offset: 0, Values: make([]event.Value, len(j.alert.Fields))}
		ev.Values[prog.AlertRule], ev.Values[prog.AlertSeverity] = event.StringOf(a.Rule), event.StringOf(a.Severity)
		ev.Values[prog.AlertScore], ev.Values[prog.AlertKey] = event.IntOf(int64(a.Score)), event.StringOf(a.KeyText())
		all = append(all, ev)
	}
	rule := func(ev *event.Event) string { return ev.Values[prog.AlertRule].Str() }
	level := func(ev *event.Event) int {
		if isAbove(rule(ev)) {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b *event.Event) int {
		return cmp.Or(level(a)-level(b), strings.Compare(rule(a), rule(b)),
			strings.Compare(a.Values[prog.AlertKey].Str(), b.Values[prog.AlertKey].Str()), strings.Compare(a.ID, b.ID))
	})
	for i, ev := range all {
		ev.Offset = int64(i)
	}
	return all
}
