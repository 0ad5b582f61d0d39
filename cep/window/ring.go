package window

import (
	"encoding/binary"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// A ring is the head of a rolling window's state, of fixed width and in little
// endian, so that an event changes a few numbers of it and appends to its parts
// where they are:
//
//	format   1  byte
//	flags    1  having was true at the last event; events were lost; no number
//	            below zero has come since the window was empty
//	fresh    1  events since the last page
//	denial   1  the part of having that was false at the last event, see denial
//	n        4  rows
//	first    8  time of the oldest row, µs
//	last     8  time of the newest row
//	base     8  time of the event before the trail
//	lost     8  time of the newest event that left early by
//	            limits.window_events
//	came     8  rows since the window was last empty
//	lo hi mark            4 each: pages of the queue, see queue
//	kept     4  the first page of evidence, see recent
//	frontAt  4  where in the front the oldest row is
//	taken    4  bytes of the back that have become the front
//	parts    8 each: bytes used, bytes there
//
// Behind it are the parts: the slots of the aggregates, the key's values, the
// front and the back of the queue, the trail of events.
type ring struct {
	held, rose   bool
	fresh        int
	denial       uint8
	n            int
	first, last  int64
	base, lost   int64
	came         uint64
	lo, hi, mark uint32
	kept         uint32
	frontAt      int
	taken        int
	parts        [partCount]span
}

// A span is a part of a state: where it is, the bytes used, the bytes there.
type span struct{ at, n, room int }

const (
	partSlots = iota
	partKeys
	partFront
	partBack
	partTrail
	partCount
)

const (
	flagHeld = 1 << iota
	flagLost
	flagRose
)

const (
	ringParts = 72 // where the spans are
	ringBytes = ringParts + 8*partCount
)

// neverLost is ring.lost before any event left early.
const neverLost = -1 << 63

// read takes the head of a state.
func (g *ring) read(b []byte) error {
	if len(b) < ringBytes || b[0] != formatRolling {
		return errCorrupt
	}
	g.held, g.rose, g.fresh, g.denial = b[1]&flagHeld != 0, b[1]&flagRose != 0, int(b[2]), b[3]
	g.n = int(binary.LittleEndian.Uint32(b[4:]))
	g.first = int64(binary.LittleEndian.Uint64(b[8:]))
	g.last = int64(binary.LittleEndian.Uint64(b[16:]))
	g.base = int64(binary.LittleEndian.Uint64(b[24:]))
	g.lost = int64(binary.LittleEndian.Uint64(b[32:]))
	g.came = binary.LittleEndian.Uint64(b[40:])
	g.lo, g.hi, g.mark = binary.LittleEndian.Uint32(b[48:]), binary.LittleEndian.Uint32(b[52:]), binary.LittleEndian.Uint32(b[56:])
	g.kept = binary.LittleEndian.Uint32(b[60:])
	g.frontAt, g.taken = int(binary.LittleEndian.Uint32(b[64:])), int(binary.LittleEndian.Uint32(b[68:]))
	at := ringBytes
	sound := b[1]&^(flagHeld|flagLost|flagRose) == 0 && g.n > 0 && g.lo <= g.hi && g.kept <= g.hi && g.fresh < pageMax
	for i := range g.parts {
		p := &g.parts[i]
		p.at, p.n, p.room = at, int(binary.LittleEndian.Uint32(b[ringParts+8*i:])), int(binary.LittleEndian.Uint32(b[ringParts+8*i+4:]))
		at += p.room
		sound = sound && p.n <= p.room
	}
	if !sound || at != len(b) || g.frontAt > g.parts[partFront].n || g.taken > g.parts[partBack].n {
		return errCorrupt
	}
	return nil
}

// write puts the head where it belongs.
func (g *ring) write(b []byte) {
	b = b[:ringBytes:ringBytes]
	b[0], b[1], b[2], b[3] = formatRolling, g.flags(), byte(g.fresh), g.denial
	binary.LittleEndian.PutUint32(b[4:], uint32(g.n))
	binary.LittleEndian.PutUint64(b[8:], uint64(g.first))
	binary.LittleEndian.PutUint64(b[16:], uint64(g.last))
	binary.LittleEndian.PutUint64(b[24:], uint64(g.base))
	binary.LittleEndian.PutUint64(b[32:], uint64(g.lost))
	binary.LittleEndian.PutUint64(b[40:], g.came)
	binary.LittleEndian.PutUint32(b[48:], g.lo)
	binary.LittleEndian.PutUint32(b[52:], g.hi)
	binary.LittleEndian.PutUint32(b[56:], g.mark)
	binary.LittleEndian.PutUint32(b[60:], g.kept)
	binary.LittleEndian.PutUint32(b[64:], uint32(g.frontAt))
	binary.LittleEndian.PutUint32(b[68:], uint32(g.taken))
	for i := range g.parts {
		binary.LittleEndian.PutUint32(b[ringParts+8*i:], uint32(g.parts[i].n))
		binary.LittleEndian.PutUint32(b[ringParts+8*i+4:], uint32(g.parts[i].room))
	}
}

// rewrite is write after an event that was taken in place: the numbers that such
// an event changes.
func (g *ring) rewrite(b []byte) {
	b = b[:ringBytes:ringBytes]
	b[1], b[2], b[3] = g.flags(), byte(g.fresh), g.denial
	binary.LittleEndian.PutUint32(b[4:], uint32(g.n))
	binary.LittleEndian.PutUint64(b[8:], uint64(g.first))
	binary.LittleEndian.PutUint64(b[16:], uint64(g.last))
	binary.LittleEndian.PutUint64(b[40:], g.came)
	binary.LittleEndian.PutUint32(b[64:], uint32(g.frontAt))
	binary.LittleEndian.PutUint32(b[ringParts+8*partBack:], uint32(g.parts[partBack].n))
	binary.LittleEndian.PutUint32(b[ringParts+8*partTrail:], uint32(g.parts[partTrail].n))
}

func (g *ring) flags() (flags byte) {
	if g.held {
		flags |= flagHeld
	}
	if g.lost != neverLost {
		flags |= flagLost
	}
	if g.rose {
		flags |= flagRose
	}
	return flags
}

// A draft is the state of a key being worked on: in the store's own memory as
// long as it need not grow, else in memory of its own.
type draft struct {
	pages       pages
	buf         []byte
	own         bool
	spare, next []byte
	spent       []byte // the page last asked for
	store       match.Store
	paged       match.Paging // store
}

// paging is the store that keeps pages.
func (d *draft) paging(s match.Store) match.Paging {
	if d.store != s {
		d.store, d.paged = s, s.(match.Paging)
	}
	return d.paged
}

// open gets the state of key; false when it has none. copied asks for a copy.
func (d *draft) open(key []byte, s match.Store, copied bool) bool {
	d.pages.key, d.pages.store = key, d.paging(s)
	d.own = copied
	if copied {
		d.spare = append(d.spare[:0], s.Get(key)...)
		d.buf = d.spare
	} else {
		d.buf = d.pages.store.Edit(key)
	}
	return len(d.buf) > 0
}

// page returns a page, as pages.get does. Parts are to be asked for again: the
// store may have moved the state.
func (d *draft) page(number uint64) []byte {
	d.spent = append(d.spent[:0], d.pages.get(number)...)
	d.again()
	return d.spent
}

// put replaces a page, as pages.put does. Parts are to be asked for again.
func (d *draft) put(number uint64, page []byte) {
	d.pages.put(number, page)
	d.again()
}

func (d *draft) again() {
	if !d.own {
		d.buf = d.pages.store.Edit(d.pages.key)
	}
}

// part returns the bytes used of a part.
func (r *rolling) part(i int) []byte {
	p := &r.ring.parts[i]
	return r.draft.buf[p.at : p.at+p.n : p.at+p.room]
}

// enlarge returns the part n bytes longer; what is added is undefined.
func (r *rolling) enlarge(i, n int) []byte {
	if p := &r.ring.parts[i]; p.n+n > p.room {
		r.rearrange(i, max(p.n+n, min(2*p.room, p.room+partStep)))
	}
	r.ring.parts[i].n += n
	return r.part(i)
}

// append adds bytes to a part.
func (r *rolling) append(i int, pieces ...[]byte) {
	for _, b := range pieces {
		at := r.ring.parts[i].n
		copy(r.enlarge(i, len(b))[at:], b)
	}
}

// partStep is how many bytes a part grows by at most before they are needed.
const partStep = 256

// rearrange gives a part room for so many bytes. The back and the trail, which
// fill alike, get room for more events as long as those that came.
func (r *rolling) rearrange(part, room int) {
	d, g := &r.draft, &r.ring
	d.next = pad(d.next[:0], ringBytes)
	for i := range g.parts {
		p := &g.parts[i]
		from := len(d.next)
		d.next = append(d.next, d.buf[p.at:p.at+p.n]...)
		if i == part {
			p.room = room
		}
		if g.fresh > 0 && part >= partBack && i >= partBack {
			each := (p.n + g.fresh - 1) / g.fresh
			p.room = max(p.room, each*min(growth*g.fresh, pageMax)+slack)
		}
		p.at = from
		d.next = pad(d.next, from+p.room)
	}
	d.spare, d.next = d.next, d.spare
	d.buf, d.own = d.spare, true
}

// growth is how many times the events there are a state gets room for, and slack
// what writing the last of them a word at a time may touch besides.
const (
	growth = 4
	slack  = 8
)

// pad makes b n bytes long, with zeros.
func pad(b []byte, n int) []byte {
	from := len(b)
	b = slices.Grow(b, n-from)[:n]
	clear(b[from:])
	return b
}

// create makes the draft the state of a key without events.
func (r *rolling) create(stream int, ev *event.Event) {
	d, g := &r.draft, &r.ring
	*g = ring{first: ev.Time, last: ev.Time, base: ev.Time, lost: neverLost, rose: true}
	r.resetSlots()
	d.own = true
	d.spare = r.appendSlots(pad(d.spare[:0], ringBytes))
	keys := len(d.spare)
	d.spare = r.appendKeyring(d.spare, stream, ev)
	d.buf = d.spare
	for i := range g.parts {
		g.parts[i].at = len(d.buf)
	}
	g.parts[partSlots] = span{ringBytes, keys - ringBytes, keys - ringBytes}
	g.parts[partKeys] = span{keys, len(d.buf) - keys, len(d.buf) - keys}
}

// restart empties a window that no event is left in: what follows is as in the
// state of a key without events.
func (r *rolling) restart(at int64) {
	g := &r.ring
	r.forget()
	g.first, g.last, g.base = at, at, at
	g.lo, g.hi, g.mark, g.kept = 0, 0, 0, 0
	g.fresh, g.n, g.came, g.frontAt, g.taken, g.rose = 0, 0, 0, 0, 0, true
	g.parts[partFront].n, g.parts[partBack].n, g.parts[partTrail].n = 0, 0, 0
	r.resetSlots()
}

// close writes the head and the slots back.
func (r *rolling) close(s match.Store) {
	d, g := &r.draft, &r.ring
	slots := r.appendSlots(r.part(partSlots)[:0]) // in place, where there is room
	if n := len(slots); n > g.parts[partSlots].room {
		r.enlarge(partSlots, n-g.parts[partSlots].n)
		copy(r.part(partSlots), slots)
	}
	g.parts[partSlots].n = len(slots)
	g.write(d.buf)
	if d.own {
		s.Put(d.pages.key, d.buf)
	}
}
