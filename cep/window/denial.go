package window

import "github.com/caltrop/caltrop/cep/expr"

// A denial is a part of having for which few aggregates need be known: while
// it is false the others are not asked for. A key knows by its place, counted
// from 1, the one that was false at its last event, 0 where it knows of none.
type denial struct {
	part   *expr.Part
	usable bool   // its values are bare aggregates
	slots  []int  // aggregates to know
	values []int  // values that are such an aggregate
	picks  uint64 // it reads only these slots, which are picks; 0: it reads more
	stays  stays
}

// denialsMax is how many parts of having a key can name.
const denialsMax = 255

// makeDenials looks at the parts of having; those that let rows linger go before.
func (r *rolling) makeDenials() {
	if r.Having == nil {
		return
	}
	var others []denial
	for i := range r.Having.Parts[:min(len(r.Having.Parts), denialsMax)] {
		d := denial{part: &r.Having.Parts[i]}
		d.usable = r.needs(&d)
		d.picks = r.picksOf(&d)
		if r.staysOf(&d); d.stays.ever {
			r.denials = append(r.denials, d)
		} else {
			others = append(others, d)
		}
	}
	r.denials = append(r.denials, others...)
	r.makeCeilings()
}

// last is the denial of the key's last event; nil where it knows of none.
func (r *rolling) last() *denial {
	if place := int(r.ring.denial); place > 0 && place <= len(r.denials) {
		return &r.denials[place-1]
	}
	return nil
}

func (r *rolling) picksOf(d *denial) (picks uint64) {
	for _, slot := range d.slots {
		if r.slots[slot].kind != picked || slot >= 64 {
			return 0
		}
		picks |= 1 << slot
	}
	if d.part.More {
		return 0
	}
	return picks
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

// denied reports whether the part that was false at the key's last event is
// false again, so that having is. Where all that it reads is as it was, it is.
// The slots are in b, or where that is nil in r.slots.
func (r *rolling) denied(b []byte, at int64) bool {
	d := r.last()
	if d == nil || !d.usable {
		return false
	}
	if b != nil && d.picks != 0 && d.picks&r.moved == 0 {
		return true
	}
	for _, slot := range d.slots {
		if b == nil {
			r.result(slot)
		} else {
			r.resultInPlace(b, slot)
		}
	}
	r.frame.Time, r.frame.Facts = at, r.facts
	return r.denies(d)
}

// blame notes a part that made having false in the evaluation that judge just
// made: the one of the event before if it did again, else one that lets rows
// linger before others.
func (r *rolling) blame(holds bool) {
	if d := r.last(); !holds && d != nil && d.part.Denies(&r.frame) {
		return
	}
	if r.ring.denial = 0; holds {
		return
	}
	for i := range r.denials {
		if r.denials[i].usable && r.denials[i].part.Denies(&r.frame) {
			r.ring.denial = uint8(i + 1)
			return
		}
	}
}
