package task

import (
	"fmt"

	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/sinks/alert"
)

// nameAll gives ids to the events of an alert that brought none.
func (t *Task) nameAll(f *match.Found) {
	t.name(f.Event)
	for _, step := range f.Evidence {
		for _, ev := range step.Events {
			t.name(ev)
		}
	}
}

func (t *Task) send(a alert.Alert) {
	t.digest = t.digest.add(a.ID, a.Version, t.pos)
	t.effect.Alerts = append(t.effect.Alerts, a)
}

func (t *Task) alertOf(s *slot, key []byte, f *match.Found) alert.Alert {
	t.nameAll(f)
	values, err := ParseKey(key, s.rule.KeyTypes)
	if err != nil {
		panic(fmt.Sprintf("task: rule %s: %v", s.rule.Name, err)) // this package made the key
	}
	a := alert.Alert{
		Version: 1, Status: alert.Raised, Rule: s.rule.Name, Revision: s.ref.Revision, Mode: s.mode(t.since).String(),
		Key: values, KeyList: s.rule.KeyList, At: f.At, FinalAfter: f.At + s.lateness,
		Summary: f.Summary, Truncated: f.Truncated, Capped: f.Capped, Approx: f.Approx,
	}
	if doc := s.rule.Doc; doc != nil {
		a.Severity, a.Score, a.Tags = doc.Severity, doc.Score, doc.Tags
	}
	for _, m := range f.Measures {
		a.Measures = append(a.Measures, alert.Measure{Name: m.Name, Value: m.Value})
	}
	for _, e := range f.Evidence {
		a.Evidence = append(a.Evidence, alert.Step{Name: e.Step, Events: e.Events})
	}
	a.Lists = s.listVersions()
	a.ID = alert.MakeID(identity(&a, s.rule, f))
	a.Fit(alert.BytesMax)
	return a
}

func identity(a *alert.Alert, r *prog.Rule, f *match.Found) *alert.Identity {
	id := &alert.Identity{Rule: a.Rule, Revision: a.Revision, Key: a.KeyText()}
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
