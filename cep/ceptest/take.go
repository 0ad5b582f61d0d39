package ceptest

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
)

// take calls k for every event that step may take next. No event that
// satisfies one of watch may be taken or passed over; one that satisfies until
// may not be taken.
func (e *enumerator) take(step int, join syntax.Join, watch []int, until int, d *derivation, k then) {
	if d.last < 0 {
		e.takeFirst(step, watch, until, d, k)
		return
	}
	for i := d.last + 1; i < e.end; i++ {
		if e.outOfTime(step, i, d) || e.anyHolds(watch, i, d) {
			return
		}
		if e.holds(step, i, d) {
			if !e.untilHolds(until, i, d) && e.allowed(i, d) {
				k(d.bind(step, i))
			}
			if join == syntax.Relaxed {
				return
			}
		}
		if join == syntax.Strict {
			return
		}
	}
}

// takeFirst takes the first event of the match, which no operator binds.
func (e *enumerator) takeFirst(step int, watch []int, until int, d *derivation, k then) {
	for i := 0; i < e.end; i++ {
		if e.holds(step, i, d) && !e.anyHolds(watch, i, d) && !e.untilHolds(until, i, d) && e.absentBefore(i, d) && e.allowed(i, d) {
			k(d.bind(step, i))
		}
	}
}

// outOfTime reports whether event i is past `within`, or past the gap of step.
func (e *enumerator) outOfTime(step, i int, d *derivation) bool {
	t := e.time(i)
	if e.o.within > 0 && t >= e.time(d.first)+e.o.within {
		return true
	}
	gap := e.o.steps[step].gap
	return gap > 0 && t >= e.time(d.last)+gap
}

func (e *enumerator) time(i int) int64 { return e.h.events[i].Time }

// absentBefore reports whether event i may start a match: no leading absence
// is broken, and the state covers the span of each.
func (e *enumerator) absentBefore(i int, d *derivation) bool {
	for _, step := range d.wait.leading {
		span := e.o.steps[step].gap
		if span == 0 {
			span = e.o.within
		}
		from := e.time(i) - span
		if from < e.covered {
			return false
		}
		for j := range i {
			if e.time(j) >= from && e.time(j) < e.time(i) && e.holds(step, j, d) {
				return false
			}
		}
	}
	return true
}

// allowed reports whether nothing that d waits without lies on the way to
// event i, and no ended greedy loop wanted an event up to it.
func (e *enumerator) allowed(i int, d *derivation) bool {
	return e.absentUntil(i, i+1, d) && !slices.ContainsFunc(d.wait.greedy, func(g guard) bool { return e.greedyWants(g, i, d) })
}

// absentUntil reports whether no absence of d is broken: those of "-> !x" by an
// event before position to, those of ", !x" by one before position toNext.
func (e *enumerator) absentUntil(to, toNext int, d *derivation) bool {
	for _, a := range d.wait.absent {
		if e.broken(a, to, d) {
			return false
		}
	}
	for _, a := range d.wait.next {
		if e.brokenNext(a, toNext, d) {
			return false
		}
	}
	return true
}

// broken reports whether the step satisfies an event after a.from and before
// position to.
func (e *enumerator) broken(a absence, to int, d *derivation) bool {
	for j := a.tail.from + 1; j < to; j++ {
		if e.holds(a.step, j, d) {
			return true
		}
	}
	return false
}

// brokenNext reports whether the event right after one of the ends, before
// position to, satisfies the step.
func (e *enumerator) brokenNext(a absence, to int, d *derivation) bool {
	return slices.ContainsFunc(a.tail.ends, func(end int) bool { return end+1 < to && e.holds(a.step, end+1, d) })
}

// greedyWants reports whether an ended greedy loop wanted an event up to and
// including i. With until it wants nothing from the until event on.
func (e *enumerator) greedyWants(g guard, i int, d *derivation) bool {
	from := g.from + 1
	if g.from < 0 {
		from = i
	}
	for j := from; j <= i; j++ {
		if e.untilHolds(g.until, j, d) {
			return false
		}
		if e.holds(g.step, j, d) {
			return true
		}
	}
	return false
}

func (e *enumerator) untilHolds(until, i int, d *derivation) bool {
	return until >= 0 && e.holds(until, i, d)
}

func (e *enumerator) anyHolds(steps []int, i int, d *derivation) bool {
	return slices.ContainsFunc(steps, func(s int) bool { return e.holds(s, i, d) })
}

// holds reports whether event i satisfies a step, seen from d: the condition
// knows the events that d took before i. An error is false.
func (e *enumerator) holds(step, i int, d *derivation) bool {
	s, memo := e.o.steps[step], &e.memo[step][i]
	if *memo == unknown {
		*memo = e.judge(s, i, d)
	}
	if *memo == varies {
		return e.ask(s, i, d)
	}
	return *memo == yes
}

// Answers of a step's condition for an event.
const (
	unknown int8 = iota
	no
	yes
	varies // with what the match has taken
)

// judge answers for an event that is no event of the step, and for conditions
// that read the current event only.
func (e *enumerator) judge(s *step, i int, d *derivation) int8 {
	ev := e.h.events[i]
	switch {
	case ev.Schema.Stream != s.schema.Stream || !slices.Equal(project(ev, s.key), e.h.key):
		return no
	case s.where == nil:
		return yes
	case !s.alone:
		return varies
	case e.ask(s, i, d):
		return yes
	}
	return no
}

func (e *enumerator) ask(s *step, i int, d *derivation) bool {
	e.frame.Event, e.frame.Match = e.h.events[i], &bindings{e.h, d.taken, i}
	e.frame.Facts = e.o.factsAt(e.h, e.h.events[i], e.time(i))
	e.frame.Prev = nil
	if p := d.lastBefore(i); p >= 0 {
		e.frame.Prev = e.h.events[p]
	}
	truth, ok := s.where.Holds(&e.frame)
	return truth && ok
}

// lastBefore returns the last event that d took before position i, or -1.
func (d *derivation) lastBefore(i int) int {
	last := -1
	for _, events := range d.taken {
		for _, j := range events {
			if j < i {
				last = max(last, j)
			}
		}
	}
	return last
}

// Bindings are the events that a derivation took before a position. They
// implement expr.Bindings; aggregates are computed from the lists.
type bindings struct {
	h      *history
	taken  [][]int
	before int
}

// Len returns how many events the step has.
func (b *bindings) Len(step int) int {
	n := 0
	for _, i := range b.taken[step] {
		if i < b.before {
			n++
		}
	}
	return n
}

// At returns an event of the step, nil when it has fewer.
func (b *bindings) At(step, i int) *event.Event {
	if i >= b.Len(step) {
		return nil
	}
	return b.h.events[b.taken[step][i]]
}

// One returns the first event of the step, nil when it has none.
func (b *bindings) One(step int) *event.Event { return b.At(step, 0) }

// Agg is never asked: the oracle's scopes collect no aggregates.
func (b *bindings) Agg(int) (event.Value, bool) { return event.Value{}, false }
