package match

import "slices"

// This file keeps limits.evidence: which events of a key are forgotten, and
// what an alert shows where too many are.

// capEvidence keeps limits.evidence: of too many events the first and last
// stay, and the links around those that leave remember how many. Where each
// begins or ends some run, a run leaves.
func (m *Machine) capEvidence() {
	for kept := m.kept(); kept > m.rule.Limits.Evidence; kept = m.kept() {
		victim := m.middle(kept)
		switch {
		case victim >= 0:
			m.forget(victim)
			m.st.truncated = m.st.truncated || m.states
			m.out.Stats.EvidenceCapped++
		case m.states || len(m.st.runs) < 2:
			return
		default:
			m.dropRun()
			m.mark()
		}
	}
}

func (m *Machine) kept() (n int) {
	for i := range m.st.held {
		if m.st.held[i].ref == 0 {
			n++
		}
	}
	return n
}

// alikeTried is how many events are looked at for one whose neighbours are
// like it.
const alikeTried = 16

// middle picks the event to forget: the first after half of those kept that no
// run begins or ends with and that is not the first of its step; -1 when there
// is none. Where an alert's evidence is found by replay it is rather one near
// the middle that stands between two others for which the same conditions hold:
// what completes a match, or forbids one, is seldom among many like it.
func (m *Machine) middle(kept int) int32 {
	m.keepFirsts()
	m.order = m.order[:0]
	for i := range m.st.held {
		if m.st.held[i].ref == 0 {
			m.order = append(m.order, int32(i))
		}
	}
	half := kept / 2
	if m.states {
		for away := range min(alikeTried, kept) {
			if i := half + away; m.amongAlike(i) {
				return m.order[i]
			}
			if i := half - 1 - away; m.amongAlike(i) {
				return m.order[i]
			}
		}
	}
	for _, i := range m.order[half:] {
		if m.mayLeave(i) {
			return i
		}
	}
	return -1
}

// amongAlike reports whether the kept event at a place may leave and those
// before and after it are like it.
func (m *Machine) amongAlike(at int) bool {
	return at > 0 && at+1 < len(m.order) && m.mayLeave(m.order[at]) &&
		m.alike(m.order[at-1], m.order[at]) && m.alike(m.order[at], m.order[at+1])
}

func (m *Machine) mayLeave(i int32) bool { return !m.st.held[i].first && !m.isEnd(i) }

// alike reports whether the same conditions hold for two held events.
func (m *Machine) alike(i, j int32) bool {
	return slices.Equal(m.holding(i, m.truths[0][:0]), m.holding(j, m.truths[1][:0]))
}

// holding returns which conditions hold for a held event, in buf.
func (m *Machine) holding(i int32, buf []bool) []bool {
	h, p := &m.st.held[i], m.replay
	p.begin(m.st.event(m, i), h.role, &p.ignored)
	for c := range m.pat.Preds {
		buf = append(buf, p.may(c))
	}
	return buf
}

// keepFirsts marks the events that are the first of their step in some match:
// conditions tell by them whether the step was matched.
func (m *Machine) keepFirsts() {
	st := &m.st
	for i := range st.held {
		st.held[i].first = false
	}
	for i := range st.links {
		if l := &st.links[i]; l.ref == 0 && !m.states && m.firstOfStep(l) {
			st.held[l.event].first = true
		}
	}
}

func (m *Machine) firstOfStep(l *link) bool {
	step := m.pat.Positions[l.pos].Step
	for p := l.prev; p >= 0; p = m.st.links[p].prev {
		if m.pat.Positions[m.st.links[p].pos].Step == step {
			return false
		}
	}
	return true
}

func (m *Machine) isEnd(i int32) bool {
	return slices.ContainsFunc(m.st.runs, func(r run) bool { return r.first == i || m.st.links[r.tail].event == i })
}

func (m *Machine) forget(victim int32) {
	st := &m.st
	st.held[victim].ref = -1
	for i := range st.links {
		l := &st.links[i]
		for l.ref == 0 && l.prev >= 0 && st.links[l.prev].event == victim {
			p := &st.links[l.prev]
			l.lost += p.lost + 1
			l.prev = p.prev
		}
	}
	for i := range st.links {
		if st.links[i].event == victim {
			st.links[i].ref = -1
		}
	}
}

// raiseForgotten raises a match of which an event in the middle is forgotten:
// the first and last are its evidence.
func (m *Machine) raiseForgotten(by By) {
	c := slices.MinFunc(m.found, func(a, b candidate) int { return int(a.first - b.first) })
	tail := &m.st.links[c.tail]
	if tail.event != c.first {
		m.st.links = append(m.st.links, link{event: c.first, pos: m.startOfMatch(c.first), prev: -1})
		m.st.links[c.tail].prev, m.st.links[c.tail].lost = int32(len(m.st.links))-1, 1
	}
	c.steps = m.stepsOf(c.tail)
	m.emit(&c, by)
	if !m.rule.NoSkip {
		m.spend(m.lastEvent(&c) + 1)
	}
}

// startOfMatch returns a position at which the held event may start a match.
func (m *Machine) startOfMatch(first int32) int32 {
	held := m.holding(first, m.truths[0][:0])
	for i := range m.pat.Start {
		if to := m.pat.Start[i].To; held[m.pat.Positions[to].Pred] {
			return int32(to)
		}
	}
	return int32(m.pat.Start[0].To)
}
