package window

import (
	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

// A slot keeps one aggregate of a rolling window, in time that does not grow
// with the window: sums take out what leaves; distinct counts each value;
// percentiles are kept sorted; of the others (min, max, first, last), which
// cannot forget, there are partial results over the parts of the window's
// queue (see queue).
type slot struct {
	spec    agg.Spec
	bare    bool // takes every event, and the queue keeps nothing for it
	kind    slotKind
	all     agg.Acc // removable: of the window
	front   agg.Acc // mergeable: of the queue's front,
	middle  agg.Acc // of its pages up to the mark,
	back    agg.Acc // and of all after that
	total   agg.Acc // scratch
	counted counted
	ranked  ranked
	scratch []byte
}

type slotKind uint8

const (
	removable slotKind = iota
	mergeable
	distinct
	sorted
)

func newSlots(w *rule) []slot {
	slots := make([]slot, len(w.accs))
	for i := range slots {
		spec := w.Window.Aggs.List[i].Spec
		slots[i] = slot{spec: spec, bare: w.bare(i), kind: mergeable, counted: counted{slot: i}, ranked: ranked{slot: i}}
		switch {
		case spec.Func.Removable():
			slots[i].kind = removable
		case spec.Func == agg.Distinct:
			slots[i].kind = distinct
		case spec.Func == agg.Percentile:
			slots[i].kind = sorted
		}
	}
	return slots
}

// given is what an accumulator takes for an argument.
func (s *slot) given(v event.Value) event.Value {
	if s.spec.Func == agg.Count {
		return event.Value{}
	}
	return v
}

// add takes the argument of an event that joins the window.
func (s *slot) add(p *pages, v event.Value) {
	switch s.kind {
	case removable:
		s.all.Add(s.spec, s.given(v))
	case mergeable:
		s.back.Add(s.spec, v)
	case distinct:
		s.scratch = s.spec.AppendIdentity(s.scratch[:0], v)
		s.counted.add(p, s.scratch)
	case sorted:
		s.ranked.add(p, s.spec.Rank(v))
	}
}

// remove takes out the argument of an event that leaves it; false when it was
// never there. What cannot forget is computed anew by its queue.
func (s *slot) remove(p *pages, v event.Value) bool {
	switch s.kind {
	case removable:
		s.all.Remove(s.spec, s.given(v))
	case distinct:
		s.scratch = s.spec.AppendIdentity(s.scratch[:0], v)
		return s.counted.remove(p, s.scratch)
	case sorted:
		return s.ranked.remove(p, s.spec.Rank(v))
	}
	return true
}

// result is the aggregate over the window; absent when it is an error.
func (s *slot) result(p *pages) event.Value {
	of := &s.all
	switch s.kind {
	case distinct:
		return event.IntOf(int64(s.counted.n))
	case sorted:
		return s.ranked.result(p, s.spec)
	case mergeable:
		of = s.merged()
	}
	v, ok := of.Result(s.spec)
	if !ok {
		return event.Value{}
	}
	return v
}

func (s *slot) merged() *agg.Acc {
	s.total.Reset()
	for _, part := range []*agg.Acc{&s.front, &s.middle, &s.back} {
		if err := s.total.Merge(s.spec, part); err != nil {
			panic("window: " + err.Error()) // only of sets
		}
	}
	return &s.total
}

func (s *slot) append(buf []byte) []byte {
	switch s.kind {
	case removable:
		return s.all.AppendTo(buf, s.spec)
	case distinct:
		return s.counted.append(buf)
	case sorted:
		return s.ranked.append(buf)
	}
	buf = s.front.AppendTo(buf, s.spec)
	buf = s.middle.AppendTo(buf, s.spec)
	return s.back.AppendTo(buf, s.spec)
}

func (s *slot) decode(c *cursor) {
	switch s.kind {
	case removable:
		c.acc(&s.all, s.spec)
	case distinct:
		s.counted.decode(c)
	case sorted:
		s.ranked.decode(c)
	default:
		c.acc(&s.front, s.spec)
		c.acc(&s.middle, s.spec)
		c.acc(&s.back, s.spec)
	}
}

// reset empties the slot.
func (s *slot) reset() {
	s.all.Reset()
	s.front.Reset()
	s.middle.Reset()
	s.back.Reset()
	s.counted = counted{slot: s.counted.slot, items: s.counted.items[:0], scratch: s.counted.scratch}
	s.ranked = ranked{slot: s.ranked.slot, dir: s.ranked.dir[:0], scratch: s.ranked.scratch}
}

func (c *cursor) acc(acc *agg.Acc, s agg.Spec) {
	if c.bad {
		return
	}
	rest, err := acc.Decode(c.buf, s)
	if err != nil {
		c.bad = true
		return
	}
	c.buf = rest
}
