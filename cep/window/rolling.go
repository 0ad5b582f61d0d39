package window

import (
	"encoding/binary"
	"math"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// rolling evaluates at every event that the window takes, over the events in
// (time − size, time]. The aggregates are computed anew from the arguments
// kept for each event, in their order, so a sum of doubles is always that of
// the events in the window and never carries the rounding of those that left.
type rolling struct {
	*rule
}

// A ring is the state of a rolling window:
//
//	format   one byte
//	held     one byte: having was true at the last event
//	origin   time that other times are relative to, signed varint
//	lost     time of the newest event that left early by limits.window_events,
//	         minus origin, signed; smallest when there is none
//	keys     the key's values
//	base     time that the first entry is relative to, minus origin, signed
//	n        entries
//	entries  length in bytes, then each: time minus the one before, arguments
//	         but those of bare counts
//	trail    see trail
type ring struct {
	held    bool
	origin  int64
	lost    int64
	keys    keyring
	base    int64
	n       int
	entries []byte
	trail   trail
}

// neverLost is ring.lost before any event left early.
const neverLost = math.MinInt64

func (r *rolling) decode(state []byte) (ring, error) {
	c := cursor{buf: state}
	g := ring{lost: neverLost}
	if c.byte() != formatRolling {
		return g, errCorrupt
	}
	flags := c.byte()
	g.held = flags&1 != 0
	g.origin = c.varint()
	if flags&2 != 0 {
		g.lost = c.varint() + g.origin
	}
	g.keys = c.keyring(len(r.KeyTypes))
	g.base = c.varint() + g.origin
	g.n = int(c.uvarint())
	g.entries = c.take(c.uvarint())
	g.trail = c.trail()
	if g.n < g.trail.n || g.n > len(g.entries) || len(c.buf) != 0 {
		c.bad = true
	}
	return g, c.err()
}

// Event adds ev to the window of key and evaluates it there.
func (r *rolling) Event(key []byte, ev *event.Event, _ uint64, s match.Store, out *match.Output) {
	r.facts = match.FactsOf(r.Rule, s)
	stream, ok := r.takes(ev, out)
	if !ok {
		return
	}
	g := ring{origin: ev.Time, lost: neverLost, base: ev.Time}
	if state := s.Get(key); len(state) > 0 {
		var err error
		g, err = r.decode(state)
		r.mustRead(err)
	} else {
		g.keys = r.appendKeyring(nil, stream, ev)
		s.Timer(key, ev.Time+r.Window.Size)
	}
	r.read(ev)
	last, err := r.slide(&g, ev.Time-r.Window.Size, out)
	r.mustRead(err)
	r.evaluate(&g, ev, out)
	r.state = r.append(r.state[:0], &g, last, stream, ev)
	s.Put(key, r.state)
}

// slide drops what is at or before cutoff, and the oldest events beyond the
// ring's capacity, and gives the rest to fresh accumulators. It returns the
// time of the newest entry.
func (r *rolling) slide(g *ring, cutoff int64, out *match.Output) (last int64, err error) {
	clear(r.accs)
	c := cursor{buf: g.entries}
	at := g.base
	n := g.n
	for i := range n {
		at += int64(c.uvarint())
		early := n-i >= r.Limits.WindowEvents && at > cutoff
		if at <= cutoff || early {
			r.skip(&c)
			g.base, g.entries, g.n = at, c.buf, g.n-1
			if early {
				g.lost = at
				out.Stats.WindowTruncated++
			}
			continue
		}
		r.replay(&c)
	}
	if at <= cutoff { // emptied by time; an event that left early still counts
		g.held = false
	}
	if c.bad {
		return 0, errCorrupt
	}
	return at, g.trail.drop(g.trail.n - min(g.n, r.kept, g.trail.n))
}

// replay gives one kept entry to the accumulators.
func (r *rolling) replay(c *cursor) {
	for i := range r.args {
		v := always()
		if !r.bare(i) {
			v = c.value()
		}
		if v.Present() {
			r.give(&r.accs[i], i, v)
		}
	}
}

// evaluate adds the current event, whose arguments are in r.args, and raises
// an alert when having turns true.
func (r *rolling) evaluate(g *ring, ev *event.Event, out *match.Output) {
	r.add(r.accs, r.args)
	holds := r.holds(r.accs, ev.Time, out)
	turned := holds && !g.held
	g.held = holds
	if !turned {
		return
	}
	evidence, err := r.events(g.trail, g.keys, g.origin, math.MinInt64)
	r.mustRead(err)
	current := clone(ev)
	r.raise(outcome{
		at: ev.Time, by: match.ByEvent, event: current, events: g.n + 1,
		truncated: g.lost != neverLost && g.lost > ev.Time-r.Window.Size,
	}, r.accs, append(evidence, current), out)
}

// append writes the ring with the current event as its newest entry.
func (r *rolling) append(buf []byte, g *ring, last int64, stream int, ev *event.Event) []byte {
	flags := byte(0)
	if g.held {
		flags |= 1
	}
	if g.lost != neverLost {
		flags |= 2
	}
	buf = append(buf, formatRolling, flags)
	buf = binary.AppendVarint(buf, g.origin)
	if g.lost != neverLost {
		buf = binary.AppendVarint(buf, g.lost-g.origin)
	}
	buf = append(buf, g.keys...)
	if g.n == 0 {
		g.base, last = ev.Time, ev.Time
	}
	buf = binary.AppendVarint(buf, g.base-g.origin)
	r.packed = binary.AppendUvarint(r.packed[:0], uint64(ev.Time-last))
	for i, v := range r.args {
		if !r.bare(i) {
			r.packed = event.AppendValue(r.packed, v)
		}
	}
	buf = binary.AppendUvarint(buf, uint64(g.n+1))
	buf = binary.AppendUvarint(buf, uint64(len(g.entries)+len(r.packed)))
	buf = append(append(buf, g.entries...), r.packed...)
	return r.appendTrail(buf, g.trail, stream, ev, g.origin)
}

// Deadline removes the state of a key whose window is empty by then; of any
// other it comes back when the newest event leaves. It raises nothing.
func (r *rolling) Deadline(key []byte, at int64, s match.Store, _ *match.Output) {
	state := s.Get(key)
	if len(state) == 0 {
		s.Timer(key, 0)
		return
	}
	g, err := r.decode(state)
	r.mustRead(err)
	last, err := r.newest(&g)
	r.mustRead(err)
	if empty := last + r.Window.Size; empty > at {
		s.Timer(key, empty)
		return
	}
	s.Put(key, nil)
	s.Timer(key, 0)
}

func (r *rolling) newest(g *ring) (int64, error) {
	c := cursor{buf: g.entries}
	last := g.base
	for range g.n {
		last += int64(c.uvarint())
		r.skip(&c)
	}
	return last, c.err()
}

// skip passes over the arguments of one entry.
func (r *rolling) skip(c *cursor) {
	for i := range r.args {
		if !r.bare(i) {
			c.skipValue()
		}
	}
}
