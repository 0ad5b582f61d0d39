package window

import (
	"encoding/binary"

	"github.com/caltrop/caltrop/cep/event"
)

// A queue holds the events of a rolling window as the arguments of its
// aggregates, oldest first: the front, pages [lo, hi), the back. Only the front
// and the back are in the key's state; an event is appended to the back and
// leaves from the front, so the pages between cost nothing.
//
// Aggregates that cannot forget are kept as two stacks (after the folklore
// queue of two stacks): each page before mark has a page of suffixes, the
// aggregates of all pages after it and before mark. When the last of them has
// become the front, mark moves to hi and the suffixes of all pages are made,
// from the newest on: each page is read for that once.
type queue struct {
	n            int   // entries
	base         int64 // time that the first entry is relative to
	last         int64 // time of the newest entry
	front, back  []byte
	backN        int
	lo, hi, mark uint64
}

// pageMax is how many entries make a page.
const pageMax = 32

// peek returns the time of the oldest entry. The queue must not be empty.
func (r *rolling) peek(q *queue) int64 {
	if len(q.front) == 0 {
		r.refill(q)
	}
	d, w := binary.Uvarint(q.front)
	if w <= 0 {
		r.mustRead(errCorrupt)
	}
	return q.base + int64(d)
}

// pop removes the oldest entry, whose time peek has given, and takes its
// arguments out of the aggregates.
func (r *rolling) pop(q *queue, at int64) {
	c := cursor{buf: q.front}
	c.uvarint()
	for i := range r.slots {
		s := &r.slots[i]
		if s.bare {
			s.remove(&r.pages, always())
			continue
		}
		switch {
		case s.kind == mergeable:
			c.skipValue()
			continue
		case s.kind == distinct && s.spec.Type == event.String:
			if text := c.text(); text != nil && !s.counted.remove(&r.pages, text) {
				c.bad = true
			}
			continue
		}
		if v := c.value(); v.Present() && !s.remove(&r.pages, v) {
			c.bad = true
		}
	}
	r.mustRead(c.err())
	q.front, q.base = c.buf, at
	q.n--
	r.moved = true
}

// refill makes the next entries the front.
func (r *rolling) refill(q *queue) {
	r.moved = true
	if q.lo == q.hi {
		q.front, q.back, q.backN = q.back, nil, 0
		r.eachMergeable(func(s *slot) {
			s.middle.Reset()
			s.back.Reset()
		})
		return
	}
	if q.lo >= q.mark {
		r.flip(q)
	}
	number := pageNumber(pageEntries, 0, q.lo)
	r.frontPage = append(r.frontPage[:0], r.pages.get(number)...)
	q.front = r.frontPage
	r.pages.put(number, nil)
	if r.mergeable {
		number = pageNumber(pageSuffix, 0, q.lo)
		c := cursor{buf: r.pages.get(number)}
		r.eachMergeable(func(s *slot) { c.acc(&s.middle, s.spec) })
		r.mustRead(c.err())
		r.pages.put(number, nil)
	}
	q.lo++
}

func (r *rolling) eachMergeable(f func(*slot)) {
	for i := range r.slots {
		if r.slots[i].kind == mergeable {
			f(&r.slots[i])
		}
	}
}

// flip moves the mark past all pages and makes their suffixes.
func (r *rolling) flip(q *queue) {
	q.mark = q.hi
	if !r.mergeable {
		return
	}
	r.eachMergeable(func(s *slot) { s.middle.Reset() })
	for k := q.hi; k > q.lo; k-- {
		r.suffix = r.suffix[:0]
		r.eachMergeable(func(s *slot) { r.suffix = s.middle.AppendTo(r.suffix, s.spec) })
		r.pages.put(pageNumber(pageSuffix, 0, k-1), r.suffix)
		r.eachMergeable(func(s *slot) { s.total.Reset() })
		r.mustRead(r.scan(r.pages.get(pageNumber(pageEntries, 0, k-1)), func(s *slot, v event.Value) { s.total.Add(s.spec, v) }))
		r.eachMergeable(func(s *slot) {
			if err := s.total.Merge(s.spec, &s.middle); err != nil {
				panic("window: " + err.Error()) // only of sets
			}
			s.middle, s.total = s.total, s.middle
		})
	}
	r.eachMergeable(func(s *slot) { s.back.Reset() })
	r.mustRead(r.scan(q.back, func(s *slot, v event.Value) { s.back.Add(s.spec, v) }))
}

// scan gives the arguments of the mergeable slots in some entries to f.
func (r *rolling) scan(entries []byte, f func(*slot, event.Value)) error {
	c := cursor{buf: entries}
	for len(c.buf) > 0 && !c.bad {
		c.uvarint()
		for i := range r.slots {
			s := &r.slots[i]
			switch {
			case s.bare:
			case s.kind != mergeable:
				c.skipValue()
			default:
				if v := c.value(); v.Present() {
					f(s, v)
				}
			}
		}
	}
	return c.err()
}

// rescan computes the mergeable aggregates of the front anew.
func (r *rolling) rescan(q *queue) {
	if r.mergeable {
		r.eachMergeable(func(s *slot) { s.front.Reset() })
		r.mustRead(r.scan(q.front, func(s *slot, v event.Value) { s.front.Add(s.spec, v) }))
	}
}

// push appends an event with the arguments in r.args.
func (r *rolling) push(q *queue, at int64) {
	if q.n == 0 {
		q.base, q.last = at, at
	}
	r.backPage = append(r.backPage[:0], q.back...)
	r.backPage = binary.AppendUvarint(r.backPage, uint64(at-q.last))
	for i, v := range r.args {
		if s := &r.slots[i]; !s.bare {
			r.backPage = event.AppendValue(r.backPage, v)
		}
		if v.Present() {
			r.slots[i].add(&r.pages, v)
		}
	}
	q.back, q.last = r.backPage, at
	q.n++
	if q.backN++; q.backN == pageMax {
		r.pages.put(pageNumber(pageEntries, 0, q.hi), q.back)
		q.hi++
		q.back, q.backN = nil, 0
	}
}

func (q *queue) append(buf []byte, origin int64) []byte {
	buf = binary.AppendUvarint(buf, uint64(q.n))
	buf = binary.AppendVarint(buf, q.base-origin)
	buf = binary.AppendVarint(buf, q.last-origin)
	for _, n := range [3]uint64{q.lo, q.hi - q.lo, q.mark} {
		buf = binary.AppendUvarint(buf, n)
	}
	buf = binary.AppendUvarint(buf, uint64(q.backN))
	for _, part := range [2][]byte{q.front, q.back} {
		buf = binary.AppendUvarint(buf, uint64(len(part)))
		buf = append(buf, part...)
	}
	return buf
}

func (c *cursor) queue(origin int64) queue {
	q := queue{n: int(c.uvarint()), base: c.varint() + origin, last: c.varint() + origin, lo: c.uvarint()}
	q.hi = q.lo + c.uvarint()
	q.mark, q.backN = c.uvarint(), int(c.uvarint())
	q.front = c.take(c.uvarint())
	q.back = c.take(c.uvarint())
	if q.n <= 0 || q.backN >= pageMax || q.backN > len(q.back) {
		c.bad = true
	}
	return q
}
