package window

import (
	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

var _ match.Bounded = (*rolling)(nil)

// Quiet implements match.Bounded. A count, or a number of distinct values, grows by
// one with an event at most: where a part of having that asks for more of them
// than a key can then have is false, having is.
func (r *rolling) Quiet(state []byte, events int) bool {
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
	for _, d := range r.ceilings {
		if r.below(d, state, events) {
			return true
		}
	}
	return false
}

// makeCeilings notes the denials that only ask for more of what grows by one.
func (r *rolling) makeCeilings() {
	for i := range r.denials {
		if d := &r.denials[i]; d.usable && r.climbs(d) {
			r.ceilings = append(r.ceilings, d)
		}
	}
}

func (r *rolling) climbs(d *denial) bool {
	for _, b := range d.part.Bounds {
		if fn := r.slots[r.bounded(b)].spec.Func; !b.Above || fn != agg.Count && fn != agg.Distinct {
			return false
		}
	}
	return len(d.part.Bounds) > 0
}

// below reports whether a part is false for so many events more than the state has.
func (r *rolling) below(d *denial, state []byte, events int) bool {
	for _, slot := range d.slots {
		if r.flat && len(state) > 0 {
			r.resultInPlace(state, slot)
		} else {
			r.result(slot)
		}
		most := r.aggs[slot].Int() + int64(events)
		if r.slots[slot].kind == distinct && (most > agg.ExactMax || r.slots[slot].counted.mode == countSketch) {
			return false
		}
		r.aggs[slot] = event.IntOf(most)
	}
	for _, v := range d.values {
		if !r.copy(v) {
			return false
		}
	}
	return d.part.Denies(&r.frame)
}
