package window

import (
	"encoding/binary"
	"math"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// rolling evaluates at every event that the window takes, over the events in
// (time − size, time]. What an event costs does not grow with the window.
type rolling struct {
	*rule
	slots     []slot
	mergeable bool // some slot cannot forget
	moved     bool // the front of the queue has changed
	pages     pages

	head      []byte // the state being worked on
	frontPage []byte // pages of its queue,
	backPage  []byte
	suffix    []byte // and of suffixes
	tail      []byte // the newest events
}

// A ring is the state of a rolling window:
//
//	format   one byte
//	flags    one byte: having was true at the last event; events were lost
//	origin   time that other times are relative to, signed varint
//	lost     time of the newest event that left early by limits.window_events,
//	         minus origin, signed; where flags say so
//	keys     the key's values
//	queue    see queue
//	recent   see recent
//	slots    see slot
//	pages    those that are near, see pages
type ring struct {
	held   bool
	origin int64
	lost   int64
	keys   keyring
	queue  queue
	recent recent
}

// neverLost is ring.lost before any event left early.
const neverLost = math.MinInt64

const (
	flagHeld = 1 << iota
	flagLost
)

func newRolling(w *rule) *rolling {
	r := &rolling{rule: w, slots: newSlots(w)}
	r.eachMergeable(func(*slot) { r.mergeable = true })
	return r
}

// open gets ready for one key. A rule with early timing is set back to earlier
// states, which must then be whole: its pages stay near.
func (r *rolling) open(key []byte, s match.Store) {
	r.facts = match.FactsOf(r.Rule, s)
	r.pages = pages{key: key, near: r.pages.near[:0]}
	if far, ok := s.(match.Paging); ok && !r.Early {
		r.pages.far = far
	}
}

func (r *rolling) decode(state []byte) (ring, error) {
	c := cursor{buf: state}
	g := ring{lost: neverLost}
	if c.byte() != formatRolling {
		return g, errCorrupt
	}
	flags := c.byte()
	g.held = flags&flagHeld != 0
	g.origin = c.varint()
	if flags&flagLost != 0 {
		g.lost = c.varint() + g.origin
	}
	g.keys = c.keyring(len(r.KeyTypes))
	g.queue = c.queue(g.origin)
	g.recent = c.recent()
	for i := range r.slots {
		r.slots[i].decode(&c)
	}
	r.pages.near = c.pages(r.pages.near[:0])
	if len(c.buf) != 0 {
		c.bad = true
	}
	return g, c.err()
}

// load reads the state of a key; false when it has none.
func (r *rolling) load(key []byte, s match.Store) (g ring, ok bool) {
	r.open(key, s)
	state := s.Get(key)
	if len(state) == 0 {
		for i := range r.slots {
			r.slots[i].reset()
		}
		return g, false
	}
	r.head = append(r.head[:0], state...)
	g, err := r.decode(r.head)
	r.mustRead(err)
	return g, true
}

// Event adds ev to the window of key and evaluates it there.
func (r *rolling) Event(key []byte, ev *event.Event, _ uint64, s match.Store, out *match.Output) {
	r.begin(s)
	stream, ok := r.takes(ev, out)
	if !ok {
		return
	}
	r.read(ev)
	g, ok := r.load(key, s)
	if !ok {
		g = ring{origin: ev.Time, lost: neverLost, keys: r.appendKeyring(r.head[:0], stream, ev)}
		s.Timer(key, ev.Time+r.Window.Size)
	}
	r.slide(&g, ev.Time-r.Window.Size, out)
	r.push(&g.queue, ev.Time)
	if r.Shown {
		r.changed(Change{Turn: Moved, At: ev.Time})
	} else {
		r.evaluate(&g, ev, out)
		r.keep(&g, stream, ev)
	}
	r.state = r.append(r.state[:0], &g)
	s.Put(key, r.state)
}

// slide drops what is at or before cutoff, and the oldest events beyond the
// ring's capacity with the one that comes.
func (r *rolling) slide(g *ring, cutoff int64, out *match.Output) {
	q := &g.queue
	if q.n > 0 && q.last <= cutoff { // emptied by time; an event that left early still counts
		g.held = false
	}
	r.moved = false
	for q.n > 0 {
		at := r.peek(q)
		if at > cutoff {
			if q.n < r.Limits.WindowEvents {
				break
			}
			g.lost = at
			out.Stats.WindowTruncated++
		}
		r.pop(q, at)
	}
	if r.moved {
		r.rescan(q)
	}
}

// evaluate raises an alert at the current event when having turns true.
func (r *rolling) evaluate(g *ring, ev *event.Event, out *match.Output) {
	for i := range r.slots {
		r.aggs[i] = r.slots[i].result(&r.pages)
	}
	holds := r.judge(ev.Time, out)
	turned := holds && !g.held
	g.held = holds
	if !turned {
		return
	}
	evidence := r.latest(g, min(g.queue.n, r.kept)-1)
	current := clone(ev)
	r.raise(outcome{
		at: ev.Time, by: match.ByEvent, event: current, events: g.queue.n,
		truncated: g.lost != neverLost && g.lost > ev.Time-r.Window.Size,
	}, append(evidence, current), out)
}

// append writes the state.
func (r *rolling) append(buf []byte, g *ring) []byte {
	flags := byte(0)
	if g.held {
		flags |= flagHeld
	}
	if g.lost != neverLost {
		flags |= flagLost
	}
	buf = append(buf, formatRolling, flags)
	buf = binary.AppendVarint(buf, g.origin)
	if g.lost != neverLost {
		buf = binary.AppendVarint(buf, g.lost-g.origin)
	}
	buf = append(buf, g.keys...)
	buf = g.queue.append(buf, g.origin)
	buf = g.recent.append(buf)
	for i := range r.slots {
		buf = r.slots[i].append(buf)
	}
	return r.pages.append(buf)
}

// Deadline removes the state of a key whose window is empty by then; of any
// other it comes back when the newest event leaves. It raises nothing.
func (r *rolling) Deadline(key []byte, at int64, s match.Store, _ *match.Output) {
	r.begin(s)
	g, ok := r.load(key, s)
	if !ok {
		s.Timer(key, 0)
		return
	}
	if empty := g.queue.last + r.Window.Size; empty > at {
		s.Timer(key, empty)
		return
	}
	for q := &g.queue; q.n > 0; {
		r.pop(q, r.peek(q))
	}
	r.shorten(&g.recent, 0)
	s.Put(key, nil)
	s.Timer(key, 0)
	if r.Shown {
		r.changed(Change{Turn: Emptied, At: at})
	}
}
