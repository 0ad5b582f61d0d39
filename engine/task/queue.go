package task

import (
	"cmp"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
)

// A held event waits for the watermark.
type held struct {
	time  int64 // of ev
	ev    *event.Event
	epoch uint32 // of acceptance
	feed  uint16 // its stream's position in group.streams
	known bool   // members are those of the feed's route
	idle  bool   // known, and nothing is to be done when the watermark passes it
	// members are the taps to which the event may matter, where an early rule
	// has asked: bit i is that of tap i.
	members uint64
}

func compareHeld(a, b *held) int {
	if a.time != b.time {
		return cmp.Compare(a.time, b.time)
	}
	return event.Compare(a.ev, b.ev)
}

// A queue gives held events back in key order. An event that comes in about
// the order of its stream goes to the stream's line; the others are strays.
type queue struct {
	lines  []line // by position in group.streams
	strays strays
	size   int
	at     int // the line of the earliest event; of a stray, len(lines)
	known  bool
}

func newQueue(streams int, lateness int64) queue {
	return queue{lines: make([]line, streams), strays: newStrays(lateness)}
}

func (q *queue) push(h *held) {
	q.size++
	l := &q.lines[h.feed]
	switch {
	case l.empty():
		l.push(h)
		q.at, q.known = int(h.feed), q.size == 1
	case l.last().time < h.time || compareHeld(l.last(), h) <= 0:
		l.push(h)
	case l.insert(h):
		q.known = false
	default:
		q.strays.push(*h)
		q.known = false
	}
}

// first returns the earliest event without removing it.
func (q *queue) first() (*held, bool) {
	if q.size == 0 {
		return nil, false
	}
	if !q.known {
		q.find()
	}
	if q.at < len(q.lines) {
		return q.lines[q.at].first(), true
	}
	return q.strays.first()
}

func (q *queue) find() {
	var best *held
	for i := range q.lines {
		if l := &q.lines[i]; !l.empty() && (best == nil || compareHeld(l.first(), best) < 0) {
			q.at, best = i, l.first()
		}
	}
	if s, ok := q.strays.first(); ok && (best == nil || compareHeld(s, best) < 0) {
		q.at = len(q.lines)
	}
	q.known = true
}

// pop removes the event that first returned.
func (q *queue) pop() {
	q.size--
	if q.at < len(q.lines) {
		q.lines[q.at].pop()
	} else {
		q.strays.pop()
	}
	q.known = q.at == 0 && len(q.lines) == 1 && q.strays.size == 0
}

// forget drops what is known of the events by the routes, which change.
func (q *queue) forget() {
	for i := range q.lines {
		l := &q.lines[i]
		for j := l.from; j < l.until; j++ {
			l.at(j).known, l.at(j).idle = false, false
		}
	}
	q.strays.forget()
}

// all returns the held events in key order.
func (q *queue) all() []held {
	items := make([]held, 0, q.size)
	for i := range q.lines {
		items = q.lines[i].appendTo(items)
	}
	items = q.strays.appendTo(items)
	slices.SortFunc(items, func(a, b held) int { return compareHeld(&a, &b) })
	return items
}

// A line holds events in key order in a ring: one that comes in order costs an
// append.
type line struct {
	ring  []held // as long as a power of two
	from  int    // the first is at from, counted modulo the ring
	until int    // one past the last
}

const (
	lineMin  = 64   // places
	lineKept = 4096 // places that an empty line keeps
	nearMax  = 32   // how far from the end of its line an event may be put in
)

func (l *line) empty() bool { return l.from == l.until }

func (l *line) at(i int) *held { return &l.ring[i&(len(l.ring)-1)] }

func (l *line) first() *held { return l.at(l.from) }

func (l *line) last() *held { return l.at(l.until - 1) }

// push writes field by field: a copy of the whole would wait for fields that have
// only just been written.
func (l *line) push(h *held) {
	if l.until-l.from == len(l.ring) {
		l.grow()
	}
	to := l.at(l.until)
	to.time, to.ev, to.members = h.time, h.ev, h.members
	to.epoch, to.feed, to.known, to.idle = h.epoch, h.feed, h.known, h.idle
	l.until++
}

func (l *line) grow() {
	ring := make([]held, max(2*len(l.ring), lineMin))
	n := len(l.appendTo(ring[:0]))
	l.ring, l.from, l.until = ring, 0, n
}

// insert puts h in its place when that is near the end; false when it is not.
func (l *line) insert(h *held) bool {
	i, low := l.until, max(l.from, l.until-nearMax)
	for i > low && compareHeld(l.at(i-1), h) > 0 {
		i--
	}
	if i == l.until || i == low && i > l.from {
		return false
	}
	after := l.until - i
	l.push(h)
	for j := l.until - 1; after > 0; j, after = j-1, after-1 {
		*l.at(j), *l.at(j - 1) = *l.at(j - 1), *l.at(j)
	}
	return true
}

func (l *line) pop() {
	l.at(l.from).ev = nil
	l.from++
	if l.from == l.until && len(l.ring) > lineKept {
		*l = line{}
	}
}

func (l *line) appendTo(items []held) []held {
	for i := l.from; i < l.until; i++ {
		items = append(items, *l.at(i))
	}
	return items
}
