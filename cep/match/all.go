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
	if d := slices.Compare(m.chain(a.tail), m.chain(b.tail)); d != 0 {
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

// chain lists the events of a match in their order.
func (m *Machine) chain(tail int32) []int32 {
	var events []int32
	for l := tail; l >= 0; l = m.st.links[l].prev {
		events = append(events, m.st.links[l].event)
	}
	slices.Reverse(events)
	return events
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
