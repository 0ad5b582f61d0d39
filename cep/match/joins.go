package match

import (
	"encoding/binary"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
)

// This file keeps runs apart by equality: where a condition asks that a field is
// that of an earlier event, each held event has a tag of that field in the key's
// state, and a run whose event has another one is not looked at.

// joining tells by what the runs of a pattern are kept apart.
type joining struct {
	field  []int        // by stream: the field whose tag its events have; -1: none
	byPred []*expr.Join // nil: no equality that tags tell of
}

// Tags that are no field's.
const (
	tagAny  = iota // the field is not there: conditions are to be asked
	tagNone        // events of the stream have none
	tagLow
)

// joiningOf returns nil where no condition has an equality with an earlier event.
func joiningOf(r *prog.Rule) *joining {
	j := &joining{field: slices.Repeat([]int{-1}, len(r.Streams)), byPred: make([]*expr.Join, len(r.Pattern.Preds))}
	found := false
	for i := range r.Pattern.Preds {
		cond := r.Pattern.Preds[i].Cond
		if cond == nil {
			continue
		}
		for k := range cond.Joins {
			join := &cond.Joins[k]
			field := &j.field[r.Pattern.Steps[join.Step].Stream]
			if *field < 0 {
				*field = join.Of
			}
			if *field == join.Of {
				j.byPred[i], found = join, true
				break
			}
		}
	}
	if !found {
		return nil
	}
	return j
}

func tagOf(v event.Value) uint16 {
	if !v.Present() {
		return tagAny
	}
	return max(v.Tag(), tagLow)
}

// tag is that of the event being applied, as a held one.
func (m *Machine) tag() uint16 {
	switch j := m.layout.joining; {
	case j == nil:
		return tagAny
	case j.field[m.stream] < 0:
		return tagNone
	default:
		return tagOf(m.ev.Values[j.field[m.stream]])
	}
}

// apart reports whether a condition is false for the run whose links end at
// tail, as it asks for another value of a field.
func (m *Machine) apart(i int, tail int32) bool {
	if m.layout.joining == nil {
		return false
	}
	join := m.layout.joining.byPred[i]
	if join == nil {
		return false
	}
	wanted := m.wanted(i, join)
	for ; wanted != tagAny && tail >= 0; tail = m.st.links[tail].prev {
		if l := &m.st.links[tail]; m.pat.Positions[l.pos].Step == join.Step {
			has := m.st.held[l.event].tag
			return has != tagAny && has != wanted
		}
	}
	return false
}

// wanted is the tag that a condition asks for.
func (m *Machine) wanted(i int, join *expr.Join) uint16 {
	w := &m.wants[i]
	if !w.known {
		*w = want{true, tagOf(m.ev.Values[join.Field])}
	}
	return w.tag
}

// A want is a tag that is worked out once an event.
type want struct {
	known bool
	tag   uint16
}

// met reports whether a condition may hold for a run of the key's state, of whose
// held events these are the tags.
func (m *Machine) met(i int, tags []byte) bool {
	if !m.may(i) {
		return false
	}
	if m.layout.joining == nil || m.layout.joining.byPred[i] == nil {
		return true
	}
	wanted := m.wanted(i, m.layout.joining.byPred[i])
	for ; len(tags) > 0; tags = tags[tagBytes:] {
		if tag := binary.LittleEndian.Uint16(tags); wanted == tagAny || tag == tagAny || tag == wanted {
			return true
		}
	}
	return false
}

// What a tag takes, and the count of the tags.
const (
	tagBytes  = 2
	tagsBytes = 4
)

// appendTags writes the tags of the held events that mark left referenced.
func (m *Machine) appendTags(b []byte, events int) []byte {
	if m.layout.joining == nil {
		return b
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(events))
	for i := range m.st.held {
		if m.st.held[i].ref == 0 {
			b = binary.LittleEndian.AppendUint16(b, m.st.held[i].tag)
		}
	}
	return b
}

// tagsOf returns the tags in a state; nil where there are none.
func (m *Machine) tagsOf(raw []byte) []byte {
	if m.layout.joining == nil {
		return nil
	}
	r := reader{raw[headBytes:]}
	return r.take(tagBytes * uint64(binary.LittleEndian.Uint32(r.take(tagsBytes))))
}

// glanceOf tells what conditions read of earlier events; nil where that cannot
// be said.
func glanceOf(r *prog.Rule) []event.Glance {
	glances := make([]event.Glance, len(r.Streams))
	for i := range r.Pattern.Preds {
		cond := r.Pattern.Preds[i].Cond
		if cond == nil {
			continue
		}
		for name := range cond.Reads.Past {
			for s, schema := range r.Streams {
				switch at := schema.Index(name); {
				case at >= 64:
					return nil
				case at >= 0:
					glances[s].Fields |= 1 << at
				}
			}
		}
	}
	return glances
}
