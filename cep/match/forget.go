package match

import "slices"

// This file keeps limits.evidence: which events of a key are forgotten.

// capEvidence keeps limits.evidence: of too many events the first and last
// stay, and the links around those that leave remember how many. Where each
// begins or ends some run, a run leaves.
func (m *Machine) capEvidence() {
	for kept := m.kept(); kept > m.rule.Limits.Evidence; kept = m.kept() {
		victim := m.middle(kept)
		switch {
		case victim >= 0:
			m.forget(victim)
			m.out.Stats.EvidenceCapped++
		case len(m.st.runs) < 2:
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

// middle picks the event to forget: the first after half of those kept that
// no run begins or ends with and that is not the first of its step; -1 when
// there is none.
func (m *Machine) middle(kept int) int32 {
	seen := 0
	m.keepFirsts()
	for i := range m.st.held {
		if m.st.held[i].ref < 0 {
			continue
		}
		if seen++; seen > kept/2 && !m.st.held[i].first && !m.isEnd(int32(i)) {
			return int32(i)
		}
	}
	return -1
}

// keepFirsts marks the events that are the first of their step in some match:
// conditions tell by them whether the step was matched.
func (m *Machine) keepFirsts() {
	st := &m.st
	for i := range st.held {
		st.held[i].first = false
	}
	for i := range st.links {
		if l := &st.links[i]; l.ref == 0 && m.firstOfStep(l) {
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

// alikeTried is how many events are looked at for one whose neighbours are
// like it.
const alikeTried = 16

// capEvidence keeps limits.evidence in s.events.
func (s *States) capEvidence() {
	if s.kept.count <= s.rule.Limits.Evidence {
		return
	}
	ends := s.ends()
	for s.kept.count > s.rule.Limits.Evidence {
		victim, ok := s.middle(ends)
		if !ok {
			return
		}
		s.remove(&victim)
		s.truncated = true
		s.out.Stats.EvidenceCapped++
	}
}

// remove takes an event out of s.events: the next one counts from that before.
func (s *States) remove(n *neighbour) {
	k, end := &s.kept, n.at+n.event.size
	k.count--
	if end == len(s.events) {
		s.events, k.last = s.events[:n.at], n.before
		return
	}
	next := k.at(s.events[end:], n.event.instant)
	s.packed = k.append(s.packed[:0], &next, n.before)
	s.events = slices.Replace(s.events, n.at, end+next.size, s.packed...)
}

// ends lists the events that runs begin or end with, by number.
func (s *States) ends() []uint32 {
	s.past.ends = s.past.ends[:0]
	for i := range s.next {
		s.past.ends = append(s.past.ends, s.next[i].first, s.next[i].last)
	}
	slices.Sort(s.past.ends)
	return s.past.ends
}

// A neighbour is an event near the middle of s.events.
type neighbour struct {
	at     int
	event  keptEvent
	before instant
	isEnd  bool
}

// middle finds the event to forget: one near the middle that no run begins or
// ends with and that stands between two others for which the same conditions
// hold, as what completes a match, or forbids one, is seldom among many like
// it; else the first after half that no run needs, if there is one.
func (s *States) middle(ends []uint32) (victim neighbour, ok bool) {
	half := s.kept.count / 2
	from := max(0, half-alikeTried-1)
	near := s.near(from, min(s.kept.count, half+alikeTried+1), ends)
	for away := range alikeTried {
		for _, i := range [2]int{half - from + away, half - from - 1 - away} {
			if i > 0 && i+1 < len(near) && amongAlike(near[i-1:i+2]) {
				return near[i], true
			}
		}
	}
	for _, n := range s.near(half, s.kept.count, ends) {
		if !n.isEnd {
			return n, true
		}
	}
	return victim, false
}

func amongAlike(three []neighbour) bool {
	holding := three[1].event.holding
	return !three[1].isEnd && three[0].event.holding == holding && three[2].event.holding == holding
}

// near lists events of s.events by place.
func (s *States) near(from, to int, ends []uint32) []neighbour {
	near, at, last := s.past.near[:0], 0, s.kept.before
	for i := range to {
		e := s.kept.at(s.events[at:], last)
		if i >= from {
			_, isEnd := slices.BinarySearch(ends, e.seq)
			near = append(near, neighbour{at, e, last, isEnd})
		}
		at, last = at+e.size, e.instant
	}
	s.past.near = near
	return near
}
