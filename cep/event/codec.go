package event

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The compact form of an event, as held, kept in state and carried in frames.
// All numbers are varints, signed ones zigzag, unless said otherwise:
//
//	head       one byte: format version in the high half, flags in the low one
//	layout     with flagLayout: the number of the schema, Schema.Layout
//	time       minus Packing.Base, signed
//	cluster    with flagCluster
//	partition
//	offset
//	id         with flagHexID 16 bytes of a lower-case UUID; else length, text
//	presence   one bit a field, low bit first; omitted fields have none
//	values     of the fields present, by the type that the schema declares:
//	           text: length, bytes; int, decimal: signed; double: 8 bytes,
//	           little-endian; bool: one byte; timestamp: minus time, signed;
//	           list: items, length in bytes, then each item as length, text
//
// The form names no types: it is read back with the schema it was written
// with, or a later revision that knows it by its layout. Schema.Fingerprint
// tells whether two schemas agree.
const (
	formatEvent  = 1 << 4
	formatMask   = 0xf0
	flagCluster  = 1
	flagHexID    = 2
	flagLayout   = 4
	flagsKnown   = flagCluster | flagHexID | flagLayout
	uuidText     = 36
	uuidBytes    = 16
	omittableMax = 64
)

// Packing says what both ends of the compact form know beside the event. The
// zero Packing leaves nothing out.
type Packing struct {
	Omit uint64 // bit i: the value of field i (below 64) is left out; the reader restores it
	Base int64  // µs; times near it take fewer bytes
	// Layouts says that the reader may have a later revision of the stream. An
	// event of the first one names no layout.
	Layouts bool
}

// errCorrupt is the error of bytes that AppendEvent did not write.
var errCorrupt = errors.New("corrupt event")

// DecodeEvent reads an event that AppendEvent wrote with the same schema, or one
// before it where p.Layouts says so, and packing from the front of buf into ev,
// an event of s, and returns what follows. Space of ev.Values is reused; texts are fresh memory, buf is not kept. On error ev is
// undefined.
func DecodeEvent(s *Schema, buf []byte, ev *Event, p Packing) (rest []byte, err error) {
	r := unpacker{buf: buf}
	r.event(s, ev, p)
	if r.bad {
		return nil, fmt.Errorf("reading an event of %s: %w", s.Stream, errCorrupt)
	}
	r.settle(string(buf[:r.pos]), ev)
	if r.uuid {
		id := unpackUUID(ev.ID)
		ev.ID = string(id[:])
	}
	if ev.Schema != s {
		ev.Recast(s)
	}
	return buf[r.pos:], nil
}

// An unpacker reads the compact form. Texts are noted as places in buf until
// the whole event is known to be sound, then cut from one string.
type unpacker struct {
	buf  []byte
	pos  int
	bad  bool
	id   place
	uuid bool
}

type place struct{ from, to int }

func (r *unpacker) event(s *Schema, ev *Event, p Packing) {
	if s = r.head(s, ev, p); !r.bad {
		r.values(s, ev)
	}
}

// head reads what comes before the values, and returns the schema that the
// event was written with.
func (r *unpacker) head(s *Schema, ev *Event, p Packing) *Schema {
	head := r.byte()
	if head&formatMask != formatEvent || head&^formatMask&^flagsKnown != 0 {
		r.bad = true
		return nil
	}
	if s = r.layout(s, head, p); r.bad {
		return nil
	}
	ev.Schema, ev.Cluster = s, 0
	ev.Time = r.varint() + p.Base
	if head&flagCluster != 0 {
		ev.Cluster = uint16(r.bounded(math.MaxUint16))
	}
	ev.Partition = int32(uint32(r.bounded(math.MaxUint32)))
	ev.Offset = int64(r.uvarint())
	if r.uuid = head&flagHexID != 0; r.uuid {
		r.id = r.span(uuidBytes)
	} else {
		r.id = r.span(r.uvarint())
	}
	return s
}

// layout is the schema that the event was written with.
func (r *unpacker) layout(s *Schema, head byte, p Packing) *Schema {
	switch {
	case head&flagLayout != 0:
		s = s.layout(int(r.bounded(math.MaxInt32)))
	case p.Layouts && s.Layout > 1:
		s = s.layout(1)
	}
	r.bad = r.bad || s == nil
	return s
}

func (r *unpacker) values(s *Schema, ev *Event) {
	n := len(s.Fields)
	bits := r.room(n, ev)
	for i := 0; i < n && !r.bad; i++ {
		if r.buf[bits.from+i/8]>>(i%8)&1 != 0 {
			ev.Values[i] = r.value(&s.Fields[i], ev.Time)
		}
	}
}

// room makes n values absent, and returns where it says which are there.
func (r *unpacker) room(n int, ev *Event) place {
	if cap(ev.Values) < n {
		ev.Values = make([]Value, n)
	}
	ev.Values = ev.Values[:n]
	clear(ev.Values)
	return r.span(uint64(n+7) / 8)
}

// value reads one value. A text keeps its place in num until settle.
func (r *unpacker) value(f *Field, base int64) Value {
	switch f.Type {
	case String:
		return Value{typ: String, num: r.text()}
	case Double:
		at := r.span(8)
		if r.bad {
			return Value{}
		}
		return Value{typ: Double, num: int64(binary.LittleEndian.Uint64(r.buf[at.from:]))}
	case Bool:
		return BoolOf(r.byte() != 0)
	case Timestamp:
		return TimestampOf(r.varint() + base)
	case StringList:
		return r.list()
	case Decimal:
		return DecimalOf(r.varint(), f.Scale)
	}
	return Value{typ: f.Type, num: r.varint()}
}

// text returns a place packed into one number: from in the high half.
func (r *unpacker) text() int64 {
	at := r.span(r.uvarint())
	return int64(at.from)<<32 | int64(at.to)
}

func (r *unpacker) list() Value {
	n := r.uvarint()
	at := r.span(r.uvarint())
	if r.bad || !soundList(r.buf[at.from:at.to], n) {
		r.bad = true
		return Value{}
	}
	return Value{typ: StringList, num: int64(n), str: string(r.buf[at.from:at.to])}
}

// soundList reports whether b holds exactly n length-prefixed texts.
func soundList(b []byte, n uint64) bool {
	for ; n > 0; n-- {
		size, w := Uvarint(b)
		if w <= 0 || size > uint64(len(b)-w) {
			return false
		}
		b = b[w+int(size):]
	}
	return len(b) == 0
}

// settle cuts the texts from all that was read. Of a UUID it gives the bytes.
func (r *unpacker) settle(all string, ev *Event) {
	ev.ID = all[r.id.from:r.id.to]
	for i := range ev.Values {
		if v := &ev.Values[i]; v.typ == String {
			v.str, v.num = all[v.num>>32:v.num&math.MaxUint32], 0
		}
	}
}

func (r *unpacker) byte() byte {
	if r.bad || r.pos == len(r.buf) {
		r.bad = true
		return 0
	}
	r.pos++
	return r.buf[r.pos-1]
}

func (r *unpacker) uvarint() uint64 {
	n, w := Uvarint(r.buf[r.pos:])
	if r.bad || w <= 0 {
		r.bad = true
		return 0
	}
	r.pos += w
	return n
}

func (r *unpacker) varint() int64 {
	n := r.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

func (r *unpacker) bounded(limit uint64) uint64 {
	n := r.uvarint()
	r.bad = r.bad || n > limit
	return n
}

func (r *unpacker) span(n uint64) place {
	if r.bad || n > uint64(len(r.buf)-r.pos) {
		r.bad = true
		return place{}
	}
	at := place{r.pos, r.pos + int(n)}
	r.pos = at.to
	return at
}
