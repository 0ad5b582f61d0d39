package event

import (
	"fmt"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// A Glance reads a few fields of events from their compact form. Texts that it
// has read lately are given out again, so it mostly takes no memory.
type Glance struct {
	Fields uint64 // bit i: field i is read; there is none beyond
	texts  []string
}

// The texts that a Glance keeps: how many, and how long each may be.
const (
	glanceTexts = 256
	glanceLong  = 64
)

// Decode reads what DecodeEvent reads but for the id; the fields that are not
// wanted stay absent. Of an event of an earlier revision all is read.
func (g *Glance) Decode(s *Schema, buf []byte, ev *Event, p Packing) error {
	r := unpacker{buf: buf}
	written := r.head(s, ev, p)
	if !r.bad && written != s {
		_, err := DecodeEvent(s, buf, ev, p)
		return err
	}
	if !r.bad {
		g.values(&r, s, ev)
	}
	if r.bad {
		return fmt.Errorf("reading an event of %s: %w", s.Stream, errCorrupt)
	}
	ev.ID = ""
	return nil
}

func (g *Glance) values(r *unpacker, s *Schema, ev *Event) {
	n := len(s.Fields)
	there := r.room(n, ev)
	for i := range min(n, bits.Len64(g.Fields)) {
		switch {
		case r.bad || r.buf[there.from+i/8]>>(i%8)&1 == 0:
		case g.Fields>>i&1 == 0:
			r.pass(s.Fields[i].Type)
		case s.Fields[i].Type == String:
			at := r.span(r.uvarint())
			ev.Values[i] = StringOf(g.text(r.buf[at.from:at.to]))
		default:
			ev.Values[i] = r.value(&s.Fields[i], ev.Time)
		}
	}
}

// pass goes beyond one value.
func (r *unpacker) pass(t Type) {
	switch t {
	case String:
		r.span(r.uvarint())
	case Double:
		r.span(8)
	case Bool:
		r.byte()
	case StringList:
		r.uvarint()
		r.span(r.uvarint())
	default:
		r.uvarint()
	}
}

func (g *Glance) text(b []byte) string {
	if len(b) > glanceLong {
		return string(b)
	}
	if g.texts == nil {
		g.texts = make([]string, glanceTexts)
	}
	kept := &g.texts[xxh3.Hash(b)%glanceTexts]
	if *kept != string(b) {
		*kept = string(b)
	}
	return *kept
}

// Tag is a number that equal texts, whole numbers or truths of one type have in
// common, and unequal ones hardly ever.
func (v Value) Tag() uint16 {
	if v.typ == String {
		return uint16(xxh3.HashString(v.str))
	}
	n := uint64(v.num) * 0x9e3779b97f4a7c15
	return uint16(n >> 48)
}
