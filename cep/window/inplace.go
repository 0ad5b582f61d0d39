package window

import (
	"encoding/binary"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// Where all aggregates are counts, exact sums and picks of numbers, their slots
// have fixed places, and most events change a few numbers of the state and
// append to two of its parts, in the store's own memory. What needs more room,
// another page, or the first or last row of a window goes the long way.

// pickBytes is the size of the cell of a number in a slot of a pick, which has
// three: of the front, the middle and the back.
const pickBytes = 9

// place gives the slots their places, where those are fixed.
func (r *rolling) place() {
	r.flat = true
	for i := range r.slots {
		s := &r.slots[i]
		s.at = ringBytes + r.flatBytes
		switch {
		case s.kind == plain:
			r.flatBytes += 2 * s.bytes
		case s.kind == picked && !r.picks[s.pick].text:
			r.flatBytes += 3 * pickBytes
		case s.kind != sized:
			r.flat = false
		}
	}
	if r.flat {
		r.placeEnd()
	}
}

// How far an event came in place.
const (
	apart  = iota // it is to go the long way; rows may have left the window
	joined        // it is in the window, and having is to be judged
	judged
)

// edit is the state of a key, to be changed in place; nil where that is not to be.
func (r *rolling) edit(key []byte, s match.Store) []byte {
	if !r.flat || r.facts != nil {
		return nil
	}
	return r.draft.paging(s).Edit(key)
}

// inPlace takes an event, in the state b, as Event does, and reports how far it
// came.
func (r *rolling) inPlace(b, key []byte, ev *event.Event, s match.Store, out *match.Output) int {
	if len(b) == 0 {
		return apart
	}
	g := &r.ring
	r.mustRead(g.read(b))
	if g.parts[partSlots].n != r.flatBytes {
		r.mustRead(errCorrupt)
	}
	r.draft.buf, r.draft.own, r.moved = b, false, 0
	since, cutoff := ev.Time-g.last, ev.Time-r.Window.Size
	late := r.mayLinger(since)
	if since >= r.Window.Size || g.n >= r.Limits.WindowEvents || !late && !r.leaveInPlace(b, cutoff) || !r.fits(since) {
		return apart
	}
	r.join(b, ev.Time)
	if r.Shown {
		g.rewrite(b)
		r.changed(Change{Turn: Moved, At: ev.Time})
		return judged
	}
	held := g.held
	if !held && r.denied(b, ev.Time) {
		g.rewrite(b)
		return judged
	}
	if late && !r.leaveInPlace(b, cutoff) {
		g.rewrite(b)
		return joined
	}
	g.held = r.holdsInPlace(b, ev.Time, out)
	g.rewrite(b)
	if g.held && !held {
		r.load(key, s, true)
		r.report(ev, out)
	}
	return judged
}

// leaveInPlace takes out the rows up to a time; false at the last row of the
// front, which stays.
func (r *rolling) leaveInPlace(b []byte, cutoff int64) bool {
	g := &r.ring
	if g.first > cutoff {
		return true
	}
	if g.bare() {
		g.rewrite(b)
		return false
	}
	front := r.part(partFront)
	for g.first <= cutoff {
		end := g.frontAt + r.rowCells(front[g.frontAt:])
		if end == len(front) {
			g.rewrite(b)
			return false
		}
		for i := range r.slots {
			s := &r.slots[i]
			if s.kind == plain && r.gone[s.column].ok {
				s.spec.AddPlain(b[s.at+s.bytes:], r.gone[s.column].num)
			}
		}
		g.n--
		r.faceInPlace(b, front, end)
	}
	return true
}

// faceInPlace is face for the row at a place of the front.
func (r *rolling) faceInPlace(b, front []byte, at int) {
	g := &r.ring
	for i := range r.slots {
		s := &r.slots[i]
		switch {
		case s.kind != picked:
		case at < len(front) && front[at] == pickSame:
			at++
		default:
			var c cell
			c, at = r.pick(front, at, s.pick)
			putPick(b[s.at:], &c)
			r.moved |= 1 << i
		}
	}
	since, size := r.since(front[at:])
	g.first, g.frontAt = g.first+since, at+size
}

// fits writes the row and the evidence of the event that comes behind those there
// are, and reports whether there was room for them and no page is to be made or
// removed. What it wrote counts once join says so.
func (r *rolling) fits(since int64) bool {
	g := &r.ring
	if g.fresh+1 == pageMax || g.n+1 < r.kept && g.kept < g.hi && int(g.hi-g.kept-1)*pageMax+g.fresh > g.n {
		g.rewrite(r.draft.buf)
		return false
	}
	back, trail := r.part(partBack), r.part(partTrail)
	row, proof := r.appendRow(back, since), trail
	if !r.Shown {
		proof = r.appendProof(trail, since)
	}
	r.backTo, r.trailTo = len(row), len(proof)
	if cap(row) != cap(back) || cap(proof) != cap(trail) { // they are elsewhere
		g.rewrite(r.draft.buf)
		return false
	}
	return true
}

// join adds the event that fits.
func (r *rolling) join(b []byte, at int64) {
	g := &r.ring
	g.parts[partBack].n, g.parts[partTrail].n = r.backTo, r.trailTo
	r.note(at)
	for i := range r.slots {
		s := &r.slots[i]
		if s.column < 0 {
			continue
		}
		c := &r.cells[s.column]
		switch {
		case !c.ok:
		case s.kind == plain:
			s.spec.AddPlain(b[s.at:], c.num)
		default:
			old, spec := b[s.at+2*pickBytes:], r.picks[s.pick].spec
			if old[0] == pickNone || spec.replacesNumber(c.num, int64(binary.LittleEndian.Uint64(old[1:]))) {
				putPick(old, c)
				r.moved |= 1 << i
			}
		}
	}
}

// putPick writes the cell of a number.
func putPick(b []byte, c *cell) {
	if !c.ok {
		clear(b[:pickBytes])
		return
	}
	b[0] = pickOne
	binary.LittleEndian.PutUint64(b[1:], uint64(c.num))
}

// resultInPlace puts the aggregate of a slot into r.aggs.
func (r *rolling) resultInPlace(b []byte, i int) {
	switch s := &r.slots[i]; s.kind {
	case plain:
		s.acc.SetPlain(s.spec, b[s.at:], b[s.at+s.bytes:])
		r.aggs[i] = s.summary()
	case picked:
		r.aggs[i] = r.picks[s.pick].resultInPlace(b[s.at:])
	default:
		r.result(i)
	}
}

// resultInPlace is result of the cells in a slot.
func (p *pick) resultInPlace(b []byte) event.Value {
	ok, best := b[0] != pickNone, int64(binary.LittleEndian.Uint64(b[1:]))
	for range 2 {
		if b = b[pickBytes:]; b[0] == pickNone {
			continue
		}
		if num := int64(binary.LittleEndian.Uint64(b[1:])); !ok || p.spec.replacesNumber(num, best) {
			ok, best = true, num
		}
	}
	if !ok {
		return event.Value{}
	}
	return agg.Spec(p.spec).Kept(best)
}

// holdsInPlace is holds over the slots in a state.
func (r *rolling) holdsInPlace(b []byte, at int64, out *match.Output) bool {
	for i := range r.slots {
		r.resultInPlace(b, i)
	}
	holds := r.judge(at, out)
	r.blame(holds)
	return holds
}
