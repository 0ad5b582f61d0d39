package event

import (
	"encoding/binary"
	"math"
	"strings"
)

// A Value is one typed scalar or list of strings. The zero Value is "absent".
// It is 32 bytes, comparable with ==, and immutable.
type Value struct {
	str   string
	num   int64
	typ   Type
	scale uint8
}

// StringOf returns a string value.
func StringOf(s string) Value { return Value{typ: String, str: s} }

// IntOf returns an int value.
func IntOf(n int64) Value { return Value{typ: Int, num: n} }

// DoubleOf returns a double value.
func DoubleOf(f float64) Value { return Value{typ: Double, num: int64(math.Float64bits(f))} }

// BoolOf returns a bool value.
func BoolOf(b bool) Value {
	if b {
		return Value{typ: Bool, num: 1}
	}
	return Value{typ: Bool}
}

// TimestampOf returns a timestamp, in µs since the Unix epoch.
func TimestampOf(us int64) Value { return Value{typ: Timestamp, num: us} }

// DurationOf returns a duration in µs.
func DurationOf(us int64) Value { return Value{typ: Duration, num: us} }

// DecimalOf returns unscaled / 10^scale.
func DecimalOf(unscaled int64, scale uint8) Value {
	return Value{typ: Decimal, num: unscaled, scale: scale}
}

// ListOf returns a list of strings.
func ListOf(items []string) Value {
	n := 0
	for _, s := range items {
		n += len(s) + binary.MaxVarintLen32
	}
	buf := make([]byte, 0, n)
	for _, s := range items {
		buf = binary.AppendUvarint(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	return Value{typ: StringList, num: int64(len(items)), str: string(buf)}
}

// Own returns the value with memory of its own for its text.
func (v Value) Own() Value {
	v.str = strings.Clone(v.str)
	return v
}

// Type returns the value's type; Invalid means absent.
func (v Value) Type() Type { return v.typ }

// Present reports whether the value is there.
func (v Value) Present() bool { return v.typ != Invalid }

// Str returns the text of a String.
func (v Value) Str() string { return v.str }

// Int returns the number of an Int, the µs of a Timestamp or Duration, or the
// unscaled digits of a Decimal.
func (v Value) Int() int64 { return v.num }

// Scale returns the digits after the point of a Decimal.
func (v Value) Scale() uint8 { return v.scale }

// Bool returns the truth of a Bool.
func (v Value) Bool() bool { return v.num != 0 }

// Double returns a Double, or a Decimal or Int as the nearest double.
func (v Value) Double() float64 {
	switch v.typ {
	case Double:
		return math.Float64frombits(uint64(v.num))
	case Decimal:
		return float64(v.num) / pow10(v.scale)
	}
	return float64(v.num)
}

// List returns the items of a StringList.
func (v Value) List() []string {
	items := make([]string, 0, v.num)
	for b := v.str; len(b) > 0; {
		n, w := uvarint(b)
		items = append(items, b[w:w+int(n)])
		b = b[w+int(n):]
	}
	return items
}

func uvarint(s string) (n uint64, width int) {
	for shift := 0; ; shift += 7 {
		c := s[width]
		width++
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n, width
		}
	}
}

// smallPowers are the powers of ten that are doubles without rounding and that
// amounts of money use.
var smallPowers = [...]float64{1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

func pow10(n uint8) float64 {
	if int(n) < len(smallPowers) {
		return smallPowers[n]
	}
	p := 1.0
	for ; n > 0; n-- {
		p *= 10
	}
	return p
}
