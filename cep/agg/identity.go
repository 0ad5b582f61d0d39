package agg

import (
	"math"

	"github.com/caltrop/caltrop/cep/event"
)

// AppendIdentity appends the bytes that tell a value from others of its type,
// as Distinct does.
func (s Spec) AppendIdentity(buf []byte, v event.Value) []byte {
	return elementOf(s, v).appendTo(buf, s.Type)
}

// Rank maps a number of the argument's type to an integer of the same order,
// the one that Percentile sorts by: NaN comes first, −0 is 0.
func (s Spec) Rank(v event.Value) uint64 {
	if s.Type != event.Double {
		return uint64(v.Int()) ^ 1<<63
	}
	x := s.double(v)
	if x != x {
		return 0
	}
	b := math.Float64bits(x + 0)
	if b>>63 != 0 {
		return ^b
	}
	return b | 1<<63
}

// Ranked returns the result of Percentile whose value has a rank.
func (s Spec) Ranked(rank uint64) event.Value {
	switch {
	case s.Type == event.Double && rank == 0:
		return event.DoubleOf(math.NaN())
	case s.Type == event.Double && rank>>63 != 0:
		return event.DoubleOf(math.Float64frombits(rank &^ (1 << 63)))
	case s.Type == event.Double:
		return event.DoubleOf(math.Float64frombits(^rank))
	case s.Type == event.Decimal:
		return s.out(event.DecimalOf(int64(rank^1<<63), s.Scale))
	}
	return event.IntOf(int64(rank ^ 1<<63))
}

// Nearest returns the place of the p-quantile among n sorted values, by the
// nearest rank ⌈p·n⌉, from 0. A product that misses a whole number by no more
// than rounding is that number: 0.55 of 100 is the 55th.
func (s Spec) Nearest(n int) int {
	rank := s.P * float64(n)
	if whole := math.Round(rank); math.Abs(rank-whole) <= rank*roundingMax {
		rank = whole
	}
	return min(max(int(math.Ceil(rank))-1, 0), n-1)
}

// roundingMax is how far the product of a written fraction and a count may be
// off, relative to it: half a unit in the last place of each factor and of the
// product.
const roundingMax = 0x1p-51
