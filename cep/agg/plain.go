package agg

import (
	"encoding/binary"
	"math"

	"github.com/caltrop/caltrop/cep/event"
)

// PlainBytes is the size of the plain form of an accumulator.
const PlainBytes = 24

// Plain reports whether an accumulator of the aggregate is a count and an
// exact sum and nothing else, and so has a plain form.
func (s Spec) Plain() bool {
	return s.Func == Count || (s.Func == Sum || s.Func == Avg) && s.exact()
}

// AppendPlain appends the plain form, whose size never changes.
func (a *Acc) AppendPlain(buf []byte) []byte {
	buf = binary.LittleEndian.AppendUint64(buf, uint64(a.n))
	buf = binary.LittleEndian.AppendUint64(buf, a.sum.lo)
	return binary.LittleEndian.AppendUint64(buf, uint64(a.sum.hi))
}

// SetPlain makes a, which must be empty or plain itself, what AppendPlain
// wrote; b has PlainBytes.
func (a *Acc) SetPlain(b []byte) {
	_ = b[PlainBytes-1]
	a.n = int64(binary.LittleEndian.Uint64(b))
	a.sum.lo = binary.LittleEndian.Uint64(b[8:])
	a.sum.hi = int64(binary.LittleEndian.Uint64(b[16:]))
}

// AddPlain adds a number, as event.Value.Int gives it, to a plain form where it
// is. Bare counts take any.
func (s Spec) AddPlain(b []byte, n int64) { s.changePlain(b, n, 1) }

// RemovePlain takes out a number that AddPlain took.
func (s Spec) RemovePlain(b []byte, n int64) { s.changePlain(b, n, -1) }

func (s Spec) changePlain(b []byte, n, sign int64) {
	_ = b[PlainBytes-1]
	binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)+uint64(sign))
	if s.Func == Count {
		return
	}
	sum := wide{lo: binary.LittleEndian.Uint64(b[8:]), hi: int64(binary.LittleEndian.Uint64(b[16:]))}
	if sign < 0 {
		sum.sub(n)
	} else {
		sum.add(n)
	}
	binary.LittleEndian.PutUint64(b[8:], sum.lo)
	binary.LittleEndian.PutUint64(b[16:], uint64(sum.hi))
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
