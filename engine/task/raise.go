package task

import (
	"encoding/binary"
	"fmt"

	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/sinks/alert"
)

// raise makes an alert of what an evaluator found and sends it, unless the
// rule is silent for this key.
func (t *Task) raise(s *slot, key []byte, f *match.Found) {
	q := t.quiets[s.rule.Name]
	if q != nil && t.suppressed(q, key, f.At) {
		s.counts.Suppressed++
		return
	}
	t.nameAll(f)
	a := t.alertOf(s, key, f)
	t.send(a)
	t.publish(s, &a)
	s.counts.Raised++
	if q != nil && s.rule.Suppress > 0 {
		t.openPeriod(q, key, &a, f.At+s.rule.Suppress)
	}
}

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
	values, err := ParseKey(key, s.rule.KeyTypes)
	if err != nil {
		panic(fmt.Sprintf("task: rule %s: %v", s.rule.Name, err)) // this package made the key
	}
	a := alert.Alert{
		Version: 1, Status: alert.Raised, Rule: s.rule.Name, Revision: s.ref.Revision, Mode: "live",
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

// A quiet keeps the suppression periods of one rule name, by key. They
// outlive the revision that began them.
type quiet struct {
	slot  uint32
	wheel uint32
	buf   []byte
}

// openQuiet makes sure that a rule with `suppress` has its periods.
func (t *Task) openQuiet(g *group, r *prog.Rule) {
	if r.Suppress == 0 || t.quiets[r.Name] != nil {
		return
	}
	t.slotIDs++
	t.quiets[r.Name] = &quiet{slot: t.slotIDs, wheel: g.id}
	t.cfg.State.Open(Slot{ID: t.slotIDs, Wheel: g.id})
}

// A period is stored as its start and end, 8 bytes each, the number of alerts
// it has swallowed, 8 bytes, and the alert that was sent, as JSON.
const periodHead = 24

// openPeriod starts the period [a.At, until).
func (t *Task) openPeriod(q *quiet, key []byte, a *alert.Alert, until int64) {
	b := binary.BigEndian.AppendUint64(q.buf[:0], uint64(a.At))
	b = binary.BigEndian.AppendUint64(b, uint64(until))
	b = binary.BigEndian.AppendUint64(b, 0)
	q.buf = a.AppendJSON(b)
	t.cfg.State.Put(q.slot, key, q.buf, until)
}

// suppressed reports whether at lies in the key's period, and counts it.
func (t *Task) suppressed(q *quiet, key []byte, at int64) bool {
	b := t.cfg.State.Get(q.slot, key)
	if len(b) < periodHead {
		return false
	}
	start, until := int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))
	if at < start || at >= until {
		return false
	}
	n := binary.BigEndian.Uint64(b[16:]) + 1
	q.buf = append(q.buf[:0], b...)
	binary.BigEndian.PutUint64(q.buf[16:], n)
	t.cfg.State.Put(q.slot, key, q.buf, until)
	if n == 1 {
		t.timers++
		t.cfg.State.SetTimer(q.slot, key, until)
	}
	return true
}

// endPeriod sends the next version of the alert that opened the period: it
// tells how many were suppressed.
func (t *Task) endPeriod(q *quiet, key []byte) {
	b := t.cfg.State.Get(q.slot, key)
	if len(b) < periodHead {
		return
	}
	a, err := alert.ParseJSON(b[periodHead:])
	if err != nil {
		panic(fmt.Sprintf("task: reading a suppressed alert: %v", err)) // openPeriod wrote it
	}
	a.Version++
	a.Status = alert.Changed
	a.Suppressed = int(binary.BigEndian.Uint64(b[16:]))
	t.cfg.State.Put(q.slot, key, nil, Never)
	t.send(*a)
}
