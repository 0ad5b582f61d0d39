package match

import "github.com/caltrop/caltrop/cep/event"

// A view shows the events of one run to expressions, by step.
type view struct {
	m     *Machine
	tail  int32
	built bool
	steps [][]int32 // by step: held events in order
	lost  []uint32  // by step: events matched but no longer kept
}

// bind shows the links that end at tail; -1 shows nothing.
func (v *view) bind(tail int32) {
	if v.tail != tail || tail < 0 {
		v.tail, v.built = tail, false
	}
}

func (v *view) reset() { v.tail, v.built = -1, false }

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
	return v.m.st.event(v.m, v.steps[step][i])
}

// Agg is never asked: patterns compile their aggregates over lists.
func (v *view) Agg(int) (event.Value, bool) { return event.Value{}, false }
