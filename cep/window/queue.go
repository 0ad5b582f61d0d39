package window

import "encoding/binary"

// The queue of a rolling window holds a row for each event, oldest first: the
// front, pages [lo, hi), the back. Only the front and the back are in the
// key's state; a row is appended to the back and leaves from the front, so the
// pages between cost nothing. The front is empty only when the window is.
//
// Picks, the aggregates that cannot forget, are kept as two stacks (after the
// folklore queue of two stacks). A page before mark begins with the picks of
// all that lies between it and mark; a row of the front has before it those of
// itself and of all up to mark. When the last page before mark has become the
// front, mark moves to hi and the picks of all pages are made, from the newest
// on: each page is read for that once.

// pageMax is how many rows make a page.
const pageMax = 64

// push appends an event with the cells in r.cells.
func (r *rolling) push(at int64) {
	g := &r.ring
	if g.n == 0 {
		g.first = at
	}
	r.packed = r.appendRow(r.packed[:0], at, r.cells)
	back := r.enlarge(partBack, len(r.packed))
	copy(back[len(back)-len(r.packed):], r.packed)
	for i := range r.slots {
		s := &r.slots[i]
		if s.column < 0 {
			s.add(r, &cell{ok: true})
		} else if c := &r.cells[s.column]; c.ok {
			s.add(r, c)
		}
	}
	g.last = at
	g.n++
	g.backN++
	switch {
	case g.n == 1:
		r.refill()
	case g.backN == pageMax:
		r.draft.detach()
		r.page = append(r.page[:0], r.nothing...)
		r.page = append(r.page, r.part(partBack)...)
		r.draft.pages.put(pageNumber(pageEntries, 0, uint64(g.hi)), r.page)
		g.hi++
		g.backN, g.parts[partBack].n = 0, 0
	}
}

// pop removes the oldest row and takes its cells out of the aggregates.
func (r *rolling) pop() {
	g := &r.ring
	front := r.part(partFront)
	at := r.skipPicks(front, g.frontAt)
	g.frontAt = at + r.row(front[at:], r.gone)
	g.n--
	for i := range r.slots {
		s := &r.slots[i]
		if s.column < 0 {
			continue
		}
		if gone := &r.gone[s.column]; gone.ok && !s.remove(r, gone) {
			r.mustRead(errCorrupt)
		}
	}
	if g.n == 0 {
		return
	}
	if g.frontAt == g.parts[partFront].n {
		r.refill()
	}
	front = r.part(partFront)
	at = r.skipPicks(front, g.frontAt)
	if len(front)-at < r.rowBytes {
		r.mustRead(errCorrupt)
	}
	g.first = timeOf(front[at:])
}

// refill makes the next rows the front: the oldest page, or the back.
func (r *rolling) refill() {
	g := &r.ring
	for i := range r.picks {
		r.picks[i].later = cell{}
	}
	if g.lo == g.hi {
		r.page = append(r.page[:0], r.part(partBack)...)
		g.backN, g.parts[partBack].n = 0, 0
		for i := range r.picks {
			r.picks[i].back.clear()
		}
		r.fill(r.page)
		return
	}
	r.draft.detach()
	if g.lo >= g.mark {
		r.flip()
	}
	number := pageNumber(pageEntries, 0, uint64(g.lo))
	r.page = append(r.page[:0], r.draft.pages.get(number)...)
	r.draft.pages.put(number, nil)
	g.lo++
	at := 0
	for i := range r.picks {
		r.picks[i].later, at = r.pick(r.page, at, i)
	}
	r.fill(r.page[at:])
}

// fill makes rows the front. r.picks have what is later, up to the mark.
func (r *rolling) fill(rows []byte) {
	if len(r.picks) > 0 {
		rows = r.interleave(rows)
	}
	g := &r.ring
	g.frontAt, g.parts[partFront].n = 0, 0
	copy(r.enlarge(partFront, len(rows)), rows)
}

// interleave puts before each row the picks from it on.
func (r *rolling) interleave(rows []byte) []byte {
	var ends [pageMax + 1]int
	n, m := 0, len(r.picks)
	for end := 0; end < len(rows); ends[n] = end {
		if n == pageMax {
			r.mustRead(errCorrupt)
		}
		end += r.row(rows[end:], r.gone)
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
			r.fronts = appendPick(r.fronts, &r.suffixes[i*m+j], r.picks[j].text)
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
	for k := g.hi; k > g.lo; k-- {
		r.refresh(pageNumber(pageEntries, 0, uint64(k-1)))
	}
	for i := range r.picks {
		p := &r.picks[i]
		p.later = cell{}
		p.back.clear()
	}
	r.fold(r.part(partBack))
}

// refresh gives a page the picks of what is later, and adds the page's own to
// them.
func (r *rolling) refresh(number uint64) {
	old := r.draft.pages.get(number)
	old = old[r.skipPicks(old, 0):]
	r.page = r.page[:0]
	for i := range r.picks {
		r.page = appendPick(r.page, &r.picks[i].later, r.picks[i].text)
	}
	from := len(r.page)
	r.page = append(r.page, old...)
	r.draft.pages.put(number, r.page)
	for i := range r.picks {
		r.picks[i].back.clear()
	}
	r.fold(r.page[from:])
	for i := range r.picks {
		p := &r.picks[i]
		if p.back.ok && !(p.later.ok && p.spec.replaces(&p.later, &p.back.cell)) {
			p.later = p.hold(&p.back.cell)
		}
	}
}

// fold adds rows to the picks of the back.
func (r *rolling) fold(rows []byte) {
	for len(rows) > 0 {
		rows = rows[r.row(rows, r.gone):]
		for i := range r.picks {
			if own := &r.gone[r.picks[i].column]; own.ok {
				r.picks[i].add(own)
			}
		}
	}
}

// appendPick writes a cell: a byte that says whether it is there, then eight
// bytes, or if it is there length and text.
func appendPick(buf []byte, c *cell, text bool) []byte {
	tag := byte(0)
	if c.ok {
		tag = 1
	}
	buf = append(buf, tag)
	switch {
	case !text:
		return binary.LittleEndian.AppendUint64(buf, uint64(c.num))
	case c.ok:
		buf = binary.AppendUvarint(buf, uint64(len(c.text)))
		buf = append(buf, c.text...)
	}
	return buf
}

// pickBytes is the size of a pick of numbers.
const pickBytes = 9

// pick reads the cell of pick i at a place of buf and returns what is behind.
func (r *rolling) pick(buf []byte, at, i int) (c cell, end int) {
	if len(buf)-at < 1 || !r.picks[i].text && len(buf)-at < pickBytes {
		r.mustRead(errCorrupt)
	}
	c.ok = buf[at] != 0
	switch {
	case !r.picks[i].text:
		c.num = int64(binary.LittleEndian.Uint64(buf[at+1:]))
		return c, at + pickBytes
	case c.ok:
		c.text, end = r.text(buf, at+1)
		return c, end
	}
	return c, at + 1
}

// skipPicks returns what is behind the picks at a place of buf.
func (r *rolling) skipPicks(buf []byte, at int) int {
	if r.pickBytes >= 0 {
		return at + r.pickBytes
	}
	for i := range r.picks {
		_, at = r.pick(buf, at, i)
	}
	return at
}
