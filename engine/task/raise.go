package task

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/sinks/alert"
)

func (t *Task) send(a *alert.Alert) {
	t.digest = t.digest.add(a.ID, a.Version, t.pos)
	t.effect.Alerts = append(t.effect.Alerts, *a)
}

// A repeat is what an alert has in common with the one before it, where those are
// of one key, or of one match. Alerts share it.
type repeat struct {
	of      []byte // the key as the State has it
	types   []event.Type
	list    bool
	key     []event.Value
	keyText string

	found []match.StepEvents
	steps []alert.Step
}

// begin makes r what alerts of a rule have for a key.
func (r *repeat) begin(rule *prog.Rule, key []byte) {
	if r.key != nil && string(r.of) == string(key) && r.list == rule.KeyList && slices.Equal(r.types, rule.KeyTypes) {
		return
	}
	values, err := ParseKey(key, rule.KeyTypes)
	if err != nil {
		panic(fmt.Sprintf("task: rule %s: %v", rule.Name, err)) // this package made the key
	}
	r.of, r.types, r.list = append(r.of[:0], key...), rule.KeyTypes, rule.KeyList
	r.key, r.keyText = values, event.KeyText(values, rule.KeyList)
}

// evidence returns what a match found, by step.
func (r *repeat) evidence(found []match.StepEvents) []alert.Step {
	switch {
	case len(found) == 0:
		return nil
	case len(found) == len(r.found) && &found[0] == &r.found[0]:
		return r.steps
	}
	r.found, r.steps = found, make([]alert.Step, len(found))
	for i, e := range found {
		r.steps[i] = alert.Step{Name: e.Step, Events: e.Events}
	}
	return r.steps
}

func (t *Task) alertOf(s *slot, key []byte, f *match.Found) alert.Alert {
	t.nameAll(f)
	t.again.begin(s.rule, key)
	a := alert.Alert{
		Version: 1, Status: alert.Raised, Rule: s.rule.Name, Revision: s.ref.Revision, Mode: s.mode(t.since).String(),
		Key: t.again.key, KeyList: s.rule.KeyList, At: f.At, FinalAfter: f.At + s.lateness,
		Summary: f.Summary, Truncated: f.Truncated, Capped: f.Capped, Approx: f.Approx,
	}
	if doc := s.rule.Doc; doc != nil {
		a.Severity, a.Score, a.Tags = doc.Severity, doc.Score, doc.Tags
	}
	if len(f.Measures) > 0 {
		a.Measures = make([]alert.Measure, 0, len(f.Measures))
	}
	for _, m := range f.Measures {
		a.Measures = append(a.Measures, alert.Measure{Name: m.Name, Value: m.Value})
	}
	a.Evidence = t.again.evidence(f.Evidence)
	a.Lists = s.listVersions()
	id := identity(&a, s.rule, f)
	id.Key = t.again.keyText
	a.ID = alert.MakeID(&id)
	a.Fit(alert.BytesMax)
	return a
}

// identity is the alert's but for its key.
func identity(a *alert.Alert, r *prog.Rule, f *match.Found) alert.Identity {
	id := alert.Identity{Rule: a.Rule, Revision: a.Revision}
	switch f.By {
	case match.ByEvent:
		id.By = alert.ByEvent(f.Event.ID)
	case match.ByDeadline:
		id.By = alert.ByDeadline(f.Instant)
	case match.ByWindow:
		id.By = alert.ByWindow(f.Instant)
	}
	if r.Pattern != nil && !r.First {
		id.Evidence = a.Evidence
	}
	return id
}
