package task

import "slices"

// Strays are held events that came out of order. They are filed by time; a
// bucket is sorted when its turn comes, and is then the head.
type strays struct {
	later  calendar[held]
	head   []held // sorted
	next   int    // the first of head not yet popped
	number int64  // of the head
	loaded bool
	size   int
}

func newStrays(lateness int64) strays { return strays{later: newCalendar[held](lateness)} }

func compareStrays(a, b held) int { return compareHeld(&a, &b) }

func (s *strays) push(h held) {
	s.size++
	n := s.later.number(h.time)
	switch {
	case !s.loaded || n > s.number:
		s.later.add(h.time, h)
	case n == s.number:
		i, _ := slices.BinarySearchFunc(s.head[s.next:], h, compareStrays)
		s.head = slices.Insert(s.head, s.next+i, h)
	default:
		s.unload()
		s.later.add(h.time, h)
	}
}

// unload files the head away again: an event came in before it.
func (s *strays) unload() {
	s.loaded = false
	if rest := s.head[s.next:]; len(rest) > 0 {
		s.later.give(s.number, slices.Clone(rest))
	}
	s.later.release(s.head)
}

// forget is queue.forget.
func (s *strays) forget() {
	for i := range s.head[s.next:] {
		h := &s.head[s.next+i]
		h.known, h.idle = false, false
	}
	for _, items := range s.later.buckets {
		for i := range items {
			items[i].known, items[i].idle = false, false
		}
	}
}

// first returns the earliest event without removing it.
func (s *strays) first() (*held, bool) {
	if s.size == 0 {
		return nil, false
	}
	for !s.loaded || s.next == len(s.head) {
		if s.loaded {
			s.later.release(s.head)
		}
		s.number, s.head = s.later.take()
		s.next, s.loaded = 0, true
		if !slices.IsSortedFunc(s.head, compareStrays) {
			slices.SortFunc(s.head, compareStrays)
		}
	}
	return &s.head[s.next], true
}

// pop removes the event that first returned.
func (s *strays) pop() {
	s.head[s.next].ev = nil
	s.next++
	s.size--
}

func (s *strays) appendTo(items []held) []held {
	if s.loaded {
		items = append(items, s.head[s.next:]...)
	}
	for _, b := range s.later.buckets {
		items = append(items, b...)
	}
	return items
}
