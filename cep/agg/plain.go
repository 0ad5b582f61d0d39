package agg

import (
	"encoding/binary"
	"math"

	"github.com/caltrop/caltrop/cep/event"
)

// The plain form of an accumulator is the count, 8 bytes, the sum, 16, and of
// Stddev the sum of the squares, 24, all in little endian.
const (
	plainBytes = 24
	// PlainMax is the size of the largest plain form.
	PlainMax = 48
)

// Plain reports whether an accumulator of the aggregate is a count and exact
// sums and nothing else, and so has a plain form.
func (s Spec) Plain() bool {
	return s.Func == Count || (s.Func == Sum || s.Func == Avg || s.Func == Stddev) && s.exact()
}

// PlainBytes is the size of the plain form of an accumulator.
func (s Spec) PlainBytes() int {
	if s.Func == Stddev {
		return PlainMax
	}
	return plainBytes
}

// SetPlain makes a, which must be empty or plain itself, what came but for what
// left again: two plain forms.
func (a *Acc) SetPlain(s Spec, came, left []byte) {
	a.n = int64(binary.LittleEndian.Uint64(came) - binary.LittleEndian.Uint64(left))
	a.sum = plainSum(came)
	a.sum.take(plainSum(left))
	if s.Func == Stddev {
		d := a.detail()
		d.powers = plainPowers(came)
		d.powers.take(plainPowers(left))
	}
}

// AddPlain adds a number, as event.Value.Int gives it, to a plain form where it
// is, which is all zero at first. Counts take any.
func (s Spec) AddPlain(b []byte, n int64) {
	_ = b[plainBytes-1]
	binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)+1)
	if s.Func == Count {
		return
	}
	sum := plainSum(b)
	sum.add(n)
	binary.LittleEndian.PutUint64(b[8:], sum.lo)
	binary.LittleEndian.PutUint64(b[16:], uint64(sum.hi))
	if s.Func == Stddev {
		powers := plainPowers(b)
		powers.merge(vastSquare(n))
		binary.LittleEndian.PutUint64(b[24:], powers.lo)
		binary.LittleEndian.PutUint64(b[32:], powers.mid)
		binary.LittleEndian.PutUint64(b[40:], powers.hi)
	}
}

func plainSum(b []byte) wide {
	_ = b[plainBytes-1]
	return wide{lo: binary.LittleEndian.Uint64(b[8:]), hi: int64(binary.LittleEndian.Uint64(b[16:]))}
}

func plainPowers(b []byte) vast {
	_ = b[PlainMax-1]
	return vast{lo: binary.LittleEndian.Uint64(b[24:]), mid: binary.LittleEndian.Uint64(b[32:]), hi: binary.LittleEndian.Uint64(b[40:])}
}

// Better reports whether Min or Max takes a number instead of an older one;
// both are as event.Value.Int gives them.
func (s Spec) Better(v, old int64) bool {
	less, more := v < old, v > old
	if s.Type == event.Double {
		c := compareDoubles(math.Float64frombits(uint64(v)), math.Float64frombits(uint64(old)), s.Func == Min)
		less, more = c < 0, c > 0
	}
	if s.Func == Min {
		return less
	}
	return more
}

// Kept is the result of Min, Max, First or Last that kept a number, as
// event.Value.Int gives it.
func (s Spec) Kept(n int64) event.Value {
	switch s.Type {
	case event.Double:
		return event.DoubleOf(math.Float64frombits(uint64(n)))
	case event.Bool:
		return event.BoolOf(n != 0)
	case event.Timestamp:
		return event.TimestampOf(n)
	case event.Duration:
		return event.DurationOf(n)
	case event.Decimal:
		return event.DoubleOf(float64(n) / s.unit())
	}
	return event.IntOf(n)
}
