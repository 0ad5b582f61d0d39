package agg

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/axiomhq/hyperloglog"
	"github.com/zeebo/xxh3"

	"github.com/caltrop/caltrop/cep/event"
)

const (
	// exactMax is how many distinct values are counted exactly (language §5).
	exactMax = 1024
	// scanMax is how many are searched one by one before an index is made.
	scanMax = 16
)

// An element is a distinct value, reduced to what tells values of one type
// apart.
type element struct {
	num int64
	str string
}

func elementOf(s Spec, v event.Value) element {
	switch s.Type {
	case event.String:
		return element{str: v.Str()}
	case event.Double:
		if d := s.double(v); d == 0 || d != d { // −0 is 0, all NaN are one
			return element{num: event.DoubleOf(d + 0).Int()}
		}
	}
	return element{num: v.Int()}
}

// hash input: the text, or the number's eight bytes.
func (e element) appendTo(buf []byte, t event.Type) []byte {
	if t == event.String {
		return append(buf, e.str...)
	}
	return binary.BigEndian.AppendUint64(buf, uint64(e.num))
}

// A set counts distinct values: exactly up to exactMax, then by HyperLogLog++
// with 2^14 registers (S. Heule, M. Nunkesser, A. Hall, EDBT 2013), whose
// state does not depend on the order of the values.
type set struct {
	items  []element // in order of arrival; nil once there is a sketch
	index  map[element]struct{}
	sketch *hyperloglog.Sketch
}

func (s *set) add(spec Spec, v event.Value) { s.insert(spec, elementOf(spec, v)) }

func (s *set) insert(spec Spec, e element) {
	if s.sketch != nil {
		s.sketch.InsertHash(xxh3.Hash(e.appendTo(nil, spec.Type)))
		return
	}
	if s.contains(e) {
		return
	}
	if len(s.items) == exactMax {
		s.leaveExact(spec)
		s.sketch.InsertHash(xxh3.Hash(e.appendTo(nil, spec.Type)))
		return
	}
	s.items = append(s.items, e)
	if s.index != nil {
		s.index[e] = struct{}{}
	}
}

func (s *set) contains(e element) bool {
	if len(s.items) <= scanMax {
		return slices.Contains(s.items, e)
	}
	if s.index == nil {
		s.index = make(map[element]struct{}, 2*len(s.items))
		for _, x := range s.items {
			s.index[x] = struct{}{}
		}
	}
	_, ok := s.index[e]
	return ok
}

func (s *set) leaveExact(spec Spec) {
	s.sketch = hyperloglog.NewNoSparse()
	for _, e := range s.items {
		s.sketch.InsertHash(xxh3.Hash(e.appendTo(nil, spec.Type)))
	}
	s.items, s.index = nil, nil
}

func (s *set) count() int64 {
	if s.sketch != nil {
		return int64(s.sketch.Estimate())
	}
	return int64(len(s.items))
}

func (s *set) clone() *set {
	c := &set{items: slices.Clone(s.items)}
	if s.sketch != nil {
		c.sketch = s.sketch.Clone()
	}
	return c
}

func (s *set) merge(spec Spec, o *set) error {
	if o.sketch == nil {
		for _, e := range o.items {
			s.insert(spec, e)
		}
		return nil
	}
	if s.sketch == nil {
		s.leaveExact(spec)
	}
	if err := s.sketch.Merge(o.sketch); err != nil {
		return fmt.Errorf("merging distinct counts: %w", err)
	}
	return nil
}
