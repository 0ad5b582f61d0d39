// Package agg holds the aggregates of language §2 and §5: accumulators with
// an exact, deterministic encoding, used by runs of a pattern and by windows.
// It is pure.
package agg

import (
	"math"

	"github.com/caltrop/caltrop/cep/event"
)

// A Func is an aggregate function.
type Func uint8

// The aggregate functions.
const (
	Count Func = iota
	Sum
	Avg
	Min
	Max
	Stddev // of the population
	Distinct
	First
	Last
	Percentile // nearest rank
)

// A Spec is an aggregate over values of one type.
type Spec struct {
	Func  Func
	Type  event.Type // of the argument; Invalid for a bare count
	Scale uint8      // of a Decimal argument: sums are exact, on scaled integers
	P     float64    // of Percentile
}

// exact reports whether sums are kept in integers.
func (s Spec) exact() bool { return s.Type == event.Int || s.Type == event.Decimal }

// double is a number of the argument's type as a double.
func (s Spec) double(v event.Value) float64 {
	if s.Type == event.Double {
		return math.Float64frombits(uint64(v.Int()))
	}
	return float64(v.Int()) / s.unit()
}

// unit is 10^scale of a Decimal, 1 of an Int.
func (s Spec) unit() float64 {
	p := 1.0
	if s.Type == event.Decimal {
		for range s.Scale {
			p *= 10
		}
	}
	return p
}

// An Acc is the running state of one aggregate. The zero Acc is empty and
// ready. A plain copy shares nothing mutable with the original only after
// Clone. Not safe for concurrent use.
//
// Count, sums and moments live in the Acc; a kept value, a set or a list of
// values is behind the pointer.
type Acc struct {
	n    int64
	sum  wide    // of exact types: the sum of the scaled integers
	more *detail // nil until needed
}

// detail is what only some aggregates need.
type detail struct {
	value   event.Value // Min, Max, First, Last
	total   long        // of doubles: Sum, Avg, Stddev: the sum
	squares long        // of doubles: Stddev: the sum of the squares
	powers  vast        // of exact types: Stddev: the sum of the squares
	set     *set        // Distinct
	values  []event.Value
}

func (a *Acc) detail() *detail {
	if a.more == nil {
		a.more = &detail{}
	}
	return a.more
}

// Add takes one present value. Bare counts take the zero Value.
func (a *Acc) Add(s Spec, v event.Value) {
	a.n++
	switch s.Func {
	case Sum, Avg, Stddev:
		a.sums(s, v, 1)
	case Min, Max:
		if d := a.detail(); a.n == 1 || better(s, v, d.value) {
			d.value = v
		}
	case First:
		if a.n == 1 {
			a.detail().value = v
		}
	case Last:
		a.detail().value = v
	case Distinct:
		d := a.detail()
		if d.set == nil {
			d.set = &set{}
		}
		d.set.add(s, v)
	case Percentile:
		d := a.detail()
		d.values = append(d.values, v)
	}
}

// better reports whether v replaces old as the least or greatest. NaN never
// does, and is replaced by any number.
func better(s Spec, v, old event.Value) bool {
	c := compare(s, v, old)
	if s.Func == Min {
		return c < 0
	}
	return c > 0
}

// compare orders two values of the argument's type. For Min and Max NaN is
// worse than any number, for Percentile (as for Max) the least.
func compare(s Spec, a, b event.Value) int {
	switch s.Type {
	case event.String:
		switch {
		case a.Str() < b.Str():
			return -1
		case a.Str() > b.Str():
			return 1
		}
		return 0
	case event.Double:
		return compareDoubles(s.double(a), s.double(b), s.Func == Min)
	}
	switch {
	case a.Int() < b.Int():
		return -1
	case a.Int() > b.Int():
		return 1
	}
	return 0
}

func compareDoubles(a, b float64, nanLast bool) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	x, y := a != a, b != b
	if x == y {
		return 0
	}
	if x == nanLast {
		return 1
	}
	return -1
}

// Removable reports whether values can be taken out again: what is left is
// then the aggregate of the others, to the last bit.
func (f Func) Removable() bool { return f == Count || f == Sum || f == Avg || f == Stddev }

// Remove takes out a value that Add took. It panics when the function is not
// removable.
func (a *Acc) Remove(s Spec, v event.Value) {
	if !s.Func.Removable() {
		panic("agg: " + s.Func.String() + " cannot forget a value")
	}
	a.n--
	if s.Func != Count {
		a.sums(s, v, -1)
	}
}

// sums adds sign times a value to the sum and, for Stddev, its square.
func (a *Acc) sums(s Spec, v event.Value, sign int64) {
	if !s.exact() {
		d, x := a.detail(), s.double(v)
		d.total.add(x, sign)
		if s.Func == Stddev {
			d.squares.addSquare(x, sign)
		}
		return
	}
	if sign < 0 {
		a.sum.sub(v.Int())
	} else {
		a.sum.add(v.Int())
	}
	if s.Func == Stddev {
		p := vastSquare(v.Int())
		if d := a.detail(); sign < 0 {
			d.powers.take(p)
		} else {
			d.powers.merge(p)
		}
	}
}

// Reset empties the accumulator and keeps its memory.
func (a *Acc) Reset() {
	*a = Acc{more: a.more}
	if d := a.more; d != nil {
		d.total.reset()
		d.squares.reset()
		*d = detail{total: d.total, squares: d.squares, values: d.values[:0]}
	}
}

// Clone returns an independent copy.
func (a *Acc) Clone() Acc {
	c := *a
	if a.more == nil {
		return c
	}
	d := *a.more
	d.values = append([]event.Value(nil), d.values...)
	d.total, d.squares = d.total.clone(), d.squares.clone()
	if d.set != nil {
		d.set = d.set.clone()
	}
	c.more = &d
	return c
}

// Approximate reports whether distinct has left exact counting.
func (a *Acc) Approximate() bool {
	return a.more != nil && a.more.set != nil && a.more.set.sketch != nil
}

// Merge adds what o has taken to a; o stays as it is. First and Last take o's
// values to come after a's. It returns an error when the two cannot be of
// one aggregate.
func (a *Acc) Merge(s Spec, o *Acc) error {
	if o.n == 0 {
		return nil
	}
	if a.n == 0 {
		*a = o.Clone()
		return nil
	}
	a.n += o.n
	a.sum.merge(o.sum)
	if o.more == nil {
		return nil
	}
	return a.detail().merge(s, o.more)
}

func (d *detail) merge(s Spec, o *detail) error {
	switch s.Func {
	case Sum, Avg, Stddev:
		d.total.merge(&o.total)
		d.squares.merge(&o.squares)
		d.powers.merge(o.powers)
	case Min, Max:
		if better(s, o.value, d.value) {
			d.value = o.value
		}
	case Last:
		d.value = o.value
	case Distinct:
		return d.set.merge(s, o.set)
	case Percentile:
		d.values = append(d.values, o.values...)
	}
	return nil
}
