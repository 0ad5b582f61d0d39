package event

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strings"
)

// CompareValues orders values of one type: numbers and times by size, texts
// by bytes, false before true, lists item by item; absent comes first. Values
// of different types are ordered by type. It returns -1, 0 or 1.
func CompareValues(a, b Value) int {
	switch {
	case a.typ != b.typ:
		return cmp.Compare(a.typ, b.typ)
	case a.typ == String:
		return strings.Compare(a.str, b.str)
	case a.typ == Double:
		return cmp.Compare(a.Double(), b.Double())
	case a.typ == Decimal && a.scale != b.scale:
		return cmp.Compare(a.Double(), b.Double())
	case a.typ == StringList:
		return compareLists(a.List(), b.List())
	}
	return cmp.Compare(a.num, b.num)
}

func compareLists(a, b []string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if c := strings.Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// AppendValue appends a value with its type, so that DecodeValue needs
// nothing else to read it. Equal values, and only those, have equal bytes:
// the form serves as a key and for hashing.
func AppendValue(buf []byte, v Value) []byte {
	if buf = append(buf, byte(v.typ)); v.typ == Invalid {
		return buf
	}
	if v.typ == Decimal {
		buf = append(buf, v.scale)
	}
	return appendValue(buf, &v, 0)
}

// DecodeValue reads a value that AppendValue wrote from the front of buf and
// returns what follows. The value keeps nothing of buf.
func DecodeValue(buf []byte) (v Value, rest []byte, err error) {
	r := unpacker{buf: buf}
	f := Field{Type: Type(r.byte())}
	if f.Type == Invalid && !r.bad {
		return Value{}, buf[1:], nil
	}
	if f.Type == Decimal {
		f.Scale = r.byte()
	}
	v = r.value(&f, 0)
	if r.bad || f.Type > Duration {
		return Value{}, nil, fmt.Errorf("reading a value: %w", errCorrupt)
	}
	if v.typ == String {
		v = StringOf(string(buf[v.num>>32 : r.pos]))
	}
	return v, buf[r.pos:], nil
}

// Fingerprint is equal for schemas whose events have the same compact form:
// the same stream, field names, types and scales in the same order. It is
// FNV-1a, 64 bits.
func (s *Schema) Fingerprint() uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	buf := appendText(nil, s.Stream)
	for i := range s.Fields {
		f := &s.Fields[i]
		buf = append(appendText(buf, f.Name), byte(f.Type), f.Scale)
	}
	buf = binary.AppendUvarint(buf, uint64(len(s.Fields)))
	h := uint64(offset)
	for _, c := range buf {
		h = (h ^ uint64(c)) * prime
	}
	return h
}
