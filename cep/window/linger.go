package window

import "github.com/caltrop/caltrop/cep/agg"

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
		slot := b.Pos
		if b.Value {
			slot = r.copies[slot]
		}
		s := &r.slots[slot]
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
	if g.denial == 0 || int(g.denial) > len(r.denials) || since >= r.Window.Size || g.n >= r.Limits.WindowEvents {
		return false
	}
	st := &r.denials[g.denial-1].stays
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

// shed takes out what is over by a time: rows of the front, and whole pages
// when that is empty.
func (r *rolling) shed(cutoff int64) {
	g := &r.ring
	for !g.bare() && g.first <= cutoff {
		r.pop()
	}
	for g.bare() && g.lo < g.hi && r.shedPage(cutoff) {
	}
}

// shedPage takes out the oldest page; false when some row of it is in the
// window.
func (r *rolling) shedPage(cutoff int64) bool {
	g := &r.ring
	number := pageNumber(pageEntries, 0, uint64(g.lo))
	page, at := r.draft.page(number), 0
	for i := range r.picks {
		_, at = r.pick(page, at, i)
	}
	newest := g.first
	for at := at; at < len(page); {
		since, size := r.since(page[at:])
		newest, at = newest+since, at+size
		at += r.rowCells(page[at:])
	}
	if newest > cutoff {
		return false
	}
	for at < len(page) {
		at += r.row(page[at:])
		r.takeOut()
	}
	r.draft.put(number, nil)
	g.first = newest
	g.lo++
	return true
}
