package match

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
)

// A candidate is a complete match that has not been weighed yet.
type candidate struct {
	tail  int32
	first int32
	steps [][]int32
	gone  bool
}

// fire completes the runs whose absence has held until the deadline m.now.
func (m *Machine) fire() {
	m.found, m.children = m.found[:0], m.children[:0]
	for i := range m.st.runs {
		r := &m.st.runs[i]
		edges := m.pat.Follow[r.pos]
		for j := range edges {
			if !r.ghost && r.alive.has(j) && edges[j].Kind == prog.AcceptDeadline && m.deadline(r, &edges[j]) <= m.now {
				r.alive.remove(j)
				m.found = append(m.found, candidate{tail: r.tail, first: r.first})
			}
		}
	}
	m.raise(ByDeadline)
}

// raise weighs the matches that complete now and emits what language §5 asks.
func (m *Machine) raise(by By) {
	if len(m.found) == 0 {
		return
	}
	m.picked.reset()
	for i := range m.found {
		m.found[i].steps = m.stepsOf(m.found[i].tail)
	}
	if m.rule.First {
		m.raiseWidest(by)
	} else {
		m.raiseAll(by)
	}
}

// collectDue adds the runs that the event, being none that `, !x` forbids,
// completes.
func (m *Machine) collectDue() {
	for i := range m.st.runs {
		r := &m.st.runs[i]
		if !r.due || r.dead {
			continue
		}
		r.due = false
		edges := m.pat.Follow[r.pos]
		for j := range edges {
			if edges[j].Kind != prog.AcceptNext || !r.alive.has(j) {
				continue
			}
			r.alive.remove(j)
			if !r.ghost {
				m.found = append(m.found, candidate{tail: r.tail, first: r.first})
			}
		}
	}
}

// stepsOf returns the held events of a match by step, until m.picked is reset.
func (m *Machine) stepsOf(tail int32) [][]int32 {
	m.view.reset()
	m.view.bind(tail)
	m.view.build()
	return m.picked.copy(m.view.steps)
}

// A picker keeps the events of candidates.
type picker struct {
	events []int32
	steps  [][]int32
}

func (p *picker) reset() { p.events, p.steps = p.events[:0], p.steps[:0] }

func (p *picker) copy(steps [][]int32) [][]int32 {
	from := len(p.steps)
	for _, s := range steps {
		at := len(p.events)
		p.events = append(p.events, s...)
		p.steps = append(p.steps, p.events[at:len(p.events):len(p.events)])
	}
	return p.steps[from:len(p.steps):len(p.steps)]
}

// raiseWidest emits the widest match whose having holds, then cuts.
func (m *Machine) raiseWidest(by By) {
	slices.SortFunc(m.found, m.wider)
	for i := range m.found {
		c := &m.found[i]
		if !m.having(c) {
			continue
		}
		m.emit(c, by)
		if !m.rule.NoSkip {
			m.cut(m.lastEvent(c) + 1)
		}
		return
	}
}

// wider orders matches of `emit: first`: first event, earlier; numbers of
// iterations, more; events, earlier.
func (m *Machine) wider(a, b candidate) int {
	if a.first != b.first {
		return int(a.first - b.first)
	}
	return compareSteps(a.steps, b.steps)
}

// compareSteps orders by numbers of iterations, more first, then by events,
// earlier first; steps in the order of the pattern's text.
func compareSteps(a, b [][]int32) int {
	for i := range a {
		if d := len(b[i]) - len(a[i]); d != 0 {
			return d
		}
	}
	return compareEvents(a, b)
}

func compareEvents(a, b [][]int32) int {
	for i := range a {
		if d := slices.Compare(a[i], b[i]); d != 0 {
			return d
		}
	}
	return 0
}

func (m *Machine) having(c *candidate) bool {
	if m.rule.Having == nil {
		return true
	}
	m.bindAt(c)
	truth, ok := m.rule.Having.Holds(&m.frame)
	if !ok {
		m.out.Stats.ConditionErrors++
	}
	return ok && truth
}

// bindAt makes a finished match what expressions read.
func (m *Machine) bindAt(c *candidate) {
	m.view.reset()
	m.view.bind(c.tail)
	m.frame.Event, m.frame.Prev, m.frame.Time = nil, nil, m.now
}

func (m *Machine) lastEvent(c *candidate) int32 { return m.st.links[c.tail].event }

// cut ends every run that began before the held event at index before.
func (m *Machine) cut(before int32) {
	ends := func(r *run) {
		if r.first < before {
			r.dead = true
		}
	}
	for i := range m.st.runs {
		ends(&m.st.runs[i])
	}
	for i := range m.children {
		ends(&m.children[i])
	}
	for i := range m.found {
		m.found[i].gone = m.found[i].gone || m.found[i].first < before
	}
}

// emit writes one match to the output, owning all of its memory.
func (m *Machine) emit(c *candidate, by By) {
	m.bindAt(c)
	f := Found{At: m.now, By: by, Instant: m.now, Capped: m.st.capped, Truncated: m.st.truncated}
	if by == ByEvent {
		f.Event = m.lasting(int32(len(m.st.held)) - 1)
	}
	for i := range c.steps {
		f.Truncated = f.Truncated || m.view.lostOf(i) > 0
	}
	f.Evidence = m.evidence(c.steps)
	m.view.trim()
	if len(m.rule.Measures) > 0 {
		f.Measures = make([]NamedValue, 0, len(m.rule.Measures))
	}
	for _, measure := range m.rule.Measures {
		if v, ok := measure.Expr.Eval(&m.frame); ok {
			f.Measures = append(f.Measures, NamedValue{measure.Name, v.Own()})
		}
	}
	m.text = m.rule.Summary.Append(m.text[:0], &m.frame)
	f.Summary = string(m.text)
	m.out.Found = append(m.out.Found, f)
}

func (v *view) lostOf(step int) uint32 {
	v.build()
	return v.lost[step]
}

// evidence returns the events of the steps that have any.
func (m *Machine) evidence(steps [][]int32) []StepEvents {
	out := make([]StepEvents, 0, len(steps))
	all := make([]*event.Event, 0, size(steps))
	for i, s := range steps {
		if len(s) == 0 {
			continue
		}
		from := len(all)
		for _, e := range s {
			all = append(all, m.lasting(e))
		}
		out = append(out, StepEvents{m.pat.Steps[i].Name, all[from:len(all):len(all)]})
	}
	return out
}

// lasting returns a copy of a held event that lasts, the same to all alerts.
func (m *Machine) lasting(i int32) *event.Event {
	h := &m.st.held[i]
	if h.kept == nil {
		h.kept = clone(m.st.event(m, i))
	}
	return h.kept
}

func clone(ev *event.Event) *event.Event {
	c := *ev
	c.Values = slices.Clone(ev.Values)
	c.Own()
	return &c
}
