package agg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/axiomhq/hyperloglog"

	"github.com/caltrop/caltrop/cep/event"
)

// format is the first byte of every encoding that is not of an empty Acc,
// whose encoding is the one byte 0.
const format = 4

// ErrCorrupt is what Decode's errors match when the bytes are no encoding of
// the aggregate.
var ErrCorrupt = errors.New("corrupt accumulator")

// AppendTo encodes the accumulator at the end of buf; Decode reads it back
// and returns the rest. An empty one takes 1 byte, a small count or sum 3.
// Equal accumulators that took their values in the same order have equal
// encodings.
func (a *Acc) AppendTo(buf []byte, s Spec) []byte {
	if a.n == 0 {
		return append(buf, 0)
	}
	buf = append(buf, format)
	buf = binary.AppendUvarint(buf, uint64(a.n))
	switch s.Func {
	case Sum, Avg:
		if s.exact() {
			return appendWide(buf, a.sum)
		}
		return a.more.total.appendTo(buf)
	case Stddev:
		if s.exact() {
			return appendVast(appendWide(buf, a.sum), a.more.powers)
		}
		return a.more.squares.appendTo(a.more.total.appendTo(buf))
	case Min, Max, First, Last:
		return appendValue(buf, s.Type, a.more.value)
	case Distinct:
		return a.more.set.appendTo(buf, s)
	case Percentile:
		for _, v := range a.more.values {
			buf = appendValue(buf, s.Type, v)
		}
	}
	return buf
}

// appendWide writes a number of 64 bits as the varint of twice its zigzag
// form where that fits, else a mark and 16 bytes.
func appendWide(buf []byte, w wide) []byte {
	const small = 1 << 61
	if n, ok := w.int64(); ok && n < small && n >= -small {
		return binary.AppendUvarint(buf, uint64(n<<1^n>>63)<<1)
	}
	buf = binary.AppendUvarint(buf, 1)
	buf = binary.BigEndian.AppendUint64(buf, uint64(w.hi))
	return binary.BigEndian.AppendUint64(buf, w.lo)
}

// appendVast writes the three words, the lowest first.
func appendVast(buf []byte, v vast) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(buf, v.lo), v.mid), v.hi)
}

func appendValue(buf []byte, t event.Type, v event.Value) []byte {
	switch t {
	case event.String:
		buf = binary.AppendUvarint(buf, uint64(len(v.Str())))
		return append(buf, v.Str()...)
	case event.Double:
		return binary.BigEndian.AppendUint64(buf, uint64(v.Int()))
	}
	return binary.AppendVarint(buf, v.Int())
}

// appendTo writes the number of exact values plus one and the values, or 0
// and the sketch.
func (s *set) appendTo(buf []byte, spec Spec) []byte {
	if s.sketch == nil {
		buf = binary.AppendUvarint(buf, uint64(len(s.items))+1)
		for _, e := range s.items {
			if spec.Type == event.String {
				buf = binary.AppendUvarint(buf, uint64(len(e.str)))
				buf = append(buf, e.str...)
			} else {
				buf = binary.AppendVarint(buf, e.num)
			}
		}
		return buf
	}
	data, err := s.sketch.MarshalBinary()
	if err != nil {
		panic(fmt.Sprintf("agg: encoding a sketch: %v", err)) // only of an uninitialized one
	}
	buf = binary.AppendUvarint(append(buf, 0), uint64(len(data)))
	return append(buf, data...)
}

// Decode reads what AppendTo wrote and returns the bytes after it. It reuses
// the memory of what a held before.
func (a *Acc) Decode(buf []byte, s Spec) ([]byte, error) {
	a.Reset()
	if len(buf) == 0 {
		return nil, fmt.Errorf("reading the format of %d: %w", s.Func, ErrCorrupt)
	}
	if buf[0] == 0 {
		return buf[1:], nil
	}
	if buf[0] != format {
		return nil, fmt.Errorf("format %d of an accumulator is unknown: %w", buf[0], ErrCorrupt)
	}
	r := reader{event.Cursor{Buf: buf[1:]}}
	a.n = int64(r.Uvarint())
	if a.n <= 0 {
		*a = Acc{}
		return nil, fmt.Errorf("reading the count of function %d: %w", s.Func, ErrCorrupt)
	}
	a.decode(&r, s)
	if r.Bad {
		*a = Acc{}
		return nil, fmt.Errorf("reading an accumulator of function %d: %w", s.Func, ErrCorrupt)
	}
	return r.Buf, nil
}

func (a *Acc) decode(r *reader, s Spec) {
	switch s.Func {
	case Sum, Avg, Stddev:
		r.sums(a, s)
	case Min, Max, First, Last:
		a.detail().value = r.value(s)
	case Distinct:
		a.detail().set = r.set(s)
	case Percentile:
		if a.n > int64(len(r.Buf)) {
			r.Bad = true
			return
		}
		values := make([]event.Value, a.n)
		for i := range values {
			values[i] = r.value(s)
		}
		a.detail().values = values
	}
}

// A reader reads an encoded aggregate, whose numbers of fixed width have the
// highest byte first.
type reader struct{ event.Cursor }

func (r *reader) uint64() uint64 {
	if b := r.Take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) float() float64 { return math.Float64frombits(r.uint64()) }

func (r *reader) text() string { return string(r.Bytes()) }

func (r *reader) wide() wide {
	n := r.Uvarint()
	if n&1 == 1 {
		return wide{hi: int64(r.uint64()), lo: r.uint64()}
	}
	n >>= 1
	m := int64(n>>1) ^ -int64(n&1)
	return wide{hi: m >> 63, lo: uint64(m)}
}

func (r *reader) vast() vast { return vast{lo: r.Uvarint(), mid: r.Uvarint(), hi: r.Uvarint()} }

// sums reads the sum and, for Stddev, that of the squares.
func (r *reader) sums(a *Acc, s Spec) {
	if s.exact() {
		if a.sum = r.wide(); s.Func == Stddev {
			a.detail().powers = r.vast()
		}
		return
	}
	if r.long(&a.detail().total); s.Func == Stddev {
		r.long(&a.detail().squares)
	}
}

func (r *reader) value(s Spec) event.Value {
	switch s.Type {
	case event.String:
		return event.StringOf(r.text())
	case event.Double:
		return event.DoubleOf(r.float())
	}
	n := r.Varint()
	switch s.Type {
	case event.Bool:
		return event.BoolOf(n != 0)
	case event.Timestamp:
		return event.TimestampOf(n)
	case event.Duration:
		return event.DurationOf(n)
	case event.Decimal:
		return event.DecimalOf(n, s.Scale)
	}
	return event.IntOf(n)
}

func (r *reader) set(s Spec) *set {
	n := r.Uvarint()
	if n > 0 {
		return r.items(s, n-1)
	}
	data := r.text()
	sketch := &hyperloglog.Sketch{}
	if r.Bad || sketch.UnmarshalBinary([]byte(data)) != nil {
		r.Bad = true
		return nil
	}
	return &set{sketch: sketch}
}

func (r *reader) items(s Spec, n uint64) *set {
	if n > exactMax || n > uint64(len(r.Buf)) {
		r.Bad = true
		return nil
	}
	items := make([]element, n)
	for i := range items {
		if s.Type == event.String {
			items[i].str = r.text()
		} else {
			items[i].num = r.Varint()
		}
	}
	return &set{items: items}
}
