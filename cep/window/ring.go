package window

import (
	"encoding/binary"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// A ring is the head of a rolling window's state, of fixed width and in little
// endian, so that an event changes a few numbers of it and appends to its
// parts where they are:
//
//	format   1  byte
//	flags    1  having was true at the last event; events were lost
//	backN    1  rows in the back
//	trailN   1  events in the trail
//	n        4  rows
//	first    8  time of the oldest row, µs
//	last     8  time of the newest row
//	origin   8  time that those of the trail are relative to
//	lost     8  time of the newest event that left early by
//	            limits.window_events
//	lo hi mark            4 each: pages of the queue, see queue
//	trailLo trailHi       4 each: pages of the evidence, see recent
//	frontAt  4  where in the front the oldest row is
//	parts    8 each: bytes used, bytes there
//
// Behind it are the parts: the slots of the aggregates, the key's values, the
// front and the back of the queue, the trail.
type ring struct {
	held             bool
	backN, trailN    int
	n                int
	first, last      int64
	origin, lost     int64
	lo, hi, mark     uint32
	trailLo, trailHi uint32
	frontAt          int
	parts            [partCount]span
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
)

const (
	ringParts = 64 // where the spans are
	ringBytes = ringParts + 8*partCount
)

// neverLost is ring.lost before any event left early.
const neverLost = -1 << 63

// read takes the head of a state.
func (g *ring) read(b []byte) error {
	if len(b) < ringBytes || b[0] != formatRolling {
		return errCorrupt
	}
	g.held, g.backN, g.trailN = b[1]&flagHeld != 0, int(b[2]), int(b[3])
	g.n = int(binary.LittleEndian.Uint32(b[4:]))
	g.first = int64(binary.LittleEndian.Uint64(b[8:]))
	g.last = int64(binary.LittleEndian.Uint64(b[16:]))
	g.origin = int64(binary.LittleEndian.Uint64(b[24:]))
	g.lost = int64(binary.LittleEndian.Uint64(b[32:]))
	g.lo, g.hi, g.mark = binary.LittleEndian.Uint32(b[40:]), binary.LittleEndian.Uint32(b[44:]), binary.LittleEndian.Uint32(b[48:])
	g.trailLo, g.trailHi = binary.LittleEndian.Uint32(b[52:]), binary.LittleEndian.Uint32(b[56:])
	g.frontAt = int(binary.LittleEndian.Uint32(b[60:]))
	at := ringBytes
	sound := b[1]&^(flagHeld|flagLost) == 0 && g.n > 0 && g.lo <= g.hi && g.trailLo <= g.trailHi && g.backN < pageMax && g.trailN < chunkMax
	for i := range g.parts {
		p := &g.parts[i]
		p.at, p.n, p.room = at, int(binary.LittleEndian.Uint32(b[ringParts+8*i:])), int(binary.LittleEndian.Uint32(b[ringParts+8*i+4:]))
		at += p.room
		sound = sound && p.n <= p.room
	}
	if !sound || at != len(b) || g.frontAt >= g.parts[partFront].n {
		return errCorrupt
	}
	return nil
}

// write puts the head where it belongs.
func (g *ring) write(b []byte) {
	b = b[:ringBytes:ringBytes]
	b[0], b[1], b[2], b[3] = formatRolling, g.flags(), byte(g.backN), byte(g.trailN)
	binary.LittleEndian.PutUint32(b[4:], uint32(g.n))
	binary.LittleEndian.PutUint64(b[8:], uint64(g.first))
	binary.LittleEndian.PutUint64(b[16:], uint64(g.last))
	binary.LittleEndian.PutUint64(b[24:], uint64(g.origin))
	binary.LittleEndian.PutUint64(b[32:], uint64(g.lost))
	binary.LittleEndian.PutUint32(b[40:], g.lo)
	binary.LittleEndian.PutUint32(b[44:], g.hi)
	binary.LittleEndian.PutUint32(b[48:], g.mark)
	binary.LittleEndian.PutUint32(b[52:], g.trailLo)
	binary.LittleEndian.PutUint32(b[56:], g.trailHi)
	binary.LittleEndian.PutUint32(b[60:], uint32(g.frontAt))
	for i := range g.parts {
		binary.LittleEndian.PutUint32(b[ringParts+8*i:], uint32(g.parts[i].n))
		binary.LittleEndian.PutUint32(b[ringParts+8*i+4:], uint32(g.parts[i].room))
	}
}

func (g *ring) flags() (flags byte) {
	if g.held {
		flags |= flagHeld
	}
	if g.lost != neverLost {
		flags |= flagLost
	}
	return flags
}

// A draft is the state of a key being worked on: in the store's own memory as
// long as nothing else of the store is asked for and it need not grow, else in
// memory of its own.
type draft struct {
	pages       pages
	buf         []byte
	own         bool
	spare, next []byte
}

// open gets the state of key; false when it has none. copied asks for a copy.
func (d *draft) open(key []byte, s match.Store, copied bool) bool {
	d.pages = pages{key: key, store: s.(match.Paging)}
	d.own = copied
	if copied {
		d.spare = append(d.spare[:0], s.Get(key)...)
		d.buf = d.spare
	} else {
		d.buf = d.pages.store.Edit(key)
	}
	return len(d.buf) > 0
}

// detach makes the draft independent of the store's memory, before a page is
// asked for.
func (d *draft) detach() {
	if !d.own {
		d.spare = append(d.spare[:0], d.buf...)
		d.buf, d.own = d.spare, true
	}
}

// part returns the bytes used of a part.
func (r *rolling) part(i int) []byte {
	p := &r.ring.parts[i]
	return r.draft.buf[p.at : p.at+p.n : p.at+p.room]
}

// enlarge returns the part n bytes longer; what is added is undefined.
func (r *rolling) enlarge(i, n int) []byte {
	p := &r.ring.parts[i]
	if p.n+n > p.room {
		r.rearrange(i, max(p.n+n, min(2*p.room, p.room+partStep)))
	}
	p.n += n
	return r.part(i)
}

// partStep is how many bytes a part grows by at most before they are needed.
const partStep = 512

// rearrange gives a part more room.
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
		p.at = from
		d.next = pad(d.next, from+p.room)
	}
	d.spare, d.next = d.next, d.spare
	d.buf, d.own = d.spare, true
}

// pad makes b n bytes long, with zeros.
func pad(b []byte, n int) []byte {
	from := len(b)
	b = slices.Grow(b, n-from)[:n]
	clear(b[from:])
	return b
}

// create makes the draft the state of a key without events.
func (r *rolling) create(stream int, ev *event.Event) {
	d := &r.draft
	d.own = true
	d.spare = pad(d.spare[:0], ringBytes)
	d.spare = r.appendKeyring(d.spare, stream, ev)
	d.buf = d.spare
	r.ring = ring{origin: ev.Time, lost: neverLost}
	n := len(d.buf) - ringBytes
	for i := range r.ring.parts {
		r.ring.parts[i].at = len(d.buf)
	}
	r.ring.parts[partSlots].at = ringBytes
	r.ring.parts[partKeys] = span{ringBytes, n, n}
	r.resetSlots()
}

// restart empties a window that no event is left in: what follows is as in the
// state of a key without events.
func (r *rolling) restart(at int64) {
	g := &r.ring
	r.forget()
	g.origin = at
	g.lo, g.hi, g.mark, g.backN, g.frontAt, g.n = 0, 0, 0, 0, 0, 0
	g.trailLo, g.trailHi, g.trailN = 0, 0, 0
	g.parts[partFront].n, g.parts[partBack].n, g.parts[partTrail].n = 0, 0, 0
	r.resetSlots()
}

// close writes the head and the slots back.
func (r *rolling) close(s match.Store) {
	d, g := &r.draft, &r.ring
	r.packed = r.appendSlots(r.packed[:0])
	if n := len(r.packed); n > g.parts[partSlots].room {
		r.enlarge(partSlots, n-g.parts[partSlots].n)
	}
	g.parts[partSlots].n = len(r.packed)
	copy(r.part(partSlots), r.packed)
	g.write(d.buf)
	if d.own {
		s.Put(d.pages.key, d.buf)
	}
}
