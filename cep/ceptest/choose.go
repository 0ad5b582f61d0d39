package ceptest

import (
	"slices"

	"github.com/caltrop/caltrop/cep/expr"
)

// patternAlerts returns the alerts of one key, in the order they are raised.
func (o *Oracle) patternAlerts(h *history, covered int64) []Alert {
	relation := slices.DeleteFunc(o.relation(h, covered), func(m *match) bool { return !o.havingHolds(h, m) })
	chosen := o.emitFirst
	if o.rule.Emit == "all" {
		chosen = o.emitAll
	}
	var alerts []Alert
	for _, m := range chosen(relation) {
		alerts = append(alerts, o.alert(h, m))
	}
	return alerts
}

func (o *Oracle) havingHolds(h *history, m *match) bool {
	if o.having == nil {
		return true
	}
	truth, ok := o.having.Holds(o.frameOf(h, m))
	return truth && ok
}

// frameOf is what having and measures read: the steps' events and the alert's
// time.
func (o *Oracle) frameOf(h *history, m *match) *expr.Frame {
	f := &expr.Frame{Time: m.at.time, Match: &bindings{h, m.taken, len(h.events)}}
	if m.at.event == deadlinesAt {
		f.Facts = o.factsAt(h, nil, m.at.time)
	} else {
		f.Facts = o.factsAt(h, h.events[m.at.event], m.at.time)
	}
	return f
}

// emitFirst is `emit: first`: of the maximal matches that complete at one
// moment after the last cut, the widest.
func (o *Oracle) emitFirst(relation []*match) []*match {
	cut := -1
	var out []*match
	for _, together := range byMoment(relation) {
		together = slices.DeleteFunc(together, func(m *match) bool { return !m.maximal || m.first <= cut })
		if len(together) == 0 {
			continue
		}
		widest := slices.MinFunc(together, compareWidth)
		out = append(out, widest)
		if o.rule.AfterMatch.Kind != "no_skip" {
			cut = widest.last
		}
	}
	return out
}

// byMoment groups matches by the moment they complete, in order.
func byMoment(relation []*match) [][]*match {
	slices.SortStableFunc(relation, func(a, b *match) int { return a.at.compare(b.at) })
	var groups [][]*match
	for i, m := range relation {
		if i == 0 || m.at != relation[i-1].at {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], m)
	}
	return groups
}

// compareWidth puts the wider match first: earlier first event; more
// iterations, step by step; earlier events, step by step.
func compareWidth(a, b *match) int {
	if a.first != b.first {
		return a.first - b.first
	}
	for s := range a.taken {
		if n := len(b.taken[s]) - len(a.taken[s]); n != 0 {
			return n
		}
	}
	for s := range a.taken {
		if c := slices.Compare(a.taken[s], b.taken[s]); c != 0 {
			return c
		}
	}
	return 0
}

// emitAll is `emit: all`: every match, but for those that the after-match skip
// of an earlier one dropped.
func (o *Oracle) emitAll(relation []*match) []*match {
	resume := 0
	var out []*match
	for _, together := range byMoment(relation) {
		slices.SortStableFunc(together, compareTurn)
		for _, m := range together {
			if m.first < resume {
				continue
			}
			out = append(out, m)
			resume = max(resume, o.resumption(m))
		}
	}
	return out
}

// compareTurn orders the matches of one moment: earliest first event, most
// events, earliest events.
func compareTurn(a, b *match) int {
	if a.first != b.first {
		return a.first - b.first
	}
	x, y := a.all(), b.all()
	if len(x) != len(y) {
		return len(y) - len(x)
	}
	if c := slices.Compare(x, y); c != 0 {
		return c
	}
	return compareWidth(a, b)
}

// all returns the events of a match in key order.
func (m *match) all() []int {
	events := slices.Concat(m.taken...)
	slices.Sort(events)
	return events
}

// resumption returns the position of the first event that may start a match
// once m is emitted.
func (o *Oracle) resumption(m *match) int {
	skip := o.rule.AfterMatch
	switch skip.Kind {
	case "skip_to_next":
		return m.first + 1
	case "skip_past_last":
		return m.last + 1
	case "skip_to_first", "skip_to_last":
		if at := m.taken[o.index[skip.Step]]; len(at) > 0 && skip.Kind == "skip_to_first" {
			return at[0]
		} else if len(at) > 0 {
			return at[len(at)-1]
		}
	}
	return 0
}

func (o *Oracle) alert(h *history, m *match) Alert {
	a := Alert{At: m.at.time, Key: h.key}
	if m.at.event == deadlinesAt {
		a.By, a.Instant = ByDeadline, m.at.time
	} else {
		a.Event = h.events[m.at.event]
	}
	for s, taken := range m.taken {
		if len(taken) == 0 {
			continue
		}
		ev := StepEvents{Step: o.steps[s].name}
		for _, i := range taken {
			ev.Events = append(ev.Events, h.events[i])
		}
		a.Evidence = append(a.Evidence, ev)
	}
	kept := *m
	kept.taken = m.kept()
	f := o.frameOf(h, &kept)
	a.Measures, a.Summary = o.measure(f), o.summarize(f)
	return a
}

// evidenceMax is how many events an alert keeps: the first and last half.
const evidenceMax = 200

// kept returns the events of a match that its alert keeps, by step.
func (m *match) kept() [][]int {
	all := m.all()
	if len(all) <= evidenceMax {
		return m.taken
	}
	gone := all[evidenceMax/2 : len(all)-evidenceMax/2]
	taken := make([][]int, len(m.taken))
	for s, events := range m.taken {
		taken[s] = slices.DeleteFunc(slices.Clone(events), func(i int) bool { return slices.Contains(gone, i) })
	}
	return taken
}

func (o *Oracle) measure(f *expr.Frame) []Measured {
	var out []Measured
	for _, m := range o.measures {
		if v, ok := m.expr.Eval(f); ok {
			out = append(out, Measured{m.name, v})
		}
	}
	return out
}
