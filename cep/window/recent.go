package window

import (
	"encoding/binary"

	"github.com/caltrop/caltrop/cep/event"
)

// The evidence of a rolling window is a trail of its latest events, whose
// older parts are pages [trailLo, trailHi) of chunkMax events each. They are
// kept as a ring: a page takes the place of one that is no longer needed.

// chunkMax is how many events of the trail make a page.
const chunkMax = 32

// trailPages is how many pages are kept: the latest events are in them and in
// the trail.
func (r *rolling) trailPages() uint32 { return uint32(r.kept/chunkMax + 2) }

func (r *rolling) trailPage(k uint32) uint64 {
	return pageNumber(pageTrail, 0, uint64(k%r.trailPages()))
}

// keep adds the current event to the evidence and forgets what the window no
// longer needs.
func (r *rolling) keep(stream int, ev *event.Event) {
	g := &r.ring
	r.pack(stream, ev, g.origin)
	var size [binary.MaxVarintLen64]byte
	head := binary.PutUvarint(size[:], uint64(len(r.packed)))
	n := head + len(r.packed)
	t := r.enlarge(partTrail, n)
	t = t[len(t)-n:]
	copy(t, size[:head])
	copy(t[head:], r.packed)
	if g.trailN++; g.trailN == chunkMax {
		r.draft.detach()
		r.draft.pages.put(r.trailPage(g.trailHi), r.part(partTrail))
		g.trailHi++
		g.trailLo = max(g.trailLo, g.trailHi-min(g.trailHi, r.trailPages()))
		g.trailN, g.parts[partTrail].n = 0, 0
	}
	if g.n < r.kept {
		r.shorten(g.n)
	}
}

// shorten removes the pages that the latest n events do not reach into.
func (r *rolling) shorten(n int) {
	g := &r.ring
	for g.trailLo < g.trailHi && int(g.trailHi-g.trailLo-1)*chunkMax >= n-g.trailN {
		r.draft.detach()
		r.draft.pages.put(r.trailPage(g.trailLo), nil)
		g.trailLo++
	}
}

// latest returns the latest n events before the current one.
func (r *rolling) latest(n int) []*event.Event {
	g := &r.ring
	var all []*event.Event
	r.draft.detach()
	for k := g.trailLo; k < g.trailHi; k++ {
		all = append(all, r.evidence(chunkMax, r.draft.pages.get(r.trailPage(k)))...)
	}
	all = append(all, r.evidence(g.trailN, r.part(partTrail))...)
	return all[max(0, len(all)-n):]
}

func (r *rolling) evidence(n int, buf []byte) []*event.Event {
	events, err := r.events(trail{n: n, buf: buf}, keyring(r.part(partKeys)), r.ring.origin, neverLost)
	r.mustRead(err)
	return events
}
