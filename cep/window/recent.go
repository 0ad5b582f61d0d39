package window

import (
	"encoding/binary"

	"github.com/caltrop/caltrop/cep/event"
)

// recent is the evidence of a rolling window: a trail of its latest events,
// whose older parts are pages [lo, hi) of chunkMax events each.
type recent struct {
	trail  trail
	lo, hi uint64
}

// chunkMax is how many events of the trail make a page.
const chunkMax = 16

// keep adds the current event to the evidence and forgets what the window no
// longer needs.
func (r *rolling) keep(g *ring, stream int, ev *event.Event) {
	t := &g.recent
	r.pack(stream, ev, g.origin)
	r.tail = append(r.tail[:0], t.trail.buf...)
	r.tail = binary.AppendUvarint(r.tail, uint64(len(r.packed)))
	r.tail = append(r.tail, r.packed...)
	t.trail = trail{n: t.trail.n + 1, buf: r.tail}
	if t.trail.n == chunkMax {
		r.pages.put(pageNumber(pageTrail, 0, t.hi), r.tail)
		t.hi++
		t.trail = trail{}
	}
	r.shorten(t, min(g.queue.n, r.kept))
}

// shorten removes the pages that the latest n events do not reach into.
func (r *rolling) shorten(t *recent, n int) {
	for t.lo < t.hi && int(t.hi-t.lo-1)*chunkMax >= n-t.trail.n {
		r.pages.put(pageNumber(pageTrail, 0, t.lo), nil)
		t.lo++
	}
}

// latest returns the latest n events before the current one.
func (r *rolling) latest(g *ring, n int) []*event.Event {
	t := &g.recent
	var all []*event.Event
	for k := t.lo; k < t.hi; k++ {
		events, err := r.events(trail{n: chunkMax, buf: r.pages.get(pageNumber(pageTrail, 0, k))}, g.keys, g.origin, neverLost)
		r.mustRead(err)
		all = append(all, events...)
	}
	events, err := r.events(t.trail, g.keys, g.origin, neverLost)
	r.mustRead(err)
	all = append(all, events...)
	return all[max(0, len(all)-n):]
}

func (t *recent) append(buf []byte) []byte {
	buf = binary.AppendUvarint(buf, t.lo)
	buf = binary.AppendUvarint(buf, t.hi-t.lo)
	buf = binary.AppendUvarint(buf, uint64(t.trail.n))
	buf = binary.AppendUvarint(buf, uint64(len(t.trail.buf)))
	return append(buf, t.trail.buf...)
}

func (c *cursor) recent() recent {
	t := recent{lo: c.uvarint()}
	t.hi = t.lo + c.uvarint()
	t.trail = c.trail()
	if t.trail.n >= chunkMax {
		c.bad = true
	}
	return t
}
