package window

import (
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// rolling evaluates at every event that the window takes, over the events in
// (time − size, time]. What an event costs does not grow with the window, and
// most of it is done in the store's own memory. Its store keeps pages.
type rolling struct {
	*rule
	columns     []column
	slots       []slot
	picks       []pick
	paged       bool // some slot keeps pages
	approximate bool // some result of the evaluation is
	flat        bool // the slots have fixed places
	flatBytes   int  // of the slots
	endBytes    int  // of the end of a page
	denials     []denial
	ceilings    []ceiling // see Quiet
	backTo      int       // where the event that fits ends in the back
	trailTo     int       // and in the trail
	moved       uint64    // picks, by slot, that the event taken in place may have changed

	ring  ring
	draft draft

	cells, gone []cell // of the event that comes, of a row that leaves
	texts       []byte // of cells
	bitBytes    int    // of the bits of a row
	witness     []byte // the event that comes, packed
	suffixes    []cell
	fronts      []byte
	rows        []byte // of a page, or for the front
	proofs      []byte // a page of evidence
}

func newRolling(w *rule) *rolling {
	r := &rolling{rule: w}
	r.makeSlots()
	return r
}

// decode reads a state.
func (r *rolling) decode(state []byte) error {
	if err := r.ring.read(state); err != nil {
		return err
	}
	r.draft.buf = state
	c := cursorOn(r.part(partSlots))
	r.readSlots(&c)
	if len(c.Buf) != 0 {
		c.Bad = true
	}
	return c.err()
}

// load opens the state of a key; false when it has none. An evaluation that
// asks the store for more meanwhile works on a copy.
func (r *rolling) load(key []byte, s match.Store, copied bool) bool {
	if !r.draft.open(key, s, copied) {
		return false
	}
	r.mustRead(r.decode(r.draft.buf))
	return true
}

// Event adds ev to the window of key and evaluates it there.
func (r *rolling) Event(key []byte, ev *event.Event, _ uint64, s match.Store, out *match.Output) {
	r.begin(s)
	stream, ok := r.takes(ev, out)
	if !ok {
		return
	}
	b := r.edit(key, s) // which the processor fetches while the event is read
	r.take(ev)
	if !r.Shown {
		r.witness = r.appendPacked(r.witness[:0], stream, ev)
	}
	came := r.inPlace(b, key, ev, s, out)
	if came == judged {
		return
	}
	known := r.load(key, s, r.paged || r.facts != nil)
	if !known {
		r.create(stream, ev)
	}
	late := came == joined || known && r.mayLinger(ev.Time-r.ring.last)
	if !late {
		r.slide(ev.Time, r.Limits.WindowEvents-1, out)
	}
	if came == apart {
		r.enter(ev.Time)
	}
	switch {
	case r.Shown:
		r.changed(Change{Turn: Moved, At: ev.Time})
	case late && r.denied(nil, ev.Time):
		r.shed(ev.Time - r.Window.Size)
	default:
		if late {
			r.slide(ev.Time, r.Limits.WindowEvents, out)
		}
		r.evaluate(ev, out)
	}
	if r.ring.fresh == pageMax {
		r.fold()
	}
	if r.ring.n < r.kept {
		r.shorten(r.ring.n)
	}
	r.close(s)
	if !known {
		s.Timer(key, ev.Time+r.Window.Size)
	}
}

// enter adds the event that comes to the window and, where alerts may be raised,
// to the evidence.
func (r *rolling) enter(at int64) {
	since := at - r.ring.last
	if r.push(at); !r.Shown {
		r.packed = r.appendProof(r.packed[:0], since)
		r.append(partTrail, r.packed)
	}
}

// slide drops what is no longer in the window of an event at a time, and the
// oldest events beyond so many.
func (r *rolling) slide(at int64, most int, out *match.Output) {
	g := &r.ring
	if g.n == 0 {
		return
	}
	cutoff := at - r.Window.Size
	if g.last <= cutoff { // emptied by time; an event that left early still counts
		r.restart(at)
		g.held, g.lost = false, neverLost
		return
	}
	for r.reach(); g.first <= cutoff || g.n > most; r.reach() {
		if g.first > cutoff {
			g.lost = g.first
			out.Stats.WindowTruncated++
		}
		if r.pop(); g.n == 0 {
			r.restart(at)
			return
		}
	}
}

// evaluate raises an alert at the current event when having turns true.
func (r *rolling) evaluate(ev *event.Event, out *match.Output) {
	g := &r.ring
	r.results()
	holds := r.judge(ev.Time, out)
	r.blame(holds)
	turned := holds && !g.held
	if g.held = holds; turned {
		r.report(ev, out)
	}
}

// report raises the alert of the evaluation that judge just made.
func (r *rolling) report(ev *event.Event, out *match.Output) {
	g := &r.ring
	evidence := r.latest(min(g.n, r.kept))
	current := clone(ev)
	evidence[len(evidence)-1] = current
	r.raise(outcome{
		at: ev.Time, by: match.ByEvent, event: current, events: g.n, approx: r.approximate,
		truncated: g.lost != neverLost && g.lost > ev.Time-r.Window.Size,
	}, evidence, out)
}

// forget removes the pages of a window.
func (r *rolling) forget() {
	g := &r.ring
	for r.paged && g.n > 0 {
		r.reach()
		r.pop()
	}
	for ; g.lo < g.hi; g.lo++ {
		r.draft.put(pageNumber(pageEntries, 0, uint64(g.lo)), nil)
	}
	r.shorten(0)
}

// Deadline removes the state of a key whose window is empty by then; of any
// other it comes back when the newest event leaves. It raises nothing.
func (r *rolling) Deadline(key []byte, at int64, s match.Store, _ *match.Output) {
	r.begin(s)
	if !r.load(key, s, true) {
		s.Timer(key, 0)
		return
	}
	if empty := r.ring.last + r.Window.Size; empty > at {
		s.Timer(key, empty)
		return
	}
	r.forget()
	s.Put(key, nil)
	s.Timer(key, 0)
	if r.Shown {
		r.changed(Change{Turn: Emptied, At: at})
	}
}
