package window

import (
	"encoding/binary"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// paned runs tumbling and sliding windows: [start, start + size), starts being
// multiples of every plus the offset. Time is cut into panes as long as every;
// an event goes to the newest pane only, and a window is evaluated from its
// panes when its end, a deadline, is due. A pane has one set of accumulators a
// salt of hot_keys; they are merged in the order of salts, so that the answer
// is that of two stages of which the first is spread over tasks.
type paned struct {
	*rule
	every int64
	salts int
	rests []rest
	accs  []agg.Acc // of the newest pane, by salt
	total []agg.Acc // of a window
	part  []agg.Acc // of one salt
	older []byte
	own   []byte // a copy of a state

	closed func(*frames) // takes a window that ends, instead of an alert; nil: it is judged
}

// A frames is the state of a paned rule:
//
//	origin  time that other times are relative to, signed varint
//	keys    the key's values
//	next    start of the next window to evaluate, minus origin, signed; panes
//	        before it may be there still
//	older   length, then all panes but the newest, as panes are
//	newest  the newest pane: start minus origin, signed; events; length;
//	        accumulators
//
// as its head, and the trail.
type frames struct {
	origin int64
	keys   keyring
	next   int64
	older  []byte
	newest pane
	trail  trail
}

// A pane is the events of [start, start + every).
type pane struct {
	start int64
	n     int
	accs  []byte // encoded, by salt
}

func newPaned(w *rule) *paned {
	p := &paned{rule: w, every: everyOf(w.Window), salts: max(1, w.Window.Salts)}
	n := len(w.Window.Aggs.List)
	p.accs, p.total, p.part = make([]agg.Acc, n*p.salts), make([]agg.Acc, n), make([]agg.Acc, n)
	p.makeRests()
	return p
}

func (p *paned) decode(state []byte) (frames, error) {
	var f frames
	c, latest, err := p.parts(state, formatPaned)
	if err != nil {
		return f, err
	}
	f.trail = latest
	f.origin = c.Varint()
	f.keys = c.keyring(len(p.KeyTypes))
	f.next = c.Varint() + f.origin
	f.older = c.Bytes()
	f.newest = c.pane(f.origin)
	if len(c.Buf) != 0 {
		c.Bad = true
	}
	return f, c.err()
}

func (c *cursor) pane(origin int64) pane {
	p := pane{start: c.Varint() + origin, n: int(c.Uvarint())}
	p.accs = c.Bytes()
	return p
}

func (p *pane) append(buf []byte, origin int64) []byte {
	buf = binary.AppendVarint(buf, p.start-origin)
	buf = binary.AppendUvarint(buf, uint64(p.n))
	buf = binary.AppendUvarint(buf, uint64(len(p.accs)))
	return append(buf, p.accs...)
}

// accumulators decodes some sets of accumulators.
func (w *rule) accumulators(c *cursor, accs []agg.Acc) {
	n := len(w.Window.Aggs.List)
	for i := range accs {
		c.acc(&accs[i], w.Window.Aggs.List[i%n].Spec)
	}
}

func (w *rule) appendAccumulators(buf []byte, accs []agg.Acc) []byte {
	n := len(w.Window.Aggs.List)
	for i := range accs {
		buf = accs[i].AppendTo(buf, w.Window.Aggs.List[i%n].Spec)
	}
	return buf
}

// Event adds ev to the pane of its time.
func (p *paned) Event(key []byte, ev *event.Event, _ uint64, s match.Store, out *match.Output) {
	p.begin(s)
	stream, ok := p.takes(ev, out)
	if !ok {
		return
	}
	p.read(ev)
	var f frames
	start := ev.Time - floorMod(ev.Time-p.Window.Offset, p.every)
	state := s.(match.Paging).Edit(key)
	if len(state) > 0 {
		var err error
		f, err = p.decode(state)
		p.mustRead(err)
	} else {
		f = frames{origin: ev.Time, keys: p.appendKeyring(nil, stream, ev), next: start + p.every - p.Window.Size}
		f.newest.start = start
	}
	next := f.next
	p.spread(&f, start, ev)
	if p.Shown {
		ev = nil // no evidence
	}
	p.head = p.append(p.head[:0], &f)
	p.extend(&f.trail, stream, ev, f.origin)
	p.save(key, state, s, formatPaned, p.head, f.trail)
	if len(state) == 0 || f.next != next {
		s.Timer(key, f.next+p.Window.Size)
	}
}

// spread gives the arguments in p.args to the pane that begins at start, the
// newest. Events come in time order.
func (p *paned) spread(f *frames, start int64, ev *event.Event) {
	p.turn(f, start)
	n := len(p.part)
	salt := int(floorMod(ev.Offset, int64(p.salts)))
	p.add(p.accs[salt*n:(salt+1)*n], p.args)
	p.packed = p.appendAccumulators(p.packed[:0], p.accs)
	f.newest.n, f.newest.accs = f.newest.n+1, p.packed
}

// turn makes the pane that begins at start the newest, and p.accs what it has.
// A key that rests has to look at the first window with a new pane.
func (p *paned) turn(f *frames, start int64) {
	if start != f.newest.start {
		p.older = append(p.older[:0], f.older...)
		p.older = f.newest.append(p.older, f.origin)
		f.older, f.newest = p.older, pane{start: start}
		f.next = min(f.next, start+p.every-p.Window.Size)
	}
	for i := range p.accs {
		p.accs[i].Reset()
	}
	if f.newest.n > 0 {
		c := cursorOn(f.newest.accs)
		p.accumulators(&c, p.accs)
		p.mustRead(c.err())
	}
}

func floorMod(a, b int64) int64 { return (a%b + b) % b }

func (p *paned) append(buf []byte, f *frames) []byte {
	buf = binary.AppendVarint(buf, f.origin)
	buf = append(buf, f.keys...)
	buf = binary.AppendVarint(buf, f.next-f.origin)
	buf = binary.AppendUvarint(buf, uint64(len(f.older)))
	buf = append(buf, f.older...)
	return f.newest.append(buf, f.origin)
}

// rewrite writes a state whose trail got no event.
func (p *paned) rewrite(key []byte, s match.Store, f *frames) {
	p.head, p.entry = p.append(p.head[:0], f), p.entry[:0]
	p.save(key, nil, s, formatPaned, p.head, f.trail)
}

// Deadline evaluates the windows that end at or before at.
func (p *paned) Deadline(key []byte, at int64, s match.Store, out *match.Output) {
	p.begin(s)
	state := s.Get(key)
	if len(state) == 0 {
		s.Timer(key, 0)
		return
	}
	p.own = append(p.own[:0], state...)
	f, err := p.decode(p.own)
	p.mustRead(err)
	_, live := p.forget(&f)
	for live && f.next+p.Window.Size <= at {
		live = p.pass(&f, p.close(&f, out))
	}
	if !live {
		s.Put(key, nil)
		s.Timer(key, 0)
		return
	}
	p.rewrite(key, s, &f)
	s.Timer(key, f.next+p.Window.Size)
}

// pass moves on from a window to the next one to evaluate; false when there is
// none.
func (p *paned) pass(f *frames, c calm) bool {
	end, older := f.next+p.Window.Size, len(f.older)
	f.next += p.every
	oldest, live := p.forget(f)
	if live && len(f.older) == older && f.newest.start < end {
		f.leap(c, oldest, p.every)
	}
	return live
}

// forget drops what is before the next window, moves on to one with an event and
// returns the oldest pane; false when none is left.
func (p *paned) forget(f *frames) (oldest int64, live bool) {
	c := cursorOn(f.older)
	oldest = f.newest.start
	for len(c.Buf) > 0 {
		from := c.Buf
		if q := c.pane(f.origin); q.start >= f.next || c.Bad {
			p.mustRead(c.err())
			f.older, oldest = from, q.start
			break
		}
		f.older = c.Buf
	}
	p.mustRead(f.trail.dropBefore(oldest, f.origin))
	f.next = max(f.next, oldest+p.every-p.Window.Size)
	return oldest, oldest >= f.next
}

// close evaluates the next window and returns for which others it speaks.
func (p *paned) close(f *frames, out *match.Output) calm {
	if p.closed != nil {
		p.closed(f)
		return calmNone
	}
	n := p.merge(f)
	end := f.next + p.Window.Size
	if p.Shown {
		p.changed(Change{Turn: Closed, At: end, Glance: Glance{Start: f.next, End: end, Events: n,
			Values: p.valuesOf(p.total, end), Approx: approximate(p.total)}})
		return calmNone
	}
	if !p.holds(p.total, end, out) {
		return p.calmed()
	}
	evidence, err := p.events(f.trail, f.keys, f.origin, f.next)
	p.mustRead(err)
	o := outcome{at: end, by: match.ByWindow, instant: f.next, events: n, approx: approximate(p.total)}
	p.raise(o, evidence, out)
	return calmNone
}

// merge makes p.total the aggregates of the next window and returns how many
// events it has: salt by salt, the panes of each in their order.
func (p *paned) merge(f *frames) (events int) {
	for i := range p.total {
		p.total[i] = agg.Acc{}
	}
	end := f.next + p.Window.Size
	for salt := range p.salts {
		c := cursorOn(f.older)
		for len(c.Buf) > 0 {
			q := c.pane(f.origin)
			p.mustRead(c.err())
			if q.start < end {
				events += p.mergePane(&q, salt)
			}
		}
		if f.newest.start < end {
			events += p.mergePane(&f.newest, salt)
		}
	}
	return events
}

// mergePane merges one salt of a pane into p.total. It returns the pane's
// events at the first salt.
func (p *paned) mergePane(q *pane, salt int) (events int) {
	c := cursorOn(q.accs)
	for range salt + 1 {
		p.accumulators(&c, p.part)
	}
	p.mustRead(c.err())
	for i := range p.total {
		if err := p.total[i].Merge(p.Window.Aggs.List[i].Spec, &p.part[i]); err != nil {
			p.mustRead(err)
		}
	}
	if salt == 0 {
		return q.n
	}
	return 0
}
