package match

import (
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
)

// A Machine evaluates a pattern rule with explicit runs: each run is one
// partial match, an event moves every run that it concerns, and a run that
// waits for something else is not touched. It holds scratch space only.
type Machine struct {
	rule  *prog.Rule
	pat   *prog.Pattern
	alone bool // of an automaton: nothing is raised
	first bool // then: the event may start runs

	st       state
	ev       *event.Event // being applied; nil at a deadline
	roles    uint64
	now      int64
	stream   int
	unary    []truth // by pred, for the event being applied
	frame    expr.Frame
	view     view
	children []run
	kills    []kill
	found    []candidate
	picked   picker // of found
	text     []byte // the summary being written
	out      *Output
	buf      []byte // the state being written
	scratch  []byte // the event being written
	counts   []int32
	twin     twinning
	slab     []int32 // counters of the runs in st
	owed     []debt  // their debts
	layout   *layout
	shared   []sharedCondition // by pred; nil: none is
	wants    []want            // by pred, for the event being applied
	glances  []event.Glance    // by stream; nil: conditions see whole events
	changed  bool              // the state is to be written
}

type truth uint8

const (
	unknown truth = iota
	no
	yes
)

// A kill ends the edges of a run that leave an iteration of a loop, because
// the loop could have gone on.
type kill struct {
	run  int32 // index in state.runs
	loop int32
}

// New returns the evaluator of a pattern rule.
func New(r *prog.Rule) Evaluator {
	m := newMachine(r)
	m.layout = layoutOf(r)
	m.tabulate()
	if s, ok := newStates(r, m.layout); ok {
		return s
	}
	return m
}

func newMachine(r *prog.Rule) *Machine {
	m := &Machine{rule: r, pat: r.Pattern, unary: make([]truth, len(r.Pattern.Preds)), counts: make([]int32, len(r.Pattern.Loops))}
	m.wants, m.glances = make([]want, len(r.Pattern.Preds)), glanceOf(r)
	m.view.m = m
	m.frame.Match = &m.view
	return m
}

// Event advances one key by one event; see Evaluator.
func (m *Machine) Event(key []byte, ev *event.Event, roles uint64, s Store, out *Output) {
	m.begin(ev, roles, out)
	m.know(s)
	if !m.concerned() {
		return
	}
	raw := s.Get(key)
	if raw == nil && !m.begins() || raw != nil && !m.awaited(raw) {
		return
	}
	if m.layout.starter != nil && raw != nil && m.add(key, raw, s) {
		return
	}
	m.load(raw)
	m.expire()
	m.apply(s)
	if m.changed || m.pat.Adjacent {
		m.save(key, s)
	}
}

// Deadline fires what is due for one key; see Evaluator.
func (m *Machine) Deadline(key []byte, at int64, s Store, out *Output) {
	m.ev, m.now, m.out = nil, at, out
	m.know(s) // before the state is read: the store may read others
	raw := s.Get(key)
	if raw == nil {
		return
	}
	m.load(raw)
	m.st.timer = 0
	m.fire()
	m.expire()
	m.save(key, s)
}

// know lets expressions read what lies outside the events.
func (m *Machine) know(s Store) {
	m.frame.Facts = FactsOf(m.rule, s)
}

func (m *Machine) begin(ev *event.Event, roles uint64, out *Output) {
	m.ev, m.now, m.roles, m.out = ev, ev.Time, roles, out
	clear(m.unary)
	clear(m.wants)
	m.changed = false
	m.stream = -1
	for i, s := range m.rule.Streams {
		if s == ev.Schema {
			m.stream = i
			return
		}
	}
}

// concerned reports whether the event can matter to any run or start one.
func (m *Machine) concerned() bool {
	if m.stream < 0 {
		return false
	}
	if m.pat.Adjacent {
		return true
	}
	return m.bears()
}

// begins reports whether the event can begin a run or a leading absence.
func (m *Machine) begins() bool {
	for i := range m.pat.Start {
		if m.may(m.pat.Positions[m.pat.Start[i].To].Pred) {
			return true
		}
	}
	for i := range m.pat.Leads {
		if m.may(m.pat.Leads[i].Pred) {
			return true
		}
	}
	return false
}

// may reports whether a condition may hold for the event, whatever the run.
func (m *Machine) may(i int) bool {
	if m.unary[i] == unknown {
		m.unary[i] = no
		if m.judge(i) {
			m.unary[i] = yes
		}
	}
	return m.unary[i] == yes
}

func (m *Machine) judge(i int) bool {
	p := &m.pat.Preds[i]
	switch {
	case p.Stream != m.stream || m.roles>>p.Role&1 == 0:
		return false
	case p.Unary:
		return p.Cond == nil || m.evalUnary(i)
	}
	return p.Cond.Filter == nil || m.eval(p.Cond.Filter)
}

// eval evaluates a condition on the event with the bindings in m.view.
func (m *Machine) eval(c *expr.Program) bool {
	m.frame.Event, m.frame.Time = m.ev, m.now
	truth, ok := c.Holds(&m.frame)
	if !ok {
		m.out.Stats.ConditionErrors++
	}
	return ok && truth
}

// holds evaluates a condition for the run whose links end at tail (-1: none).
func (m *Machine) holds(i int, tail int32) bool {
	if !m.may(i) {
		return false
	}
	if m.pat.Preds[i].Unary {
		return true
	}
	if m.apart(i, tail) {
		return false
	}
	m.view.bind(tail)
	m.view.brief, m.frame.Prev = true, nil
	if tail >= 0 && m.pat.Preds[i].Cond.Reads.Prev {
		m.frame.Prev = m.st.part(m, m.st.links[tail].event)
	}
	truth := m.eval(m.pat.Preds[i].Cond)
	m.view.brief = false
	return truth
}

func (m *Machine) any(preds []int, tail int32) bool {
	for _, i := range preds {
		if m.holds(i, tail) {
			return true
		}
	}
	return false
}

// expire drops the runs whose window is over. With the last one the key is as
// if never seen, whether its record was still there or not.
func (m *Machine) expire() {
	live := false
	for i := range m.st.runs {
		if m.now >= m.end(m.startOf(&m.st.runs[i])) {
			m.st.runs[i].dead = true
		} else if !m.st.runs[i].dead {
			live = true
		}
	}
	if !live && !m.leadsLive() {
		m.changed = true
		m.st.lapse()
	}
}

// apply moves every run by the event, then raises what completed.
func (m *Machine) apply(s Store) {
	st := &m.st
	st.seq++
	m.children, m.kills, m.found = m.children[:0], m.kills[:0], m.found[:0]
	current := int32(len(st.held))
	st.held = append(st.held, held{time: m.now, seq: st.seq, ev: m.ev, role: m.roles, tag: m.tag()})
	for i := range st.runs {
		if !st.runs[i].dead {
			m.advance(int32(i), current)
		}
	}
	if !m.alone || m.first {
		m.start(current, s)
	}
	m.settle()
	m.noteLeads()
	m.collectDue()
	if !m.alone {
		m.raise(ByEvent)
	}
	st.runs = append(st.runs, m.children...)
}

// start begins the runs that the event may begin.
func (m *Machine) start(current int32, s Store) {
	for i := range m.pat.Start {
		e := &m.pat.Start[i]
		if m.begun(e) && m.leadsHold(e, s) {
			clear(m.counts)
			m.take(-1, e, false, current)
		}
	}
}

// begun reports whether the event starts a run over an edge, whatever came before.
func (m *Machine) begun(e *prog.Edge) bool {
	return m.holds(m.pat.Positions[e.To].Pred, -1) && !m.any(e.Until, -1) && !m.any(e.Stop, -1) && !m.anyGreedy(e)
}

func (m *Machine) anyGreedy(e *prog.Edge) bool {
	for _, g := range e.Greedy {
		if m.holds(g.Pred, -1) && (g.Until < 0 || !m.holds(g.Until, -1)) {
			return true
		}
	}
	return false
}

// leadsHold reports whether the leading absences before a start hold.
func (m *Machine) leadsHold(e *prog.Edge, s Store) bool {
	for _, i := range e.Leads {
		from := m.now - m.pat.Leads[i].Span
		if from < s.Covered() {
			return false
		}
		l := &m.st.leads[i]
		for _, seen := range [2]leadTime{l.last, l.before} {
			if seen.set && seen.at >= from && seen.at < m.now {
				return false
			}
		}
	}
	return true
}

// noteLeads remembers the event for the leading absences of later starts:
// the two latest distinct times, as one at the start's own time does no harm.
func (m *Machine) noteLeads() {
	for i := range m.pat.Leads {
		if !m.holds(m.pat.Leads[i].Pred, -1) {
			continue
		}
		l := &m.st.leads[i]
		if l.last.set && l.last.at != m.now {
			l.before = l.last
		}
		l.last = leadTime{at: m.now, set: true}
		m.changed = true
	}
}

// bears reports whether any condition may hold for the event.
func (m *Machine) bears() bool {
	for i := range m.pat.Preds {
		if m.may(i) {
			return true
		}
	}
	return false
}
