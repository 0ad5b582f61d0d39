package match

import (
	"slices"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
)

// A view shows the events of one run to expressions, by step.
type view struct {
	m     *Machine
	tail  int32
	built bool
	steps [][]int32 // by step: held events in order
	lost  []uint32  // by step: events matched but no longer kept
	// partial says that steps are all there is: aggregates leave out events
	// that are lost or trimmed.
	partial bool
	brief   bool // a condition reads
}

// bind shows the links that end at tail; -1 shows nothing.
func (v *view) bind(tail int32) {
	if v.tail != tail || tail < 0 {
		v.tail, v.built, v.partial = tail, false, false
	}
}

func (v *view) reset() { v.tail, v.built, v.partial = -1, false, false }

func (v *view) build() {
	if v.built {
		return
	}
	v.built = true
	n := len(v.m.pat.Steps)
	if v.steps == nil {
		v.steps, v.lost = make([][]int32, n), make([]uint32, n)
	}
	clear(v.lost)
	for i := range v.steps {
		v.steps[i] = v.steps[i][:0]
	}
	for l := v.tail; l >= 0; l = v.m.st.links[l].prev {
		k := &v.m.st.links[l]
		s := v.m.pat.Positions[k.pos].Step
		v.steps[s] = append(v.steps[s], k.event)
		v.lost[s] += k.lost
	}
	for _, s := range v.steps {
		for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
			s[i], s[j] = s[j], s[i]
		}
	}
}

// Len returns how many events are bound to a step.
func (v *view) Len(step int) int {
	v.build()
	return len(v.steps[step])
}

// At returns the i-th event bound to a step.
func (v *view) At(step, i int) *event.Event {
	v.build()
	if v.brief {
		return v.m.st.part(v.m, v.steps[step][i])
	}
	return v.m.st.event(v.m, v.steps[step][i])
}

// One returns the event bound to a step that takes one, nil where there is none.
func (v *view) One(step int) *event.Event {
	if !v.brief || v.built {
		if v.Len(step) == 0 {
			return nil
		}
		return v.At(step, 0)
	}
	for l := v.tail; l >= 0; l = v.m.st.links[l].prev {
		if k := &v.m.st.links[l]; v.m.pat.Positions[k.pos].Step == step {
			return v.m.st.part(v.m, k.event)
		}
	}
	return nil
}

// evidenceMax is how many events an alert keeps as evidence, of too many the
// first and last half.
const evidenceMax = 200

// trim leaves the events that the alert keeps, for its measures and summary
// (language §7).
func (v *view) trim() {
	v.build()
	for _, lost := range v.lost {
		v.partial = v.partial || lost > 0
	}
	if size(v.steps) <= evidenceMax {
		return
	}
	v.partial = true
	all := slices.Concat(v.steps...)
	slices.Sort(all)
	from, to := all[evidenceMax/2], all[len(all)-evidenceMax/2]
	for i := range v.steps {
		v.steps[i] = slices.DeleteFunc(v.steps[i], func(e int32) bool { return e >= from && e < to })
	}
}

// Agg returns an aggregate over all events of the match, kept or not; after
// trim over those that the alert keeps.
func (v *view) Agg(slot int) (event.Value, bool) {
	spec := v.m.pat.Aggs[slot].Spec
	if v.partial {
		return v.aggregate(&v.m.pat.Aggs[slot])
	}
	if v.tail < 0 {
		var none agg.Acc
		return none.Result(spec)
	}
	return v.m.st.links[v.tail].accs[slot].Result(spec)
}

func (v *view) aggregate(a *expr.Agg) (event.Value, bool) {
	var acc agg.Acc
	for i := range v.Len(a.Step) {
		addTo(&acc, a, v.At(a.Step, i))
	}
	return acc.Result(a.Spec)
}

// extend returns the aggregates of the match that ends at link prev (-1: none)
// with the current event taken at a position.
func (m *Machine) extend(prev, pos int32) []agg.Acc {
	if len(m.pat.Aggs) == 0 {
		return nil
	}
	accs := make([]agg.Acc, len(m.pat.Aggs))
	for i := range accs {
		a := &m.pat.Aggs[i]
		if prev >= 0 {
			accs[i] = m.st.links[prev].accs[i].Clone()
		}
		if a.Step == m.pat.Positions[pos].Step {
			addTo(&accs[i], a, m.ev)
		}
	}
	return accs
}

// addTo gives an event of the step to an aggregate; one that lacks the field
// is left out.
func addTo(acc *agg.Acc, a *expr.Agg, ev *event.Event) {
	switch {
	case a.Time:
		acc.Add(a.Spec, event.TimestampOf(ev.Time))
	case a.Field < 0:
		acc.Add(a.Spec, event.Value{})
	case ev.Values[a.Field].Present():
		acc.Add(a.Spec, ev.Values[a.Field])
	}
}
