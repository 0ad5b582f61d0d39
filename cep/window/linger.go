package window

import (
	"encoding/binary"

	"github.com/caltrop/caltrop/cep/agg"
)

// What has left the window may linger in its queue as long as having is false
// with it: where the part that denies says that counts, sums or maxima lie above
// something, or minima below, what is false of more events is false of fewer (a
// value that is no number is the maximum or minimum only of others like it).
// Whole pages are taken out unread then, and a row costs nothing on its way from
// the back to the front. Before having is judged in earnest, all that is over
// leaves (see slide).

// stays says when rows may linger while a part is false.
type stays struct {
	ever    bool
	rising  bool  // only while no number is below zero
	columns []int // only while the event that comes has these
}

// staysOf looks at the comparisons of a part.
func (r *rolling) staysOf(d *denial) {
	if !d.usable || d.part.More || len(d.part.Bounds) == 0 || !r.flat || r.Shown {
		return
	}
	st := stays{ever: true}
	for _, b := range d.part.Bounds {
		s := &r.slots[r.bounded(b)]
		switch fn := s.spec.Func; {
		case fn == agg.Count && b.Above:
			continue
		case fn == agg.Sum && b.Above:
			st.rising = true
		case fn == agg.Max && b.Above, fn == agg.Min && !b.Above:
		default:
			return
		}
		st.columns = append(st.columns, s.column)
	}
	d.stays = st
}

// mayLinger reports whether rows that are over may stay while the key's denial
// lasts, with the event that comes so long after the newest.
func (r *rolling) mayLinger(since int64) bool {
	g := &r.ring
	d := r.last()
	if d == nil || since >= r.Window.Size || g.n >= r.Limits.WindowEvents {
		return false
	}
	st := &d.stays
	if !st.ever || st.rising && !g.rose {
		return false
	}
	for _, c := range st.columns {
		if !r.cells[c].ok {
			return false
		}
	}
	return true
}

// shed takes out the pages that are over by a time, and the front before them.
func (r *rolling) shed(cutoff int64) {
	g := &r.ring
	for g.lo < g.hi {
		number := pageNumber(pageEntries, 0, uint64(g.lo))
		over := r.leaveUpTo(r.draft.pages.get(number), cutoff)
		if r.draft.again(); !over {
			return
		}
		r.draft.put(number, nil)
		g.lo++
	}
}

// The end of a page says what had come when it was made: the time of the newest
// row and the number of rows, 8 bytes each, and what the plain slots had been
// given. When all up to there leaves, that has left.

// placeEnd gives the end of a page its size.
func (r *rolling) placeEnd() {
	r.endBytes = 16
	for i := range r.slots {
		if r.slots[i].kind == plain {
			r.endBytes += r.slots[i].bytes
		}
	}
}

// appendEnd writes the end of a page that is made now.
func (r *rolling) appendEnd(buf []byte) []byte {
	if r.endBytes == 0 {
		return buf
	}
	buf = binary.LittleEndian.AppendUint64(buf, uint64(r.ring.last))
	buf = binary.LittleEndian.AppendUint64(buf, r.ring.came)
	for i := range r.slots {
		if s := &r.slots[i]; s.kind == plain {
			buf = append(buf, s.came[:s.bytes]...)
		}
	}
	return buf
}

// leaveUpTo takes out all up to the end of a page; false where that is not over
// by a time.
func (r *rolling) leaveUpTo(page []byte, cutoff int64) bool {
	if len(page) < r.endBytes {
		r.mustRead(errCorrupt)
	}
	newest := int64(binary.LittleEndian.Uint64(page))
	if newest > cutoff {
		return false
	}
	g := &r.ring
	g.first, g.n = newest, int(g.came-binary.LittleEndian.Uint64(page[8:]))
	g.frontAt, g.parts[partFront].n = 0, 0
	at := 16
	for i := range r.slots {
		if s := &r.slots[i]; s.kind == plain {
			at += copy(s.left[:s.bytes], page[at:])
		}
	}
	return true
}
