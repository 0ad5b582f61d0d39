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
}

func compareHeld(a, b held) int {
	if c := cmp.Compare(a.time, b.time); c != 0 {
		return c
	}
	return event.Compare(a.ev, b.ev)
}

// A queue gives held events back in key order. Events are filed by time; a
// bucket is sorted when its turn comes, and is then the head.
type queue struct {
	later  calendar[held]
	head   []held // sorted
	next   int    // the first of head not yet popped
	number int64  // of the head
	loaded bool
	size   int
}

func newQueue(lateness int64) queue { return queue{later: newCalendar[held](lateness)} }

func (q *queue) push(h held) {
	q.size++
	n := q.later.number(h.time)
	switch {
	case !q.loaded || n > q.number:
		q.later.add(h.time, h)
	case n == q.number:
		i, _ := slices.BinarySearchFunc(q.head[q.next:], h, compareHeld)
		q.head = slices.Insert(q.head, q.next+i, h)
	default:
		q.unload()
		q.later.add(h.time, h)
	}
}

// unload files the head away again: an event came in before it.
func (q *queue) unload() {
	q.loaded = false
	if rest := q.head[q.next:]; len(rest) > 0 {
		q.later.give(q.number, slices.Clone(rest))
	}
	q.later.release(q.head)
}

// first returns the earliest event without removing it.
func (q *queue) first() (*held, bool) {
	for !q.loaded || q.next == len(q.head) {
		if q.loaded {
			q.later.release(q.head)
			q.loaded = false
		}
		if q.later.empty() {
			return nil, false
		}
		q.number, q.head = q.later.take()
		q.next, q.loaded = 0, true
		if !slices.IsSortedFunc(q.head, compareHeld) {
			slices.SortFunc(q.head, compareHeld)
		}
	}
	return &q.head[q.next], true
}

// pop removes the event that first returned.
func (q *queue) pop() {
	q.head[q.next] = held{}
	q.next++
	q.size--
}

// all returns the held events in key order.
func (q *queue) all() []held {
	items := make([]held, 0, q.size)
	if q.loaded {
		items = append(items, q.head[q.next:]...)
	}
	for _, b := range q.later.buckets {
		items = append(items, b...)
	}
	slices.SortFunc(items, compareHeld)
	return items
}
