package window

import "github.com/caltrop/caltrop/cep/expr"

// A denial is a part of having for which few aggregates need be known: while
// it is false the others are not asked for.
type denial struct {
	part   *expr.Part
	slots  []int // aggregates to know
	values []int // values that are such an aggregate
}

// makeDenials finds the parts of having whose values are bare aggregates.
func (r *rolling) makeDenials() {
	if r.Having == nil {
		return
	}
	for i := range r.Having.Parts {
		d := denial{part: &r.Having.Parts[i]}
		if r.needs(&d) {
			r.denials = append(r.denials, d)
		}
	}
}

func (r *rolling) needs(d *denial) bool {
	d.slots = append(d.slots, d.part.Aggs...)
	for _, v := range d.part.Values {
		if r.copies[v] < 0 {
			return false
		}
		d.slots, d.values = append(d.slots, r.copies[v]), append(d.values, v)
	}
	return true
}

// denied reports whether the part that was false last is false again, so that
// having is. It may be asked again and again: the answer is that of judge.
func (r *rolling) denied(b []byte, at int64) bool {
	if len(r.denials) == 0 {
		return false
	}
	d := &r.denials[r.denial]
	for _, slot := range d.slots {
		r.resultInPlace(b, slot)
	}
	for _, v := range d.values {
		if !r.copy(v) {
			return false
		}
	}
	r.frame.Time, r.frame.Facts = at, r.facts
	return d.part.Denies(&r.frame)
}

// blame finds the part that made having false in the evaluation that judge just
// made.
func (r *rolling) blame() {
	for i := range r.denials {
		if r.denials[i].part.Denies(&r.frame) {
			r.denial = i
			return
		}
	}
}
