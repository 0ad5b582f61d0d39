package match

import "slices"

// This file is the evaluator for rules whose conditions read the current
// event only (language §5): of the runs in one automaton state the one that
// started last does all that the others can, and expires last. Runs carry no
// events; the key retains every event that may be evidence, and an alert's is
// found by replaying them from the earliest start that completes.

// keepNewest keeps, of the runs in one state, the one that started last.
func (m *Machine) keepNewest() {
	runs, kept := m.st.runs, 0
	if len(runs) > fewRuns {
		slices.SortStableFunc(runs, func(a, b run) int { return int(b.first - a.first) })
	}
	for i := range runs {
		runs[i].dead = m.isOutdone(runs, i)
	}
	for i := range runs {
		if runs[i].dead {
			continue
		}
		if kept != i {
			runs[kept] = runs[i]
		}
		kept++
	}
	m.st.runs = runs[:kept]
}

// fewRuns are compared each with each; more are sorted first, so that those
// before a run are all that can outdo it.
const fewRuns = 16

// isOutdone reports whether another run in the state of runs[i] started later.
func (m *Machine) isOutdone(runs []run, i int) bool {
	r := &runs[i]
	for j := range runs {
		o := &runs[j]
		switch {
		case j >= i && len(runs) > fewRuns:
			return false
		case j != i && (o.first > r.first || o.first == r.first && j < i) && m.sameState(o, r):
			return true
		}
	}
	return false
}

// sameState reports whether two runs await the same: where something asks for
// the very next event, both or neither took the event just before.
func (m *Machine) sameState(a, b *run) bool {
	return a.pos == b.pos && a.alive == b.alive && a.calm == b.calm && slices.Equal(a.counts, b.counts) &&
		(!m.pat.Adjacent || m.isFresh(a) == m.isFresh(b))
}

func (m *Machine) isFresh(r *run) bool { return m.lastOf(r).seq == m.st.seq }

// retain keeps the events that bear on a later match: after the cut, inside
// the window, and some condition holds for them.
func (m *Machine) retain() {
	if len(m.st.runs) == 0 {
		return
	}
	for i := range m.st.held {
		h := &m.st.held[i]
		current := h.seq == m.st.seq && m.ev != nil
		if int32(i) >= m.spent && m.now < m.end(h.time) && (!current || m.bears()) {
			h.ref = 0
		}
	}
}

// bears reports whether any condition holds for the current event.
func (m *Machine) bears() bool {
	for i := range m.pat.Preds {
		if m.may(i) {
			return true
		}
	}
	return false
}

// raiseRebuilt emits the widest match that completes at the current event.
func (m *Machine) raiseRebuilt(by By) {
	for i := range m.st.held {
		h := &m.st.held[i]
		if int32(i) < m.spent || m.now >= m.end(h.time) || !m.rebuild(int32(i)) {
			continue
		}
		p := m.replay
		p.out = m.out
		p.st.truncated = m.st.truncated
		c := slices.MinFunc(p.found, p.wider)
		p.emit(&c, by)
		if !m.rule.NoSkip {
			last := p.st.held[p.lastEvent(&c)].seq
			m.spend(int32(slices.IndexFunc(m.st.held, func(h held) bool { return h.seq > last })))
		}
		return
	}
	m.raiseForgotten(by)
}

// spend cuts everything before the held event at index before (-1: all).
func (m *Machine) spend(before int32) {
	if before < 0 {
		before = int32(len(m.st.held))
	}
	m.spent = before
	m.cut(before)
}

// rebuild replays the retained events from the one at index start, which
// alone may start a match, and reports whether the current event completes
// one; m.replay.found then holds the matches.
func (m *Machine) rebuild(start int32) bool {
	p := m.replay
	p.load(nil)
	for i := int(start); i < len(m.st.held); i++ {
		h := &m.st.held[i]
		ev := m.st.event(m, int32(i))
		p.begin(ev, h.role, &p.ignored)
		p.st.seq = h.seq - 1
		p.first = i == int(start)
		p.apply(nil)
		p.dropEnded()
		p.dropTwins()
		if p.first && len(p.st.runs) == 0 && len(p.found) == 0 {
			return false
		}
	}
	for i := range p.found {
		p.found[i].steps = p.stepsOf(p.found[i].tail)
	}
	return len(p.found) > 0
}
