package agg

import (
	"math"
	"math/big"
	"math/bits"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
)

// Result returns the aggregate's value; false when it is an error: anything
// but count and sum of no values, and a sum of ints that leaves the range of
// int. All sums are exact and rounded once, so they do not depend on
// order; those of decimals are doubles.
func (a *Acc) Result(s Spec) (event.Value, bool) {
	switch s.Func {
	case Count:
		return event.IntOf(a.n), true
	case Sum:
		return a.total(s)
	}
	if a.n == 0 {
		return event.Value{}, false
	}
	switch s.Func {
	case Distinct:
		return event.IntOf(a.distinct()), true
	case Avg:
		return event.DoubleOf(a.mean(s)), true
	case Stddev:
		return event.DoubleOf(math.Sqrt(a.variance(s))), true
	case Percentile:
		return s.out(a.more.rank(s)), true
	}
	return s.out(a.more.value), true
}

// out turns a kept value into a result: a decimal reads as a double.
func (s Spec) out(v event.Value) event.Value {
	if s.Type == event.Decimal {
		return event.DoubleOf(s.double(v))
	}
	return v
}

func (a *Acc) distinct() int64 {
	if a.more == nil || a.more.set == nil {
		return 0
	}
	return a.more.set.count()
}

func (a *Acc) total(s Spec) (event.Value, bool) {
	switch {
	case s.Type == event.Int:
		n, ok := a.sum.int64()
		return event.IntOf(n), ok
	case s.Type == event.Decimal:
		return event.DoubleOf(a.sum.divided(s.unit())), true
	case a.more == nil:
		return event.DoubleOf(0), true
	}
	return event.DoubleOf(a.more.total.float()), true
}

// divided is the number over d, rounded once; d is a power of ten.
func (w wide) divided(d float64) float64 {
	const whole = 1 << 53
	if n, ok := w.int64(); ok && n <= whole && n >= -whole {
		return float64(n) / d
	}
	f, _ := new(big.Rat).SetFrac(w.big(), bigInt(d)).Float64()
	return f
}

func bigInt(d float64) *big.Int {
	n, _ := new(big.Float).SetFloat64(d).Int(nil)
	return n
}

func (a *Acc) mean(s Spec) float64 {
	if !s.exact() {
		return a.more.total.float() / float64(a.n)
	}
	const whole = 1 << 53
	per := s.unit() * float64(a.n)
	if n, ok := a.sum.int64(); ok && n <= whole && n >= -whole && per <= whole {
		return float64(n) / per
	}
	under := bigInt(s.unit())
	f, _ := new(big.Rat).SetFrac(a.sum.big(), under.Mul(under, big.NewInt(a.n))).Float64()
	return f
}

// variance of the population, (n·Σx² − (Σx)²) / n², exact until the one
// rounding at the end; NaN when a value is no number.
func (a *Acc) variance(s Spec) float64 {
	if v, ok := a.smallVariance(s); ok {
		return v
	}
	if a.more.total.odd != (odds{}) || a.more.squares.odd != (odds{}) {
		return math.NaN()
	}
	squares, low := a.more.powers.big(), 0
	sum, exp := a.sum.big(), 0
	if !s.exact() {
		squares, low = a.more.squares.big()
		sum, exp = a.more.total.big()
	}
	n := big.NewInt(a.n)
	top := squares.Mul(squares, n)
	sum.Mul(sum, sum)
	exp *= 2
	if low > exp {
		top.Lsh(top, uint(low-exp))
		low = exp
	} else {
		sum.Lsh(sum, uint(exp-low))
	}
	top.Sub(top, sum)
	under := n.Mul(n, bigInt(s.unit()))
	under.Mul(under, under)
	if low > 0 {
		top.Lsh(top, uint(low))
	} else {
		under.Lsh(under, uint(-low))
	}
	f, _ := new(big.Rat).SetFrac(top, under).Float64()
	return f
}

// smallVariance is variance where the numerator fits in 128 bits and the
// denominator in 64.
func (a *Acc) smallVariance(s Spec) (float64, bool) {
	sum, ok := a.sum.int64()
	p, under := &a.more.powers, float64(uint64(a.n))*s.unit()
	if !ok || !s.exact() || p.hi != 0 || p.mid >= 1<<31 || under >= 1<<32 {
		return 0, false
	}
	hi, lo := bits.Mul64(p.lo, uint64(a.n))
	hi += p.mid * uint64(a.n)
	square := vastSquare(sum)
	lo, borrow := bits.Sub64(lo, square.lo, 0)
	hi, borrow = bits.Sub64(hi, square.mid, borrow)
	return ratio(hi, lo, uint64(under)*uint64(under)), borrow == 0
}

// ratio returns the double nearest to (hi·2^64 + lo) / d.
func ratio(hi, lo, d uint64) float64 {
	const whole = 1 << 53
	if hi == 0 && lo <= whole && d <= whole {
		return float64(lo) / float64(d)
	}
	up := bits.LeadingZeros64(d)
	d <<= up
	if hi == 0 {
		up, hi, lo = up-64, lo, 0
	}
	space := bits.LeadingZeros64(hi)
	hi, lo = hi<<space|lo>>(64-space), lo<<space
	var rest uint64 // of which it matters only whether it is 0
	if hi >= d {
		rest, hi, lo = lo&1, hi>>1, hi<<63|lo>>1
		space--
	}
	quotient, more := bits.Div64(hi, lo, d)
	if rest|more != 0 {
		quotient |= 1
	}
	return math.Ldexp(float64(quotient), up-space)
}

// rank is the value at the nearest rank ⌈p·n⌉ of the sorted values.
func (d *detail) rank(s Spec) event.Value {
	sorted := slices.Clone(d.values)
	slices.SortFunc(sorted, func(a, b event.Value) int { return compare(s, a, b) })
	return sorted[s.Nearest(len(sorted))]
}
