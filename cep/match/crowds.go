package match

import (
	"encoding/binary"
	"iter"
	"math/bits"
)

// The record of a Cohort for a key: a byte for the format, then each crowd, the
// length of its set in words, the words, little-endian, the length of the state,
// the state. No two crowds have a member in common; a member of none remembers
// nothing.
const formatCrowds = 1

// read makes c.crowds what a record holds; they point into it.
func (c *Cohort) read(raw []byte) {
	c.crowds = c.crowds[:0]
	if len(raw) == 0 {
		return
	}
	if raw[0] != formatCrowds {
		panic("match: crowds: unknown format")
	}
	for r := (reader{raw[1:]}); len(r.b) > 0; {
		k := crowd{set: c.sets.take()}
		words := int(r.uint())
		if words > len(k.set) || len(r.b) < 8*words {
			panic("match: crowds: truncated")
		}
		for i := range words {
			k.set[i] = binary.LittleEndian.Uint64(r.b[8*i:])
		}
		r.b = r.b[8*words:]
		k.state = r.bytes()
		c.crowds = append(c.crowds, k)
	}
}

// write returns the record of c.crowds, empty where there are none.
func (c *Cohort) write() []byte {
	b := c.buf[:0]
	for i := range c.crowds {
		k := &c.crowds[i]
		words := len(k.set)
		for words > 0 && k.set[words-1] == 0 {
			words--
		}
		if words == 0 {
			continue
		}
		if len(b) == 0 {
			b = append(b, formatCrowds)
		}
		b = binary.AppendUvarint(b, uint64(words))
		for _, w := range k.set[:words] {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
		b = binary.AppendUvarint(b, uint64(len(k.state)))
		b = append(b, k.state...)
	}
	c.buf = b
	return b
}

// Member returns what one member remembers, by a key's record; nil for nothing.
func (c *Cohort) Member(raw []byte, place int) []byte {
	c.sets.reset(len(c.present))
	c.read(raw)
	for i := range c.crowds {
		if c.crowds[i].set.has(place) {
			return c.crowds[i].state
		}
	}
	return nil
}

// Replace returns a key's record with another state of one member, empty for
// none. It is valid until the next call.
func (c *Cohort) Replace(raw []byte, place int, state []byte) []byte {
	one := make(set, len(c.present))
	one.add(place)
	c.without(raw, one)
	c.put(one, state)
	c.crowds, c.next = c.next, c.crowds
	return c.write()
}

// Without returns a key's record without some members, and whether it held any.
// It is valid until the next call.
func (c *Cohort) Without(raw []byte, places []int) (record []byte, held bool) {
	gone := make(set, len(c.present))
	for _, p := range places {
		gone.add(p)
	}
	held = c.without(raw, gone)
	c.crowds, c.next = c.next, c.crowds
	return c.write(), held
}

// without makes c.next what a record holds of others.
func (c *Cohort) without(raw []byte, gone set) (held bool) {
	c.sets.reset(len(c.present))
	c.read(raw)
	c.next = c.next[:0]
	for _, k := range c.crowds {
		held = held || k.set.meets(gone)
		k.set.subtract(gone)
		c.put(k.set, k.state)
	}
	return held
}

// A set is places, a bit each. Sets of one Cohort are of one length.
type set []uint64

func (s set) grown(n int) set {
	for len(s) < (n+63)/64 {
		s = append(s, 0)
	}
	return s
}

func (s set) add(i int)      { s[i>>6] |= 1 << (i & 63) }
func (s set) remove(i int)   { s[i>>6] &^= 1 << (i & 63) }
func (s set) has(i int) bool { return s[i>>6]>>(i&63)&1 != 0 }

func (s set) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

func (s set) meets(o set) bool {
	for i, w := range s {
		if w&o[i] != 0 {
			return true
		}
	}
	return false
}

func (s set) unite(o set) {
	for i, w := range o {
		s[i] |= w
	}
}

func (s set) subtract(o set) {
	for i, w := range o {
		s[i] &^= w
	}
}

func (s set) intersect(o set) {
	for i, w := range o {
		s[i] &= w
	}
}

// first returns the least member of a set that is not empty.
func (s set) first() int {
	for i, w := range s {
		if w != 0 {
			return i<<6 + bits.TrailingZeros64(w)
		}
	}
	panic("match: the first of an empty set")
}

// all yields the members, rising.
func (s set) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, w := range s {
			for ; w != 0; w &= w - 1 {
				if !yield(i<<6 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}

// A slab gives out sets that last until it is reset.
type slab struct {
	words []uint64
	used  int
	width int
}

func (s *slab) reset(width int) { s.used, s.width = 0, width }

// take returns an empty set.
func (s *slab) take() set {
	if s.used+s.width > len(s.words) { // sets given out before keep the old words
		s.words, s.used = make([]uint64, 2*len(s.words)+16*s.width), 0
	}
	t := set(s.words[s.used : s.used+s.width : s.used+s.width])
	s.used += s.width
	clear(t)
	return t
}

func (s *slab) copy(o set) set {
	t := s.take()
	copy(t, o)
	return t
}
