package ceptest

import (
	"encoding/binary"
	"math"
)

// A match is one mapping from steps to events that the pattern allows, and the
// moment it is complete.
type match struct {
	taken    [][]int // by step
	first    int
	last     int
	at       moment
	maximal  bool // in some derivation no loop passed over an event
	deadline int64
}

// A moment is an instant at which matches complete. Deadlines at a time come
// before the events of that time.
type moment struct {
	time  int64
	event int // the completing event, or deadlinesAt
}

// deadlinesAt stands for no event: the deadlines of a time.
const deadlinesAt = -1

func (m moment) compare(n moment) int {
	if m.time != n.time {
		return compareInt(m.time, n.time)
	}
	return m.event - n.event
}

// relation enumerates all matches of one key's history: the match relation of
// docs/language.md §4 without having. Two derivations of one mapping are one
// match, maximal if one of them is.
func (o *Oracle) relation(h *history, covered int64) []*match {
	e := newEnumerator(o, h, covered)
	byMapping := map[string]*match{}
	var all []*match
	e.derive(o.rule.Pattern, 0, nil, e.start(), func(d *derivation) {
		m := e.complete(d)
		if m == nil {
			return
		}
		key := m.key()
		if have := byMapping[key]; have != nil {
			m = have
		} else {
			byMapping[key] = m
			all = append(all, m)
		}
		m.maximal = m.maximal || !e.passedOver(d, m)
	})
	return all
}

func newEnumerator(o *Oracle, h *history, covered int64) *enumerator {
	e := &enumerator{o: o, h: h, end: len(h.events), covered: covered, memo: make([][]int8, len(o.steps))}
	for i := range e.memo {
		e.memo[i] = make([]int8, len(h.events))
	}
	return e
}

// complete returns the match of a derivation of the whole pattern, or nil when
// what ends the pattern does not hold.
func (e *enumerator) complete(d *derivation) *match {
	m := &match{taken: d.taken, first: d.first, last: d.last}
	switch {
	case d.last < 0:
		return nil
	case len(d.wait.absent) == 0 && len(d.wait.next) == 0:
		m.at = moment{e.time(d.last), d.last}
		return m
	case d.wait.strict:
		return e.completeByNext(m, d)
	}
	return e.completeByDeadline(m, d)
}

// completeByNext is a pattern that ends with ", !x": the next event, inside the
// window, completes it.
func (e *enumerator) completeByNext(m *match, d *derivation) *match {
	next := d.last + 1
	if next == e.end || e.o.within > 0 && e.time(next) >= e.time(d.first)+e.o.within {
		return nil
	}
	if !e.absentUntil(next, next+1, d) {
		return nil
	}
	m.at = moment{e.time(next), next}
	return m
}

// completeByDeadline is a pattern that ends with "-> !x". Without a deadline it
// is never complete.
func (e *enumerator) completeByDeadline(m *match, d *derivation) *match {
	m.deadline = int64(math.MaxInt64)
	if e.o.within > 0 {
		m.deadline = e.time(d.first) + e.o.within
	}
	for _, a := range d.wait.absent {
		if gap := e.o.steps[a.step].gap; gap > 0 {
			m.deadline = min(m.deadline, e.time(d.last)+gap)
		}
	}
	if to := e.firstAt(m.deadline); m.deadline == math.MaxInt64 || !e.absentUntil(to, to, d) {
		return nil
	}
	m.at = moment{m.deadline, deadlinesAt}
	return m
}

// firstAt returns the position of the first event at or after a time.
func (e *enumerator) firstAt(t int64) int {
	for i, ev := range e.h.events {
		if ev.Time >= t {
			return i
		}
	}
	return len(e.h.events)
}

// passedOver reports whether some loop of the derivation passed over an event
// it could have taken: after some iteration and before the match's next event,
// one more whole iteration fits.
func (e *enumerator) passedOver(d *derivation, m *match) bool {
	for _, it := range d.loops {
		q := quantOf(it.loop)
		if q.Max >= 0 && it.count >= q.Max {
			continue
		}
		if to := e.nextEvent(it, d, m); to >= 0 && e.fits(it, to) {
			return true
		}
	}
	return false
}

// nextEvent returns the position up to which one more iteration may lie,
// itself excluded; -1 when nothing comes after the loop.
func (e *enumerator) nextEvent(it iteration, d *derivation, m *match) int {
	if next := d.nextAfter(it.after.last); next >= 0 {
		return next
	}
	switch {
	case m.at.event == deadlinesAt:
		return e.firstAt(m.deadline)
	case m.at.event > m.last:
		return m.at.event + 1
	}
	return -1
}

// fits reports whether one more iteration fits before position to.
func (e *enumerator) fits(it iteration, to int) bool {
	inner := *e
	inner.end = to
	found := false
	inner.once(it.loop, it.count, quantOf(it.loop).Join, it.watch, it.after, func(*derivation) { found = true })
	return found
}

// key encodes the mapping and its completion.
func (m *match) key() string {
	buf := binary.AppendVarint(nil, m.at.time)
	buf = binary.AppendVarint(buf, int64(m.at.event))
	for _, events := range m.taken {
		buf = binary.AppendUvarint(buf, uint64(len(events)))
		for _, i := range events {
			buf = binary.AppendUvarint(buf, uint64(i))
		}
	}
	return string(buf)
}
