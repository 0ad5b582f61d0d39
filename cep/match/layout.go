package match

import (
	"math/bits"
	"slices"

	"github.com/caltrop/caltrop/cep/prog"
)

// A layout is what a Machine asks of its pattern again and again, worked out
// once.
type layout struct {
	open    []opening  // by position
	waits   [][]uint64 // by position and edge: the conditions that can move it
	begins  uint64     // the conditions that matter whatever the runs
	joining *joining
	starter *prog.Edge // nil: an event that starts a run may do more
	roled   bool       // some stream plays several roles (at most eight; the compiler sees to it)
}

// An opening holds the answers of Machine.open for a position whose edges ask
// for the counter of one loop at most.
type opening struct {
	loop    int // noLoop: they ask for none; manyLoops: it is worked out each time
	byCount []opened
}

type opened struct {
	alive    edgeSet
	complete uint64
}

const (
	noLoop    = -1
	manyLoops = -2
	// tabledMax is up to which count answers are kept.
	tabledMax = 32
)

// tabulate fills the openings of the layout.
func (m *Machine) tabulate() {
	for pos, edges := range m.pat.Follow {
		o := &m.layout.open[pos]
		o.loop = loopOf(edges)
		counts := make([]int32, len(m.pat.Loops))
		for n := range int32(tabledMax) {
			if o.loop >= 0 {
				counts[o.loop] = n
			}
			var at opened
			at.alive, at.complete = m.work(int32(pos), counts)
			o.byCount = append(o.byCount, at)
			if o.loop < 0 {
				break
			}
		}
	}
}

// loopOf returns the one loop that the guards of edges ask for.
func loopOf(edges []prog.Edge) int {
	loop := noLoop
	for i := range edges {
		for _, g := range edges[i].Guards {
			if loop != noLoop && loop != g.Loop {
				return manyLoops
			}
			loop = g.Loop
		}
	}
	return loop
}

func layoutOf(r *prog.Rule) *layout {
	p := r.Pattern
	l := &layout{open: make([]opening, len(p.Follow)), waits: make([][]uint64, len(p.Follow))}
	for pos, edges := range p.Follow {
		for i := range edges {
			l.waits[pos] = append(l.waits[pos], waitsOf(p, &edges[i]))
		}
	}
	for i := range p.Start {
		l.begins |= conditionBit(p.Positions[p.Start[i].To].Pred)
	}
	for i := range p.Leads {
		l.begins |= conditionBit(p.Leads[i].Pred)
	}
	l.joining, l.starter = joiningOf(r), starterOf(p)
	l.roled = slices.ContainsFunc(r.Keys, func(k prog.KeyOf) bool { return len(k.Roles) > 1 })
	return l
}

// conditionBits is how many conditions have a bit of their own; the last bit
// stands for all others.
const conditionBits = 63

func conditionBit(pred int) uint64 { return 1 << min(pred, conditionBits) }

// waitsOf returns the conditions of which one must hold for an event to move
// or end an edge that asks for no very next event.
func waitsOf(p *prog.Pattern, e *prog.Edge) (set uint64) {
	if e.Kind == prog.Take {
		set = conditionBit(p.Positions[e.To].Pred)
	}
	for _, preds := range [][]int{e.Between, e.Through, e.Until, e.Stop} {
		for _, i := range preds {
			set |= conditionBit(i)
		}
	}
	for _, n := range e.Next {
		set |= conditionBit(n.Pred)
	}
	for _, g := range e.Greedy {
		set |= conditionBit(g.Pred)
		if g.Until >= 0 {
			set |= conditionBit(g.Until)
		}
	}
	return set
}

// waits returns the conditions of which one must hold for an event to move a run
// of the key's state.
func (m *Machine) waits() (set uint64) {
	for i := range m.st.runs {
		r := &m.st.runs[i]
		for j, w := range m.layout.waits[r.pos] {
			if r.alive.has(j) || r.faded.has(j) {
				set |= w
			}
		}
	}
	return set
}

// awaited reports whether the event may matter to an encoded state. It reads
// no more of it than its beginning: a run that waits for something else costs
// nothing.
func (m *Machine) awaited(raw []byte) bool {
	if m.pat.Adjacent {
		return true
	}
	return m.anyMet(m.layout.begins|readHead(raw).waits(), m.tagsOf(raw))
}

// anyMet reports whether some condition of a set may hold, for a run of a state
// with these tags.
func (m *Machine) anyMet(set uint64, tags []byte) bool {
	for ; set != 0; set &= set - 1 {
		if i := bits.TrailingZeros64(set); i == conditionBits || m.met(i, tags) {
			return true
		}
	}
	return false
}

// newCounts returns room for the counters of one run of the state being worked
// on, all zero.
func (m *Machine) newCounts() []int32 {
	n := len(m.pat.Loops)
	from := len(m.slab)
	m.slab = slices.Grow(m.slab, n)[:from+n]
	counts := m.slab[from : from+n : from+n]
	clear(counts)
	return counts
}
