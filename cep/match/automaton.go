package match

import (
	"encoding/binary"
	"math/bits"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
)

// An automaton tells what the states of a pattern do at an event, given which
// conditions hold for it. Each answer is worked out by a Machine when it is
// first asked for, and kept. (As the lazy automata of R. Cox, Regular
// Expression Matching: the Virtual Machine Approach, 2009.)
type automaton struct {
	machine *Machine
	ofPred  []uint64
	start   *spot
	plain   [][]*spot        // by position and count: all edges open, not fresh
	named   map[string]*spot // by form, not fresh
	moves   int              // kept, in all spots
	form    []byte
	counts  []int32
}

// movesMax bounds what an automaton keeps; past it everything is forgotten.
const movesMax = 1 << 14

// A spot is a state of the automaton: a position, the count of the loop there
// and the edges that are left. Where something asks for the very next event,
// one that took the event just before is fresh.
type spot struct {
	pos   int32 // -1: before the first event
	count int32
	alive edgeSet
	calm  edgeSet
	fresh bool
	form  []byte // as stored
	stale *spot  // the same, not fresh
	young *spot  // the same, fresh; nil: not asked for yet
	asks  uint64 // the conditions that matter here
	few   []*move
	bits  []uint8 // of asks, where they are few
	many  map[uint64]*move

	turn uint64 // of the step that put a run here last
	run  int    // its place
}

// A move is what a run does at an event.
type move struct {
	same     bool    // nothing changes
	due      bool    // the run completes, without the event
	accepts  []int32 // positions at which the event completes a match
	next     *spot   // of the run itself; nil: it ends
	children []*spot // of the runs that take the event
}

// fewAsks is up to how many conditions a spot has a table.
const fewAsks = 5

// newAutomaton returns the automaton of a rule that is not Stateful; nil when
// a position is inside two loops, which no pattern of loops over one step is.
func newAutomaton(r *prog.Rule, l *layout, ofPred []uint64) *automaton {
	a := &automaton{machine: newMachine(r), ofPred: ofPred, counts: make([]int32, len(r.Pattern.Loops))}
	a.machine.layout, a.machine.alone = l, true
	a.machine.ev = &event.Event{}
	for i := range l.open {
		if l.open[i].loop == manyLoops {
			return nil
		}
	}
	a.forget()
	return a
}

// forget drops all that is kept. Spots found before are not to be used again.
func (a *automaton) forget() {
	a.moves, a.named = 0, map[string]*spot{}
	a.plain = make([][]*spot, len(a.machine.pat.Positions))
	a.start = &spot{pos: -1}
	for i := range a.machine.pat.Start {
		a.start.asks |= a.asks(&a.machine.pat.Start[i])
	}
	a.start.prepare()
}

// trim keeps the automaton within its bound. Between events only.
func (a *automaton) trim() {
	if a.moves > movesMax {
		a.forget()
	}
}

// asks returns the conditions that an edge looks at.
func (a *automaton) asks(e *prog.Edge) (set uint64) {
	if e.Kind == prog.Take {
		set = a.ofPred[a.machine.pat.Positions[e.To].Pred]
	}
	for _, preds := range [][]int{e.Between, e.Through, e.Until, e.Stop} {
		for _, i := range preds {
			set |= a.ofPred[i]
		}
	}
	for _, n := range e.Next {
		set |= a.ofPred[n.Pred]
	}
	for _, g := range e.Greedy {
		set |= a.ofPred[g.Pred]
		if g.Until >= 0 {
			set |= a.ofPred[g.Until]
		}
	}
	return set
}

func (s *spot) prepare() {
	for left := s.asks; left != 0; left &= left - 1 {
		s.bits = append(s.bits, uint8(bits.TrailingZeros64(left)))
	}
	if len(s.bits) <= fewAsks {
		s.few = make([]*move, 1<<len(s.bits))
	} else {
		s.many = map[uint64]*move{}
	}
}

// move returns what a run at s does at an event for which, of s.asks, those in
// holding hold.
func (a *automaton) move(s *spot, holding uint64) *move {
	if s.few == nil {
		holding &= s.asks
		mv := s.many[holding]
		if mv == nil {
			mv = a.work(s, holding)
			s.many[holding] = mv
		}
		return mv
	}
	at := 0
	for i, b := range s.bits {
		at |= int(holding>>b&1) << i
	}
	if s.few[at] == nil {
		s.few[at] = a.work(s, holding)
	}
	return s.few[at]
}

// work works a move out: a Machine that holds one run takes one event.
func (a *automaton) work(s *spot, holding uint64) *move {
	a.moves++
	m := a.machine
	m.load(nil)
	for i, bit := range a.ofPred {
		m.unary[i] = no
		if holding&bit != 0 {
			m.unary[i] = yes
		}
	}
	m.first = s.pos < 0
	if s.pos >= 0 {
		a.place(s)
	}
	m.apply(nil)
	return a.outcome(s)
}

// outcome reads a move off the machine.
func (a *automaton) outcome(s *spot) *move {
	m, mv := a.machine, &move{}
	runs := m.st.runs
	if s.pos >= 0 {
		if r := &runs[0]; !r.alive.empty() {
			mv.next = a.spot(r, false)
		}
		runs = runs[1:]
	}
	for i := range runs {
		if !runs[i].alive.empty() {
			mv.children = append(mv.children, a.spot(&runs[i], m.pat.Adjacent))
		}
	}
	for i := range m.found {
		if l := &m.st.links[m.found[i].tail]; l.event > 0 || s.pos < 0 {
			mv.accepts = append(mv.accepts, l.pos)
		} else {
			mv.due = true
		}
	}
	mv.same = (mv.next == s || s.pos < 0) && len(mv.children) == 0 && len(m.found) == 0
	return mv
}

// place gives the machine one run, at s, that took the event just before or
// an earlier one.
func (a *automaton) place(s *spot) {
	m := a.machine
	m.st.seq = 1
	took := held{}
	if s.fresh {
		took.seq = 1
	}
	m.st.held = append(m.st.held, took)
	m.st.links = append(m.st.links, link{pos: s.pos, prev: -1})
	r := run{pos: s.pos, alive: s.alive, calm: s.calm, counts: m.newCounts()}
	if loop := m.layout.open[s.pos].loop; loop >= 0 {
		r.counts[loop] = s.count
	}
	m.st.nextID = 1
	m.st.runs = append(m.st.runs, r)
}

// spot returns the state of a run. Counters of loops that the position is not
// in say nothing: they start again when their loop is entered.
func (a *automaton) spot(r *run, fresh bool) *spot {
	s := spot{pos: r.pos, alive: r.alive, calm: r.calm}
	if loop := a.machine.layout.open[r.pos].loop; loop >= 0 {
		s.count = r.counts[loop]
	}
	a.form = a.encode(a.form[:0], &s)
	at := a.find(a.form)
	if fresh {
		at = a.freshOf(at)
	}
	return at
}

// The form of a spot: position, flags, count in two bytes, then the sets that
// the flags name.
const spotHead = 4

func (a *automaton) encode(b []byte, s *spot) []byte {
	flags := byte(0)
	if s.alive != a.full(s.pos, s.count) {
		flags |= runAlive
	}
	if !s.calm.empty() {
		flags |= runCalm
	}
	b = append(b, byte(s.pos), flags)
	b = binary.LittleEndian.AppendUint16(b, uint16(s.count))
	if flags&runAlive != 0 {
		b = s.alive.append(b)
	}
	if flags&runCalm != 0 {
		b = s.calm.append(b)
	}
	return b
}

// full returns the edges that are open at a position with a count.
func (a *automaton) full(pos, count int32) edgeSet {
	if loop := a.machine.layout.open[pos].loop; loop >= 0 {
		a.counts[loop] = count
	}
	alive, _ := a.machine.open(pos, a.counts)
	return alive
}

// read finds the spot whose form b begins with, not fresh, and its length.
func (a *automaton) read(b []byte) (s *spot, size int) {
	if len(b) < spotHead {
		panic("match: state: truncated")
	}
	size = spotHead
	if b[1] == 0 {
		pos, count := int(b[0]), int(binary.LittleEndian.Uint16(b[2:]))
		if pos < len(a.plain) && count < len(a.plain[pos]) && a.plain[pos][count] != nil {
			return a.plain[pos][count], size
		}
	} else {
		r := reader{b[spotHead:]}
		for flags := b[1]; flags != 0; flags &= flags - 1 {
			r.set()
		}
		size = len(b) - len(r.b)
	}
	return a.find(b[:size]), size
}

// find returns the spot of a form, made when it is new.
func (a *automaton) find(form []byte) *spot {
	if s := a.named[string(form)]; s != nil {
		return s
	}
	s := &spot{pos: int32(form[0]), count: int32(binary.LittleEndian.Uint16(form[2:])), form: append([]byte(nil), form...)}
	if int(s.pos) >= len(a.plain) {
		panic("match: state: of another pattern")
	}
	s.alive = a.full(s.pos, s.count)
	r := reader{form[spotHead:]}
	if form[1]&runAlive != 0 {
		s.alive = r.set()
	}
	if form[1]&runCalm != 0 {
		s.calm = r.set()
	}
	edges := a.machine.pat.Follow[s.pos]
	for i := range edges {
		if s.alive.has(i) {
			s.asks |= a.asks(&edges[i])
		}
	}
	s.prepare()
	s.stale = s
	a.named[string(form)] = s
	if form[1] == 0 {
		a.file(s)
	}
	return s
}

func (a *automaton) file(s *spot) {
	row := &a.plain[s.pos]
	for len(*row) <= int(s.count) {
		*row = append(*row, nil)
	}
	(*row)[s.count] = s
}

// freshOf returns the fresh spot like s, made when it is new.
func (a *automaton) freshOf(s *spot) *spot {
	if s.young == nil {
		s.young = &spot{pos: s.pos, count: s.count, alive: s.alive, calm: s.calm, fresh: true, form: s.form, stale: s, asks: s.asks}
		s.young.prepare()
	}
	return s.young
}
