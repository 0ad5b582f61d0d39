package match

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
)

// A Guarded evaluator tells beforehand which events cannot matter to it.
type Guarded interface {
	// Guards returns the conditions on events of a schema of which at least one
	// must hold, or end in an error, for an event to matter; a nil condition
	// always holds. ok is false when every event matters.
	Guards(schema *event.Schema) (conditions []*expr.Program, ok bool)
}

// A Sieve finds the evaluators to which an event may matter without asking
// each of them: their conditions are filed by what they compare fields of the
// event with. It may let through too many, never too few. One goroutine at a
// time.
type Sieve struct {
	always []uint64
	texts  []*textIndex
	rest   drawer
	hits   []uint64
}

// NewSieve returns the sieve of n evaluators over events of one schema.
func NewSieve(schema *event.Schema, evaluators []Evaluator) *Sieve {
	words := (len(evaluators) + 63) / 64
	s := &Sieve{always: make([]uint64, words), hits: make([]uint64, words)}
	for i, e := range evaluators {
		g, guarded := e.(Guarded)
		if !guarded {
			s.admit(i)
			continue
		}
		conditions, ok := g.Guards(schema)
		if !ok {
			s.admit(i)
			continue
		}
		for _, c := range conditions {
			s.file(schema, i, c)
		}
	}
	s.rest.sort()
	for _, t := range s.texts {
		t.sort()
	}
	return s
}

func (s *Sieve) admit(member int) { s.always[member>>6] |= 1 << (member & 63) }

// file puts one condition of a member where an event that it needs will find
// it: by a text it equals, then by a limit; without either every event does.
func (s *Sieve) file(schema *event.Schema, member int, c *expr.Program) {
	if c == nil || len(c.Needs) == 0 {
		s.admit(member)
		return
	}
	text, limit := choose(schema, c.Needs, true), choose(schema, c.Needs, false)
	if text == nil {
		s.rest.file(member, limit)
		return
	}
	t := s.textIndex(text.Field)
	t.drawer(text.Text).file(member, limit)
	t.missing.file(member, limit) // an event without the field is an error, which counts
}

// choose picks the need to file a condition by, first of fields that every
// event has.
func choose(schema *event.Schema, needs []expr.Need, text bool) (best *expr.Need) {
	for i := range needs {
		b := &needs[i]
		if (b.Op == expr.Is) == text && (best == nil || schema.Fields[best.Field].Optional && !schema.Fields[b.Field].Optional) {
			best = b
		}
	}
	return best
}

func (s *Sieve) textIndex(field int) *textIndex {
	for _, t := range s.texts {
		if t.field == field {
			return t
		}
	}
	t := &textIndex{field: field, at: map[string]int{}}
	s.texts = append(s.texts, t)
	return t
}

// Pass returns the members to which ev may matter, as a set of bits that is
// valid until the next call.
func (s *Sieve) Pass(ev *event.Event) []uint64 {
	copy(s.hits, s.always)
	for _, t := range s.texts {
		v := &ev.Values[t.field]
		if !v.Present() {
			s.open(&t.missing, ev)
		} else if d := t.find(v.Str()); d != nil {
			s.open(d, ev)
		}
	}
	s.open(&s.rest, ev)
	return s.hits
}

func (s *Sieve) mark(members []int) {
	for _, m := range members {
		s.hits[m>>6] |= 1 << (m & 63)
	}
}

func (s *Sieve) open(d *drawer, ev *event.Event) {
	s.mark(d.members)
	for i := range d.limits {
		l := &d.limits[i]
		v := &ev.Values[l.field]
		if !v.Present() {
			s.mark(l.members)
		} else {
			s.mark(l.members[:l.reach(v.Double())])
		}
	}
}

// Any reports whether a set has a member.
func Any(set []uint64) bool {
	for _, word := range set {
		if word != 0 {
			return true
		}
	}
	return false
}

// NextMember takes the first member out of a set that Pass returned; -1 when
// it is empty.
func NextMember(set []uint64) int {
	for i, word := range set {
		if word != 0 {
			set[i] = word & (word - 1)
			return i<<6 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// A textIndex files conditions by the value of one text field.
type textIndex struct {
	field   int
	at      map[string]int // position in drawers
	texts   []string
	drawers []*drawer
	missing drawer
}

func (t *textIndex) drawer(text string) *drawer {
	i, ok := t.at[text]
	if !ok {
		i = len(t.drawers)
		t.at[text] = i
		t.texts, t.drawers = append(t.texts, text), append(t.drawers, &drawer{})
	}
	return t.drawers[i]
}

// scanMax is up to how many texts are compared one by one: that is faster
// than hashing.
const scanMax = 6

func (t *textIndex) find(text string) *drawer {
	if len(t.texts) <= scanMax {
		for i, s := range t.texts {
			if len(s) == len(text) && (s == "" || s[0] == text[0] && s == text) { // most differ without a call
				return t.drawers[i]
			}
		}
		return nil
	}
	if i, ok := t.at[text]; ok {
		return t.drawers[i]
	}
	return nil
}

func (t *textIndex) sort() {
	t.missing.sort()
	for _, d := range t.drawers {
		d.sort()
	}
}

// A drawer holds members, and others by one limit.
type drawer struct {
	members []int
	limits  []limit
}

func (d *drawer) file(member int, b *expr.Need) {
	if b == nil {
		d.members = append(d.members, member)
		return
	}
	i := slices.IndexFunc(d.limits, func(l limit) bool { return l.field == b.Field && l.op == b.Op })
	if i < 0 {
		i = len(d.limits)
		d.limits = append(d.limits, limit{field: b.Field, op: b.Op})
	}
	l := &d.limits[i]
	l.values, l.members = append(l.values, b.Limit), append(l.members, member)
}

func (d *drawer) sort() {
	for i := range d.limits {
		d.limits[i].sort()
	}
}

// A limit files members by what a number may not be above, or below; those
// that are reached first come first.
type limit struct {
	field   int
	op      expr.NeedOp
	values  []float64
	members []int
}

func (l *limit) sort() {
	order := make([]int, len(l.values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		c := cmp.Compare(l.values[a], l.values[b])
		if l.op == expr.AtMost {
			c = -c
		}
		return c
	})
	values, members := make([]float64, len(order)), make([]int, len(order))
	for i, from := range order {
		values[i], members[i] = l.values[from], l.members[from]
	}
	l.values, l.members = values, members
}

// reach returns how many members, from the first, x reaches.
func (l *limit) reach(x float64) int {
	n := 0
	if l.op == expr.AtMost {
		for n < len(l.values) && x <= l.values[n] {
			n++
		}
		return n
	}
	for n < len(l.values) && x >= l.values[n] {
		n++
	}
	return n
}
