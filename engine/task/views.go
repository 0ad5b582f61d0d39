package task

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/window"
	"github.com/caltrop/caltrop/sinks/view"
)

// A View is a live view revision.
type View struct {
	View     *prog.View
	Revision int
}

// A shown is a slot's side of a view: its window, and what was published of
// each key. Updates are made behind the watermark, in the order of event time.
type shown struct {
	view  *prog.View
	gauge window.Gauge
	kept  int64 // µs for which the values of a window that has ended stand; 0: they do not outlive it
	buf   []byte
}

// pulseBit marks the State's slot for the pulses of a view.
const pulseBit = 1 << 30

// A pulse is what is remembered of the publishing of one key: format, then
// version, next, flags and until, as varints.
type pulse struct {
	version int64 // of the last update
	next    int64 // before this time an open window is not published again; 0: at once
	due     bool  // it has changed and is published at next, by timer
	until   int64 // when the values of the last window are out of date, by timer; 0: never
}

const pulseFormat = 1

var errPulse = errors.New("corrupt pulse of a view")

func newShown(v *prog.View) *shown {
	s := &shown{view: v, gauge: window.NewGauge(v)}
	switch w := v.Rule.Window; w.Kind {
	case "tumbling":
		s.kept = w.Size
	case "sliding":
		s.kept = w.Every
	}
	return s
}

// observe shows an event to the window of a view.
func (t *Task) observe(s *slot, key []byte, h *held, roles uint64) {
	s.shown.gauge.Event(key, h.ev, roles, &s.store, &t.out)
	t.collect(s, key, nil, false)
	if s.raises(h.epoch) {
		t.turns(s, key)
	}
}

// turns publishes what the last call of the gauge did.
func (t *Task) turns(s *slot, key []byte) {
	for _, c := range s.shown.gauge.Changes() {
		p := t.pulse(s, key)
		switch c.Turn {
		case window.Moved:
			t.moved(s, key, &p, c.At)
			continue
		case window.Closed:
			p.due, p.next, p.until = false, 0, 0
			if s.shown.kept > 0 {
				p.until = c.At + s.shown.kept
			}
			t.show(s, key, &p, c.At, view.Closed, &c.Glance)
		case window.Emptied:
			p.due, p.next, p.until = false, 0, 0
			t.show(s, key, &p, c.At, view.Empty, &c.Glance)
		}
		t.putPulse(s, key, &p)
	}
}

// moved publishes an open window now, or when the view's `every` has passed.
func (t *Task) moved(s *slot, key []byte, p *pulse, at int64) {
	switch {
	case p.due || s.shown.kept > 0: // it will be published; values at the end only
		return
	case at < p.next:
		p.due = true
	default:
		t.showOpen(s, key, p, at)
	}
	t.putPulse(s, key, p)
}

func (t *Task) showOpen(s *slot, key []byte, p *pulse, at int64) {
	p.next, p.due = at+s.shown.view.Every, false
	if g, ok := s.shown.gauge.Read(key, &s.store); ok {
		t.show(s, key, p, at, view.Open, &g)
	}
}

// beat runs the timer of a pulse; one that was set anew at the same time by the
// window's own deadline is not due any more. Of a revision that has ended no
// window is published by timer.
func (t *Task) beat(s *slot, key []byte, at int64) {
	p := t.pulse(s, key)
	switch {
	case p.due && p.next == at && s.died != alive:
		p.due = false
	case p.due && p.next == at:
		t.showOpen(s, key, &p, at)
	case p.until == at:
		p.until = 0
		t.empty(s, key, &p, at)
	default:
		return
	}
	t.putPulse(s, key, &p)
}

// show emits one update.
func (t *Task) show(s *slot, key []byte, p *pulse, at int64, status view.Status, g *window.Glance) {
	values, err := ParseKey(key, s.rule.KeyTypes)
	if err != nil {
		panic(fmt.Sprintf("task: view %s: %v", s.rule.Name, err)) // this package made the key
	}
	p.version = max(p.version+1, at)
	u := view.Update{View: s.rule.Name, Revision: s.ref.Revision, Key: values, KeyList: s.rule.KeyList, Status: status, Version: p.version,
		At: at, Start: g.Start, Last: g.Last, End: g.End, Events: g.Events, Truncated: g.Truncated, Approx: g.Approx, To: s.shown.view.Doc.To,
		Gone: status == view.Empty || status == view.Closed && s.shown.kept == 0}
	for _, v := range g.Values {
		u.Values = append(u.Values, view.Value(v))
	}
	u.Fit(view.BytesMax)
	t.digest = t.digest.addView(&u, t.pos)
	t.effect.Views = append(t.effect.Views, u)
	s.counts.Raised++
}

// pulse reads the pulse of a key; the zero pulse when nothing is remembered.
func (t *Task) pulse(s *slot, key []byte) pulse {
	b := t.cfg.State.Get(s.id|pulseBit, key)
	if len(b) == 0 {
		return pulse{version: math.MinInt64}
	}
	p, err := decodePulse(b)
	if err != nil {
		panic(fmt.Sprintf("task: view %s: %v", s.rule.Name, err)) // putPulse wrote it
	}
	return p
}

func decodePulse(b []byte) (pulse, error) {
	c := event.Cursor{Buf: b}
	format := c.Byte()
	p := pulse{version: c.Varint(), next: c.Varint()}
	due := c.Varint()
	p.due, p.until = due == 1, c.Varint()
	if !c.Done() || format != pulseFormat || due < 0 || due > 1 {
		return pulse{}, errPulse
	}
	return p, nil
}

// putPulse stores the pulse and sets its timer. Once the watermark has passed
// its version, its timer and the time before which nothing is published, it says
// nothing that the next event's time does not.
func (t *Task) putPulse(s *slot, key []byte, p *pulse) {
	due, timer := int64(0), p.until
	if p.due {
		due, timer = 1, p.next
	}
	b := append(s.shown.buf[:0], pulseFormat)
	for _, n := range [...]int64{p.version, p.next, due, p.until} {
		b = binary.AppendVarint(b, n)
	}
	s.shown.buf = b
	t.cfg.State.Put(s.id|pulseBit, key, b, max(p.version, p.next, timer))
	t.timers++
	t.cfg.State.SetTimer(s.id|pulseBit, key, timer)
}

// ruleFor is the rule that stands for a view in a task.
func ruleFor(v View) Rule { return Rule{Rule: v.View.Rule, Revision: v.Revision, view: v.View} }
