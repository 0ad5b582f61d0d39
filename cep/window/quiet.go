package window

import (
	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
)

var _ match.Bounded = (*rolling)(nil)

// A ceiling is a denial that tells from a key's state and the events to come that
// it lasts. A count, or a number of distinct values, grows by one with an event at
// most; a maximum or minimum is as the state has it, or lies lower, unless an event
// that comes has a value that would not be denied by itself.
type ceiling struct {
	*denial
	peak  int   // the slot of the maximum or minimum that it is about; -1: it counts
	field int   // of the event: the peak's values
	bit   uint8 // in Lifts, which has room for eight; 0: it counts
}

// Lifts implements match.Bounded: a bit for each ceiling that the event's value may
// end.
func (r *rolling) Lifts(ev *event.Event) (lifts uint8) {
	for i := range r.ceilings {
		c := &r.ceilings[i]
		if c.bit == 0 {
			continue
		}
		v := &ev.Values[c.field]
		if r.aggs[c.peak] = r.slots[c.peak].spec.Kept(v.Int()); v.Present() && !r.denies(c.denial) {
			lifts |= c.bit
		}
	}
	return lifts
}

// Quiet implements match.Bounded: where a part of having is false all the time,
// having is.
func (r *rolling) Quiet(state []byte, events int, lifts uint8) bool {
	if len(r.ceilings) == 0 {
		return false
	}
	if r.ring.n = 0; len(state) == 0 {
		r.resetSlots()
	} else if !r.flat {
		r.mustRead(r.decode(state))
	} else {
		r.mustRead(r.ring.read(state))
	}
	for i := range r.ceilings {
		c := &r.ceilings[i]
		if c.bit&lifts == 0 && r.below(c, state, events) {
			return true
		}
	}
	return false
}

// makeCeilings notes the denials that are ceilings.
func (r *rolling) makeCeilings() {
	bit := uint8(1)
	for i := range r.denials {
		d := &r.denials[i]
		switch {
		case !d.usable || len(d.part.Bounds) == 0:
		case r.each(d, r.climbs):
			r.ceilings = append(r.ceilings, ceiling{denial: d, peak: -1})
		case bit != 0 && r.each(d, r.peaks):
			peak := r.bounded(d.part.Bounds[0])
			if field := r.columns[r.slots[peak].column].field; field >= 0 {
				r.ceilings = append(r.ceilings, ceiling{d, peak, field, bit})
				bit <<= 1
			}
		}
	}
}

func (r *rolling) each(d *denial, is func(d *denial, b expr.Bound) bool) bool {
	for _, b := range d.part.Bounds {
		if !is(d, b) {
			return false
		}
	}
	return true
}

// climbs reports whether a comparison is about what grows by one.
func (r *rolling) climbs(_ *denial, b expr.Bound) bool {
	fn := r.slots[r.bounded(b)].spec.Func
	return b.Above && (fn == agg.Count || fn == agg.Distinct)
}

// peaks reports whether a comparison is about the maximum or minimum that the
// others of its part are about.
func (r *rolling) peaks(d *denial, b expr.Bound) bool {
	peak := r.bounded(b)
	s := &r.slots[peak]
	return peak == r.bounded(d.part.Bounds[0]) && s.kind == picked && !r.picks[s.pick].text &&
		(s.spec.Func == agg.Max && b.Above || s.spec.Func == agg.Min && !b.Above)
}

// below reports whether a ceiling lasts for so many events more than the state
// has, if none lifts it.
func (r *rolling) below(c *ceiling, state []byte, events int) bool {
	for _, slot := range c.slots {
		if r.flat && len(state) > 0 {
			r.resultInPlace(state, slot)
		} else {
			r.result(slot)
		}
		if slot == c.peak {
			if !r.aggs[slot].Present() {
				return true
			}
			continue
		}
		most := r.aggs[slot].Int() + int64(events)
		if r.slots[slot].kind == distinct && (most > agg.ExactMax || r.slots[slot].counted.mode == countSketch) {
			return false
		}
		r.aggs[slot] = event.IntOf(most)
	}
	return r.denies(c.denial)
}

// denies reports whether a part is false of what is in r.aggs.
func (r *rolling) denies(d *denial) bool {
	for _, v := range d.values {
		if !r.copy(v) {
			return false
		}
	}
	return d.part.Denies(&r.frame)
}
