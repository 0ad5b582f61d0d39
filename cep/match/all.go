package match

import "slices"

// raiseAll emits every match that completes now, in the order of language §4,
// each followed by its skip.
func (m *Machine) raiseAll(by By) {
	slices.SortFunc(m.found, m.fuller)
	m.found = slices.CompactFunc(m.found, func(a, b candidate) bool {
		return a.first == b.first && compareEvents(a.steps, b.steps) == 0
	})
	emitted := 0
	for i := range m.found {
		c := &m.found[i]
		if c.gone || !m.having(c) {
			continue
		}
		if limit := m.rule.Limits.MatchesPerEvent; limit > 0 && emitted >= limit {
			m.out.Stats.MatchesCapped++
			continue
		}
		m.emit(c, by)
		emitted++
		c.gone = true
		m.skip(c)
	}
}

// fuller orders matches of `emit: all`: earliest first event, most events,
// earliest events.
func (m *Machine) fuller(a, b candidate) int {
	if a.first != b.first {
		return int(a.first - b.first)
	}
	if d := size(b.steps) - size(a.steps); d != 0 {
		return d
	}
	if d := m.compareChains(a.tail, b.tail); d != 0 {
		return d
	}
	return compareSteps(a.steps, b.steps)
}

func size(steps [][]int32) (n int) {
	for _, s := range steps {
		n += len(s)
	}
	return n
}

// compareChains compares two matches of as many events, the earlier events first:
// of the differences that are met on the way back the last one counts.
func (m *Machine) compareChains(a, b int32) (d int) {
	for a != b {
		x, y := &m.st.links[a], &m.st.links[b]
		if x.event != y.event {
			d = int(x.event - y.event)
		}
		a, b = x.prev, y.prev
	}
	return d
}

// skip drops the runs and matches that began before the point where matching
// resumes after c.
func (m *Machine) skip(c *candidate) {
	after := m.rule.Doc.AfterMatch
	switch after.Kind {
	case "skip_to_next":
		m.cut(c.first + 1)
	case "skip_past_last":
		m.cut(m.lastEvent(c) + 1)
	case "skip_to_first", "skip_to_last":
		s := c.steps[m.stepNamed(after.Step)]
		if len(s) == 0 {
			return
		}
		if after.Kind == "skip_to_first" {
			m.cut(s[0])
		} else {
			m.cut(s[len(s)-1])
		}
	}
}

func (m *Machine) stepNamed(name string) int {
	for i := range m.pat.Steps {
		if m.pat.Steps[i].Name == name {
			return i
		}
	}
	panic("match: skip to unknown step " + name)
}
