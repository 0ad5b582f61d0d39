package window

import (
	"encoding/binary"

	"github.com/caltrop/caltrop/cep/event"
)

// The evidence of a rolling window is its latest events: in the state the trail,
// those whose rows came to the back since its last page, and pages [kept, hi) of
// pageMax events each. An event is its time since the one before, its length and
// itself; a page begins with the time before its first, 8 bytes. The pages are
// kept as a ring: one takes the place of another that is no longer needed.

// evidencePages is how many pages have the events that an alert may show.
func (r *rolling) evidencePages() uint32 { return uint32((r.kept + pageMax - 1) / pageMax) }

func (r *rolling) evidencePage(k uint32) uint64 {
	return pageNumber(pageTrail, 0, uint64(k%r.evidencePages()))
}

// appendProof writes the event that comes, as one of the evidence.
func (r *rolling) appendProof(buf []byte, since int64) []byte {
	buf = event.AppendUvarint(buf, uint64(since))
	buf = event.AppendUvarint(buf, uint64(len(r.witness)))
	return append(buf, r.witness...)
}

// retain makes a page of the trail.
func (r *rolling) retain() {
	g := &r.ring
	r.proofs = binary.LittleEndian.AppendUint64(r.proofs[:0], uint64(g.base))
	r.proofs = append(r.proofs, r.part(partTrail)...)
	g.base, g.parts[partTrail].n = g.last, 0
	r.draft.put(r.evidencePage(g.hi), r.proofs)
	g.kept = max(g.kept, g.hi+1-min(g.hi+1, r.evidencePages()))
}

// shorten removes the pages that the latest n events do not reach into.
func (r *rolling) shorten(n int) {
	g := &r.ring
	for g.kept < g.hi && int(g.hi-g.kept-1)*pageMax+g.fresh >= n {
		r.draft.put(r.evidencePage(g.kept), nil)
		g.kept++
	}
}

// latest returns the latest n events, the current one included.
func (r *rolling) latest(n int) []*event.Event {
	g := &r.ring
	p, err := r.proof(n, r.part(partKeys))
	r.mustRead(err)
	skip := int(g.hi-g.kept)*pageMax + g.fresh - n
	for k := g.kept; k < g.hi; k, skip = k+1, skip-pageMax {
		page := r.draft.page(r.evidencePage(k))
		if len(page) < 8 {
			r.mustRead(errCorrupt)
		}
		r.mustRead(p.latest(page[8:], int64(binary.LittleEndian.Uint64(page)), skip))
	}
	r.mustRead(p.latest(r.part(partTrail), g.base, skip))
	return p.events
}

// latest adds events, of which the first comes after a time, but for the first
// so many.
func (p *proof) latest(packed []byte, at int64, skip int) error {
	c := cursorOn(packed)
	for ; len(c.Buf) > 0; skip-- {
		at += int64(c.Uvarint())
		ev := c.Bytes()
		if c.Bad {
			return errCorrupt
		}
		if skip > 0 {
			continue
		}
		if err := p.add(ev, at); err != nil {
			return err
		}
	}
	return nil
}
