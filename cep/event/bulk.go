package event

import (
	"fmt"
	"strings"
)

// A Bulk reads events that are kept and let go together. They share its memory,
// which takes a few allocations for all of them.
type Bulk struct {
	left   int // events that are yet to come
	events []Event
	values []Value
	text   strings.Builder
}

// NewBulk returns a Bulk of so many events; more cost more.
func NewBulk(events int) *Bulk { return &Bulk{left: events} }

// Decode reads one event as DecodeEvent does, from the front of buf. On error it
// returns none.
func (b *Bulk) Decode(s *Schema, buf []byte, p Packing) (*Event, error) {
	b.left = max(b.left, 1)
	if len(b.events) == 0 {
		b.events = make([]Event, b.left)
	}
	ev := &b.events[0]
	ev.Values = b.room(len(s.Fields))
	r := unpacker{buf: buf}
	if r.event(s, ev, p); r.bad {
		return nil, fmt.Errorf("reading an event of %s: %w", s.Stream, errCorrupt)
	}
	r.settle(b.keep(buf[:r.pos]), ev)
	if r.uuid {
		id := unpackUUID(ev.ID)
		ev.ID = b.keep(id[:])
	}
	if ev.Schema != s {
		ev.Recast(s)
	}
	b.events, b.left = b.events[1:], b.left-1
	return ev, nil
}

// room returns the values of an event.
func (b *Bulk) room(n int) []Value {
	if len(b.values) < n {
		b.values = make([]Value, n*b.left)
	}
	own := b.values[:n:n]
	b.values = b.values[n:]
	return own
}

// keep returns a text of its own.
func (b *Bulk) keep(text []byte) string {
	if b.text.Cap()-b.text.Len() < len(text) {
		b.text = strings.Builder{}
		b.text.Grow(len(text) * b.left)
	}
	b.text.Write(text)
	return b.text.String()[b.text.Len()-len(text):]
}
