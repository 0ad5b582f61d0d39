package match

import (
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// advance offers the event, held at index current, to every edge of one run.
func (m *Machine) advance(index, current int32) {
	r := &m.st.runs[index]
	edges := m.pat.Follow[r.pos]
	fresh := m.lastOf(r).seq+1 == m.st.seq
	for i := range edges {
		if !r.alive.has(i) && !r.faded.has(i) {
			continue
		}
		takes, ends := m.offer(index, i, fresh)
		if takes {
			copy(m.counts, r.counts)
			m.take(index, &edges[i], r.ghost || r.faded.has(i), current)
		}
		m.changed = m.changed || takes || ends
		if ends {
			r.alive.remove(i)
			r.faded.remove(i)
		}
	}
}

// offer decides whether an edge of a run takes the event and whether it ends
// with it.
func (m *Machine) offer(index int32, i int, fresh bool) (takes, ends bool) {
	r := &m.st.runs[index]
	e := &m.pat.Follow[r.pos][i]
	if fresh && m.nextBroken(r, e) {
		return false, true
	}
	switch e.Kind {
	case prog.AcceptDeadline:
		return false, m.any(e.Between, r.tail) || m.any(e.Through, r.tail)
	case prog.AcceptNext:
		r.due = r.due || fresh
		return false, !fresh // collectDue ends it, unless a loop went on
	}
	p := &m.pat.Positions[e.To]
	if p.Gap > 0 && m.now >= m.lastOf(r).time+p.Gap || e.Join == syntax.Strict && !fresh {
		return false, true
	}
	if m.any(e.Until, r.tail) || m.greedyBroken(r, i, e) {
		return false, true
	}
	if m.any(e.Through, r.tail) {
		m.forgo(index, e)
		return false, true
	}
	if !m.holds(p.Pred, r.tail) {
		return false, e.Join == syntax.Strict || m.any(e.Between, r.tail)
	}
	if m.any(e.Stop, r.tail) {
		return false, e.Join != syntax.Any || m.any(e.Between, r.tail)
	}
	return true, e.Join != syntax.Any || m.any(e.Between, r.tail)
}

// forgo notes the loop that could have taken the event over an edge, were it
// not for an absence after the loop: of `a+ -> !x , !y` the event that
// completes it may satisfy x, and has been passed over all the same.
func (m *Machine) forgo(index int32, e *prog.Edge) {
	r := &m.st.runs[index]
	if !m.rule.First || e.Again < 0 || !m.holds(m.pat.Positions[e.To].Pred, r.tail) || m.any(e.Stop, r.tail) {
		return
	}
	copy(m.counts, r.counts)
	m.count(m.counts, e)
	if _, complete := m.open(int32(e.To), m.counts); complete>>e.Again&1 != 0 {
		m.kills = append(m.kills, kill{index, int32(e.Again)})
	}
}

// nextBroken reports whether the event, the very next one of its key, is one
// that `, !x` forbids.
func (m *Machine) nextBroken(r *run, e *prog.Edge) bool {
	for _, n := range e.Next {
		if n.Loop >= 0 && int(r.counts[n.Loop])+1 < m.pat.Loops[n.Loop].Min {
			continue
		}
		if m.holds(n.Pred, r.tail) {
			return true
		}
	}
	return false
}

// greedyBroken reports whether the event belongs to a greedy loop that the
// edge leaves. From the loop's until event on nothing does.
func (m *Machine) greedyBroken(r *run, i int, e *prog.Edge) bool {
	if r.calm.has(i) {
		return false
	}
	for _, g := range e.Greedy {
		if g.Until >= 0 && m.holds(g.Until, r.tail) {
			r.calm.add(i)
			m.changed = true
			return false
		}
		if m.holds(g.Pred, r.tail) {
			return true
		}
	}
	return false
}

// take makes the run that follows from runs[from] (-1: a start) by taking the
// event over an edge. m.counts holds the counters of the run before.
func (m *Machine) take(from int32, e *prog.Edge, ghost bool, current int32) {
	m.changed = true
	m.count(m.counts, e)
	m.children = append(m.children, run{pos: int32(e.To), first: current, ghost: ghost, counts: m.newCounts()})
	c := &m.children[len(m.children)-1]
	copy(c.counts, m.counts)
	prev := int32(-1)
	if from >= 0 {
		prev, c.first = m.st.runs[from].tail, m.st.runs[from].first
	}
	alive, complete := m.open(c.pos, c.counts)
	c.alive = alive
	m.inherit(c, from, e, complete)
	if ghost && len(c.debts) == 0 {
		m.children = m.children[:len(m.children)-1]
		return
	}
	m.st.links = append(m.st.links, link{event: current, pos: c.pos, prev: prev, accs: m.extend(prev, c.pos)})
	c.tail = int32(len(m.st.links)) - 1
	c.id = m.st.nextID
	m.st.nextID++
	m.acceptNow(c)
}

// inherit hands the debts of the run before on to c, or settles them, and
// notes the loop that goes round.
func (m *Machine) inherit(c *run, from int32, e *prog.Edge, complete uint64) {
	if !m.rule.First || from < 0 {
		return
	}
	r := &m.st.runs[from]
	for _, d := range r.debts {
		switch {
		case crosses(e, d.loop):
		case complete>>d.loop&1 != 0:
			m.kills = append(m.kills, kill{m.st.runIndex(d.run), d.loop})
		default:
			c.debts = append(c.debts, d)
		}
	}
	if e.Again < 0 || c.ghost {
		return
	}
	if complete>>e.Again&1 != 0 {
		m.kills = append(m.kills, kill{from, int32(e.Again)})
	} else {
		c.debts = append(c.debts, debt{loop: int32(e.Again), run: r.id})
	}
}

// settle ends the edges that passed over an event which their loop could have
// taken: the match would not be maximal. Where the run is itself inside an
// iteration that another run waits for, they fade instead.
func (m *Machine) settle() {
	for _, k := range m.kills {
		if k.run < 0 {
			continue
		}
		r := &m.st.runs[k.run]
		if r.ghost {
			continue
		}
		edges := m.pat.Follow[r.pos]
		for i := range edges {
			if r.alive.has(i) && crosses(&edges[i], k.loop) {
				r.alive.remove(i)
				if len(r.debts) > 0 && edges[i].Kind == prog.Take {
					r.faded.add(i)
				}
			}
		}
	}
}

// acceptNow collects c as a match where an edge completes at once.
func (m *Machine) acceptNow(c *run) {
	edges := m.pat.Follow[c.pos]
	accepted := false
	for i := range edges {
		if edges[i].Kind == prog.Accept && c.alive.has(i) {
			c.alive.remove(i)
			accepted = true
		}
	}
	if accepted && !c.ghost {
		m.found = append(m.found, candidate{tail: c.tail, first: c.first})
	}
}
