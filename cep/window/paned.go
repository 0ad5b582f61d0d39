package window

import (
	"encoding/binary"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// paned runs tumbling and sliding windows: [start, start + size), starts being
// multiples of every plus the offset. Each open window has its own
// accumulators, which see its events in their order; it is evaluated when its
// end, a deadline, is due, and then forgotten.
type paned struct {
	*rule
	every int64
}

// A frames is the state of a paned rule:
//
//	format  one byte
//	origin  time that other times are relative to, signed varint
//	keys    the key's values
//	n       open windows, by start, then each: start minus origin, signed;
//	        events; accumulators
//	trail   see trail
type frames struct {
	origin int64
	keys   keyring
	open   []pane
	trail  trail
}

// A pane is one open window that has an event.
type pane struct {
	start int64
	n     int
	accs  []agg.Acc
}

func (p *paned) decode(state []byte) (frames, error) {
	c := cursor{buf: state}
	var f frames
	if c.byte() != formatPaned {
		return f, errCorrupt
	}
	f.origin = c.varint()
	f.keys = c.keyring(len(p.KeyTypes))
	for n := c.uvarint(); n > 0 && !c.bad; n-- {
		f.open = append(f.open, pane{start: c.varint() + f.origin, n: int(c.uvarint()), accs: p.accumulators(&c)})
	}
	f.trail = c.trail()
	if len(f.open) == 0 || len(c.buf) != 0 {
		c.bad = true
	}
	return f, c.err()
}

func (w *rule) accumulators(c *cursor) []agg.Acc {
	accs := make([]agg.Acc, len(w.accs))
	for i := 0; i < len(accs) && !c.bad; i++ {
		rest, err := accs[i].Decode(c.buf, w.Window.Aggs.List[i].Spec)
		if err != nil {
			c.bad = true
			return nil
		}
		c.buf = rest
	}
	return accs
}

func (w *rule) appendAccumulators(buf []byte, accs []agg.Acc) []byte {
	for i := range accs {
		buf = accs[i].AppendTo(buf, w.Window.Aggs.List[i].Spec)
	}
	return buf
}

// Event adds ev to every open window that covers its time.
func (p *paned) Event(key []byte, ev *event.Event, _ uint64, s match.Store, out *match.Output) {
	p.facts = match.FactsOf(p.Rule, s)
	stream, ok := p.takes(ev, out)
	if !ok {
		return
	}
	var f frames
	state := s.Get(key)
	if len(state) > 0 {
		var err error
		f, err = p.decode(state)
		p.mustRead(err)
	} else {
		f = frames{origin: ev.Time, keys: p.appendKeyring(nil, stream, ev)}
	}
	p.read(ev)
	p.spread(&f, ev.Time)
	p.state = p.append(p.state[:0], &f, stream, ev)
	s.Put(key, p.state)
	if len(state) == 0 {
		s.Timer(key, f.open[0].start+p.Window.Size)
	}
}

// spread gives the arguments in p.args to the windows that cover at, opening
// those that have had no event yet. Events come in time order, so windows are
// opened in the order of their starts.
func (p *paned) spread(f *frames, at int64) {
	newest := at - floorMod(at-p.Window.Offset, p.every)
	oldest := newest - (p.Window.Size-1-(at-newest))/p.every*p.every
	for i := range f.open {
		if f.open[i].start >= oldest {
			p.count(&f.open[i])
		}
	}
	first := oldest
	if n := len(f.open); n > 0 {
		first = max(first, f.open[n-1].start+p.every)
	}
	for start := first; start <= newest; start += p.every {
		f.open = append(f.open, pane{start: start, accs: make([]agg.Acc, len(p.accs))})
		p.count(&f.open[len(f.open)-1])
	}
}

func (p *paned) count(w *pane) {
	w.n++
	p.add(w.accs, p.args)
}

func floorMod(a, b int64) int64 { return (a%b + b) % b }

func (p *paned) append(buf []byte, f *frames, stream int, ev *event.Event) []byte {
	buf = append(buf, formatPaned)
	buf = binary.AppendVarint(buf, f.origin)
	buf = append(buf, f.keys...)
	buf = binary.AppendUvarint(buf, uint64(len(f.open)))
	for i := range f.open {
		w := &f.open[i]
		buf = binary.AppendVarint(buf, w.start-f.origin)
		buf = binary.AppendUvarint(buf, uint64(w.n))
		buf = p.appendAccumulators(buf, w.accs)
	}
	return p.appendTrail(buf, f.trail, stream, ev, f.origin)
}

// Deadline evaluates the windows that end at or before at.
func (p *paned) Deadline(key []byte, at int64, s match.Store, out *match.Output) {
	p.facts = match.FactsOf(p.Rule, s)
	state := s.Get(key)
	if len(state) == 0 {
		s.Timer(key, 0)
		return
	}
	f, err := p.decode(state)
	p.mustRead(err)
	for len(f.open) > 0 && f.open[0].start+p.Window.Size <= at {
		p.close(&f, out)
		f.open = f.open[1:]
	}
	if len(f.open) == 0 {
		s.Put(key, nil)
		s.Timer(key, 0)
		return
	}
	p.mustRead(f.trail.dropBefore(f.open[0].start, f.origin))
	p.state = p.append(p.state[:0], &f, 0, nil)
	s.Put(key, p.state)
	s.Timer(key, f.open[0].start+p.Window.Size)
}

// close evaluates the oldest open window.
func (p *paned) close(f *frames, out *match.Output) {
	w := &f.open[0]
	end := w.start + p.Window.Size
	if !p.holds(w.accs, end, out) {
		return
	}
	evidence, err := p.events(f.trail, f.keys, f.origin, w.start)
	p.mustRead(err)
	o := outcome{at: end, by: match.ByWindow, instant: w.start, events: w.n, approx: approximate(w.accs)}
	p.raise(o, evidence, out)
}
