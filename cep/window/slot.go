package window

import (
	"bytes"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

// A slot keeps one aggregate of a rolling window, in time that does not grow
// with the window: counts and sums take out what leaves; distinct counts each
// value; percentiles are kept sorted; the others (min, max, first, last) are
// picks, which cannot forget and which the queue helps (see queue).
type slot struct {
	spec    agg.Spec
	column  int // -1: takes every event
	kind    slotKind
	at      int     // in a flat state
	bytes   int     // of the plain form
	acc     agg.Acc // plain: scratch; summed
	came    plainForm
	left    plainForm // of what came
	pick    int       // picked: place among the picks
	counted counted
	ranked  ranked
}

// A plainForm is all that ever came to a plain slot since the window was last
// empty, or all that left it.
type plainForm [agg.PlainMax]byte

type slotKind uint8

const (
	sized  slotKind = iota // how many events the window has
	plain                  // exact counts, sums and moments
	summed                 // those of doubles
	picked
	distinct
	sorted
)

func kindOf(spec agg.Spec, column int) slotKind {
	switch {
	case spec.Func == agg.Count && column < 0:
		return sized
	case spec.Plain():
		return plain
	case spec.Func.Removable():
		return summed
	case spec.Func == agg.Distinct:
		return distinct
	case spec.Func == agg.Percentile:
		return sorted
	}
	return picked
}

// A pick is an aggregate that takes one of its values: the least, the
// greatest, the first, the last.
type pick struct {
	spec   preference
	column int
	text   bool
	front  kept // of the rows of the front, and what is later up to mark
	middle kept // of the pages from mark on
	back   kept // of the rows of the back that the front has not
	later  cell // scratch: of rows that are later, up to mark
	said   event.Value
}

// A preference is the aggregate of a pick.
type preference agg.Spec

// replaces reports whether a later cell is taken instead of an earlier one.
func (s preference) replaces(later, earlier *cell) bool {
	switch {
	case s.Type != event.String:
		return s.replacesNumber(later.num, earlier.num)
	case s.Func == agg.First:
		return false
	case s.Func == agg.Last:
		return true
	case s.Func == agg.Min:
		return bytes.Compare(later.text, earlier.text) < 0
	}
	return bytes.Compare(later.text, earlier.text) > 0
}

// replacesNumber is replaces for numbers.
func (s preference) replacesNumber(later, earlier int64) bool {
	switch s.Func {
	case agg.First:
		return false
	case agg.Last:
		return true
	}
	return agg.Spec(s).Better(later, earlier)
}

// kept is a cell with memory of its own for its text.
type kept struct{ cell }

func (k *kept) clear() { k.ok, k.num, k.text = false, 0, k.text[:0] }

// same reports whether two cells of one column are alike.
func (c *cell) same(other *cell) bool {
	return c.ok == other.ok && c.num == other.num && bytes.Equal(c.text, other.text)
}

func (k *kept) set(c *cell) { k.ok, k.num, k.text = true, c.num, append(k.text[:0], c.text...) }

// add takes a cell that is later than all before.
func (k *kept) add(s preference, c *cell) {
	if !k.ok || s.replaces(c, &k.cell) {
		k.set(c)
	}
}

// result is the pick of the window.
func (p *pick) result() event.Value {
	best := &p.front.cell
	for _, later := range [...]*kept{&p.middle, &p.back} {
		if later.ok && (!best.ok || p.spec.replaces(&later.cell, best)) {
			best = &later.cell
		}
	}
	switch {
	case !best.ok:
		return event.Value{}
	case !p.text:
		return agg.Spec(p.spec).Kept(best.num)
	}
	if p.said.Str() != string(best.text) || !p.said.Present() {
		p.said = event.StringOf(string(best.text))
	}
	return p.said
}

func (r *rolling) makeSlots() {
	list := r.Window.Aggs.List
	r.slots = make([]slot, len(list))
	for i := range list {
		spec, column := list[i].Spec, r.columnOf(&list[i])
		s := slot{spec: spec, column: column, kind: kindOf(spec, column), bytes: spec.PlainBytes(), counted: counted{slot: i}, ranked: ranked{slot: i}}
		switch s.kind {
		case picked:
			s.pick = len(r.picks)
			r.picks = append(r.picks, pick{spec: preference(spec), column: column, text: spec.Type == event.String})
		case distinct, sorted:
			r.paged = true
		}
		r.slots[i] = s
	}
	r.cells, r.gone = make([]cell, len(r.columns)), make([]cell, len(r.columns))
	r.bitBytes = (len(r.columns) + 7) / 8
	r.suffixes = make([]cell, pageMax*len(r.picks))
	r.place()
	r.makeDenials()
}

// argument is a cell as an accumulator takes it.
func (s *slot) argument(c *cell) event.Value {
	switch {
	case s.spec.Func == agg.Count:
		return event.Value{}
	case s.spec.Type == event.Double:
		return s.spec.Kept(c.num)
	}
	return event.IntOf(c.num)
}

// add takes the cell of an event that joins the window.
func (s *slot) add(r *rolling, c *cell) {
	switch s.kind {
	case plain:
		s.spec.AddPlain(s.came[:], c.num)
	case summed:
		s.acc.Add(s.spec, s.argument(c))
	case picked:
		p := &r.picks[s.pick]
		p.back.add(p.spec, c)
	case distinct:
		s.counted.add(&r.draft.pages, s.identity(c))
	case sorted:
		s.ranked.add(&r.draft.pages, s.spec.Rank(s.argument(c)))
	}
}

// remove takes out the cell of an event that leaves it; false when it was
// never there.
func (s *slot) remove(r *rolling, c *cell) bool {
	switch s.kind {
	case plain:
		s.spec.AddPlain(s.left[:], c.num)
	case summed:
		s.acc.Remove(s.spec, s.argument(c))
	case distinct:
		return s.counted.remove(&r.draft.pages, s.identity(c))
	case sorted:
		return s.ranked.remove(&r.draft.pages, s.spec.Rank(s.argument(c)))
	}
	return true
}

// identity is what tells a value from others.
func (s *slot) identity(c *cell) []byte {
	if s.spec.Type == event.String {
		return c.text
	}
	s.counted.name = s.spec.AppendIdentity(s.counted.name[:0], s.argument(c))
	return s.counted.name
}

// results puts the aggregates of the window into r.aggs.
func (r *rolling) results() {
	r.approximate = false
	for i := range r.slots {
		r.result(i)
	}
}

// result puts one aggregate into r.aggs.
func (r *rolling) result(i int) {
	s := &r.slots[i]
	switch s.kind {
	case sized:
		r.aggs[i] = event.IntOf(int64(r.ring.n))
	case picked:
		r.aggs[i] = r.picks[s.pick].result()
	case distinct:
		n, approximate := s.counted.value()
		r.aggs[i] = event.Value{}
		if n > 0 {
			r.aggs[i] = event.IntOf(n)
		}
		r.approximate = r.approximate || approximate
	case sorted:
		r.aggs[i] = s.ranked.result(&r.draft.pages, s.spec)
	case plain:
		s.acc.SetPlain(s.spec, s.came[:], s.left[:])
		fallthrough
	default:
		r.aggs[i] = s.summary()
	}
}

func (s *slot) summary() event.Value {
	v, ok := s.acc.Result(s.spec)
	if !ok {
		return event.Value{}
	}
	return v
}

// appendSlots writes what the aggregates remember.
func (r *rolling) appendSlots(buf []byte) []byte {
	for i := range r.slots {
		s := &r.slots[i]
		switch s.kind {
		case plain:
			buf = append(append(buf, s.came[:s.bytes]...), s.left[:s.bytes]...)
		case summed:
			buf = s.acc.AppendTo(buf, s.spec)
		case picked:
			p := &r.picks[s.pick]
			for _, k := range [...]*kept{&p.front, &p.middle, &p.back} {
				buf = appendPick(buf, &k.cell, p.text)
			}
		case distinct:
			buf = s.counted.append(buf)
		case sorted:
			buf = s.ranked.append(buf)
		}
	}
	return buf
}

func (r *rolling) readSlots(c *cursor) {
	for i := range r.slots {
		s := &r.slots[i]
		switch s.kind {
		case plain:
			copy(s.came[:], c.Take(uint64(s.bytes)))
			copy(s.left[:], c.Take(uint64(s.bytes)))
		case summed:
			c.acc(&s.acc, s.spec)
		case picked:
			p := &r.picks[s.pick]
			for _, k := range [...]*kept{&p.front, &p.middle, &p.back} {
				c.pick(k, p.text)
			}
		case distinct:
			s.counted.decode(c)
		case sorted:
			s.ranked.decode(c)
		}
	}
}

// pick reads a cell of a pick.
func (c *cursor) pick(k *kept, text bool) {
	k.clear()
	tag := c.Byte()
	switch {
	case !text:
		k.num = int64(c.Uint64())
	case tag != pickNone:
		k.text = append(k.text, c.Bytes()...)
	}
	k.ok = tag != pickNone && !c.Bad
}

// resetSlots empties the aggregates.
func (r *rolling) resetSlots() {
	for i := range r.slots {
		s := &r.slots[i]
		s.acc.Reset()
		s.came, s.left = plainForm{}, plainForm{}
		s.counted.reset()
		s.ranked.reset()
	}
	for i := range r.picks {
		p := &r.picks[i]
		p.front.clear()
		p.middle.clear()
		p.back.clear()
	}
}
