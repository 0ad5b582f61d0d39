package window

import (
	"encoding/binary"

	"github.com/caltrop/caltrop/cep/event"
)

// The queue of a rolling window holds a row for each event, oldest first: the
// front, pages [lo, hi), the back. Only the front and the back are in the key's
// state: a row is appended to the back and leaves from the front, so the pages
// between cost nothing. The front is empty when the window is, and when rows are
// in no hurry to leave (see linger): ring.first is then the time of the last that
// left.
//
// Picks, the aggregates that cannot forget, are kept as two stacks (after the
// folklore queue of two stacks). A page begins, where slots have fixed places,
// with what has come up to its end (see end), then with picks: its own, or if it is
// before mark, those of all that lies between it and mark. A row of the front
// has before it the picks of itself and of all up to mark, where they are not
// those of the row before. When the last page before mark has become the front,
// mark moves to hi, and from the newest page on each takes over the picks of
// those behind it.

// pageMax is how many events make a page.
const pageMax = 32

// push appends an event with the cells in r.cells.
func (r *rolling) push(at int64) {
	g := &r.ring
	r.packed = r.appendRow(r.packed[:0], at-g.last)
	r.append(partBack, r.packed)
	r.note(at)
	for i := range r.slots {
		s := &r.slots[i]
		if s.column < 0 {
			s.add(r, &cell{ok: true})
		} else if c := &r.cells[s.column]; c.ok {
			s.add(r, c)
		}
	}
	if g.n == 1 {
		r.refill()
	}
}

// note makes the event with the cells in r.cells the newest.
func (r *rolling) note(at int64) {
	g := &r.ring
	g.last = at
	g.n++
	g.came++
	g.fresh++
	for i := range r.cells {
		if c := &r.cells[i]; c.ok && c.num < 0 && r.columns[i].kind == numbers {
			g.rose = false
		}
	}
}

// bare reports whether the front is empty.
func (g *ring) bare() bool { return g.parts[partFront].n == 0 }

// reach brings the oldest row of a window to the front.
func (r *rolling) reach() {
	if r.ring.bare() {
		r.refill()
	}
}

// pop removes the oldest row, which is in the front, and takes its cells out of
// the aggregates. The front may be empty then.
func (r *rolling) pop() {
	g := &r.ring
	front := r.part(partFront)
	g.frontAt += r.rowCells(front[g.frontAt:])
	r.takeOut()
	if g.frontAt < len(front) {
		r.face()
	} else {
		g.frontAt, g.parts[partFront].n = 0, 0
	}
}

// takeOut takes the row in r.gone out of the aggregates.
func (r *rolling) takeOut() {
	r.ring.n--
	for i := range r.slots {
		s := &r.slots[i]
		if s.column < 0 {
			continue
		}
		if gone := &r.gone[s.column]; gone.ok && !s.remove(r, gone) {
			r.mustRead(errCorrupt)
		}
	}
}

// face makes the row at frontAt the oldest: frontAt is then behind its picks
// and its time.
func (r *rolling) face() {
	g := &r.ring
	front := r.part(partFront)
	at := g.frontAt
	for i := range r.picks {
		at = r.facePick(front, at, i)
	}
	since, size := r.since(front[at:])
	g.first, g.frontAt = g.first+since, at+size
}

// fold makes a page of the back, and one of the events that are its evidence.
func (r *rolling) fold() {
	g := &r.ring
	r.rows = r.appendEnd(r.rows[:0])
	for i := range r.picks {
		p := &r.picks[i]
		if r.rows = appendPick(r.rows, &p.back.cell, p.text); p.back.ok {
			p.middle.add(p.spec, &p.back.cell)
		}
		p.back.clear()
	}
	rows := r.part(partBack)[g.taken:]
	r.rows = append(r.rows, rows...)
	g.taken, g.fresh, g.parts[partBack].n = 0, 0, 0
	number := pageNumber(pageEntries, 0, uint64(g.hi))
	if !r.Shown {
		r.retain()
	}
	if g.hi++; len(rows) > 0 {
		r.draft.put(number, r.rows)
	} else {
		g.lo = g.hi
	}
}

// refill makes the next rows the front: the oldest page, or the back.
func (r *rolling) refill() {
	g := &r.ring
	for i := range r.picks {
		r.picks[i].later = cell{}
	}
	if g.lo == g.hi {
		r.rows = append(r.rows[:0], r.part(partBack)[g.taken:]...)
		g.taken = g.parts[partBack].n
		for i := range r.picks {
			r.picks[i].middle.clear()
			r.picks[i].back.clear()
		}
		r.fill(r.rows)
		return
	}
	if g.lo >= g.mark {
		r.flip()
	}
	number := pageNumber(pageEntries, 0, uint64(g.lo))
	page, at := r.draft.page(number), r.endBytes
	r.draft.put(number, nil)
	g.lo++
	for i := range r.picks {
		r.picks[i].later, at = r.pick(page, at, i)
	}
	r.fill(page[at:])
}

// fill makes rows the front. r.picks have what is later, up to the mark.
func (r *rolling) fill(rows []byte) {
	if len(r.picks) > 0 {
		rows = r.interleave(rows)
	}
	g := &r.ring
	g.frontAt, g.parts[partFront].n = 0, 0
	copy(r.enlarge(partFront, len(rows)), rows)
	r.face()
}

// interleave puts before each row the picks from it on.
func (r *rolling) interleave(rows []byte) []byte {
	var ends [pageMax + 1]int
	n, m := 0, len(r.picks)
	for end := 0; end < len(rows); ends[n] = end {
		if n == pageMax {
			r.mustRead(errCorrupt)
		}
		end += r.row(rows[end:])
		for j := range r.picks {
			r.suffixes[n*m+j] = r.gone[r.picks[j].column]
		}
		n++
	}
	for i := n - 1; i >= 0; i-- {
		for j := range r.picks {
			p, own := &r.picks[j], &r.suffixes[i*m+j]
			if own.ok && !(p.later.ok && p.spec.replaces(&p.later, own)) {
				p.later = *own
			} else {
				*own = p.later
			}
		}
	}
	r.fronts = r.fronts[:0]
	for i := range n {
		for j := range r.picks {
			own := &r.suffixes[i*m+j]
			if i > 0 && own.same(&r.suffixes[(i-1)*m+j]) {
				r.fronts = append(r.fronts, pickSame)
			} else {
				r.fronts = appendPick(r.fronts, own, r.picks[j].text)
			}
		}
		r.fronts = append(r.fronts, rows[ends[i]:ends[i+1]]...)
	}
	return r.fronts
}

// flip moves the mark past all pages and makes their picks.
func (r *rolling) flip() {
	g := &r.ring
	g.mark = g.hi
	if len(r.picks) == 0 {
		return
	}
	for i := range r.picks {
		r.picks[i].middle.clear()
	}
	for k := g.hi; k > g.lo; k-- {
		r.refresh(pageNumber(pageEntries, 0, uint64(k-1)))
	}
	for i := range r.picks {
		r.picks[i].middle.clear()
	}
}

// refresh gives a page the picks of what is later, which are in the middle, and
// adds the page's own to them.
func (r *rolling) refresh(number uint64) {
	page, at := r.draft.page(number), r.endBytes
	r.rows = append(r.rows[:0], page[:at]...)
	for i := range r.picks {
		p := &r.picks[i]
		var own cell
		own, at = r.pick(page, at, i)
		r.rows = appendPick(r.rows, &p.middle.cell, p.text)
		if own.ok && !(p.middle.ok && p.spec.replaces(&p.middle.cell, &own)) {
			p.middle.set(&own)
		}
	}
	r.rows = append(r.rows, page[at:]...)
	r.draft.put(number, r.rows)
}

// How the cell of a pick begins.
const (
	pickNone = iota
	pickOne
	pickSame // in the front: as before the row before
)

// appendPick writes a cell: a byte that says whether it is there, then eight
// bytes, or if it is there length and text.
func appendPick(buf []byte, c *cell, text bool) []byte {
	tag := byte(pickNone)
	if c.ok {
		tag = pickOne
	}
	buf = append(buf, tag)
	switch {
	case !text:
		return binary.LittleEndian.AppendUint64(buf, uint64(c.num))
	case c.ok:
		buf = event.AppendUvarint(buf, uint64(len(c.text)))
		buf = append(buf, c.text...)
	}
	return buf
}

// pick reads the cell of pick i at a place of buf and returns what is behind.
func (r *rolling) pick(buf []byte, at, i int) (c cell, end int) {
	if at >= len(buf) {
		r.mustRead(errCorrupt)
	}
	c.ok = buf[at] != pickNone
	switch at++; {
	case !r.picks[i].text:
		c.num, at = r.double(buf, at)
	case c.ok:
		c.text, at = r.text(buf, at)
	}
	return c, at
}

// facePick makes the cell at a place of the front, unless it is that of the row
// before, the pick of the front.
func (r *rolling) facePick(front []byte, at, i int) (end int) {
	if at < len(front) && front[at] == pickSame {
		return at + 1
	}
	c, end := r.pick(front, at, i)
	if r.picks[i].front.clear(); c.ok {
		r.picks[i].front.set(&c)
	}
	return end
}
