package match

import (
	"math"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// edgeSet is a set of edges that leave one position, by index.
type edgeSet [4]uint64

func (s *edgeSet) add(i int)      { s[i>>6] |= 1 << (i & 63) }
func (s *edgeSet) remove(i int)   { s[i>>6] &^= 1 << (i & 63) }
func (s *edgeSet) has(i int) bool { return s[i>>6]>>(i&63)&1 != 0 }
func (s *edgeSet) empty() bool    { return *s == edgeSet{} }

// A held event is one that some run has matched. It is decoded when first
// read.
type held struct {
	time int64
	seq  uint64 // order among the events that the key's state has seen
	raw  []byte // encoded; nil for the event being applied until it is stored
	role uint64 // the roles under which the event has the key
	tag  uint16 // of the field that joins go by
	ev   *event.Event
	part *event.Event // as conditions see it
	kept *event.Event // a copy that lasts, once an alert has asked for it
	ref  int32        // its new index while the state is written; -1: unreferenced
	// first says, while events are forgotten, that it is the first of its step.
	first bool
}

// A link is one step of a match: an event taken at a position, and the link
// before it. Runs that began alike share links.
type link struct {
	event int32
	pos   int32
	prev  int32 // -1: the first
	lost  uint32
	ref   int32
	accs  []agg.Acc // of the match up to here, by slot of Pattern.Aggs; read at the tail of a run
}

// A debt ties a run that is inside an iteration of a repeated group to the
// run that began the iteration: when the iteration is complete, that run has
// passed over an event that its loop could have taken (language §5).
type debt struct {
	loop int32
	run  uint32
}

// A run is one partial match: the position it took last, what it may take
// next and the events taken so far.
type run struct {
	id     uint32
	pos    int32
	tail   int32 // link
	first  int32 // held
	counts []int32
	alive  edgeSet // edges that may still be taken
	faded  edgeSet // edges no longer maximal, followed only to settle debts
	calm   edgeSet // greedy edges whose until event has been seen
	ghost  bool    // began on a faded edge: it can only settle debts
	dead   bool
	due    bool // an AcceptNext edge completes at the current event
	debts  []debt
}

// deadlineNone is a deadline that never comes.
const deadlineNone = math.MaxInt64

// end returns the time at which the window of a match that began at start is
// over, exclusive.
func (m *Machine) end(start int64) int64 {
	if m.rule.Within == 0 {
		return deadlineNone
	}
	return start + m.rule.Within
}

func (m *Machine) startOf(r *run) int64 { return m.st.held[r.first].time }

func (m *Machine) lastOf(r *run) *held { return &m.st.held[m.st.links[r.tail].event] }

// deadline returns when an AcceptDeadline edge of r fires.
func (m *Machine) deadline(r *run, e *prog.Edge) int64 {
	d := m.end(m.startOf(r))
	if e.Gap > 0 {
		d = min(d, m.lastOf(r).time+e.Gap)
	}
	return d
}

// allowed reports whether the counters let an edge be taken.
func (m *Machine) allowed(counts []int32, e *prog.Edge) bool {
	for _, g := range e.Guards {
		l, n := &m.pat.Loops[g.Loop], counts[g.Loop]+1
		if g.Again && l.Max != syntax.Unbounded && int(n) >= l.Max {
			return false
		}
		if !g.Again && int(n) < l.Min {
			return false
		}
	}
	return true
}

// count applies an edge to the counters: the iterations complete before the
// one under way, no further than anything asks.
func (m *Machine) count(counts []int32, e *prog.Edge) {
	for _, g := range e.Guards {
		l := &m.pat.Loops[g.Loop]
		most := l.Max
		if most == syntax.Unbounded {
			most = max(l.Min-1, 0)
		}
		if g.Again && int(counts[g.Loop]) < most {
			counts[g.Loop]++
		}
	}
	for _, l := range e.Enter {
		counts[l] = 0
	}
}

// open lists the edges that a run at pos may take with these counters, and
// the loops of which an iteration is complete there.
func (m *Machine) open(pos int32, counts []int32) (alive edgeSet, complete uint64) {
	o := &m.layout.open[pos]
	switch {
	case o.loop == noLoop:
		return o.byCount[0].alive, o.byCount[0].complete
	case o.loop >= 0 && int(counts[o.loop]) < len(o.byCount):
		l := &o.byCount[counts[o.loop]]
		return l.alive, l.complete
	}
	return m.work(pos, counts)
}

// work works open out.
func (m *Machine) work(pos int32, counts []int32) (alive edgeSet, complete uint64) {
	edges := m.pat.Follow[pos]
	for i := range edges {
		if m.allowed(counts, &edges[i]) {
			alive.add(i)
			for _, l := range edges[i].Cross {
				complete |= 1 << l
			}
		}
	}
	return alive, complete
}

func crosses(e *prog.Edge, loop int32) bool {
	for _, l := range e.Cross {
		if int32(l) == loop {
			return true
		}
	}
	return false
}
