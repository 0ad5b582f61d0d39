package profile

import (
	"encoding/binary"
	"errors"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

// format is the first byte of every state.
const format = 0x41

var errCorrupt = errors.New("corrupt profile state")

// A record is the state of one key:
//
//	format  one byte
//	newest  number of the newest pane, signed varint
//	accs    its accumulators
//	closed  number of older panes, length in bytes, panes
//	merged  the accumulators of all closed panes, added up; none without panes
//	sets    each: number of values, length in bytes, values
type record struct {
	newest int64
	full   bool // the newest pane has events
	accs   []agg.Acc
	closed panes
	merged []agg.Acc
	sets   []values
}

// panes are closed panes, oldest first, each its number, signed varint, its
// length in bytes and its accumulators.
type panes struct {
	n   int
	buf []byte
}

// values are those of a set, most recently seen first, each the number of the
// pane it was last seen in, signed varint, and the value.
type values struct {
	n   int
	buf []byte
}

// read takes a state apart; that of no state is an empty record whose newest
// pane is at. The state must not change while the record is in use.
func (h *History) read(state []byte, at int64) record {
	n := len(h.accs)
	r := record{newest: at, accs: h.accs, merged: h.sum, sets: make([]values, len(h.profile.Sets))}
	clear(h.accs[:n])
	clear(h.sum[:n])
	if len(state) == 0 {
		return r
	}
	c := event.Cursor{Buf: state}
	if c.Byte() != format {
		mustRead(errCorrupt)
	}
	r.newest, r.full = c.Varint(), true
	h.decode(&c, r.accs)
	r.closed = panes{n: int(c.Uvarint()), buf: c.Bytes()}
	if r.closed.n > 0 {
		h.decode(&c, r.merged)
	}
	for i := range r.sets {
		r.sets[i] = values{n: int(c.Uvarint()), buf: c.Bytes()}
	}
	if !c.Done() {
		mustRead(errCorrupt)
	}
	return r
}

func (h *History) decode(c *event.Cursor, accs []agg.Acc) {
	for i := range accs {
		rest, err := accs[i].Decode(c.Buf, h.spec(i))
		mustRead(err)
		c.Buf = rest
	}
}

func appendPane(b []byte, number int64, accs []byte) []byte {
	b = binary.AppendVarint(b, number)
	b = binary.AppendUvarint(b, uint64(len(accs)))
	return append(b, accs...)
}

func (p panes) oldest() int64 {
	c := event.Cursor{Buf: p.buf}
	return c.Varint()
}

// each calls f for every pane, oldest first.
func (p panes) each(f func(number int64, accs []byte)) {
	c := event.Cursor{Buf: p.buf}
	for range p.n {
		number := c.Varint()
		f(number, c.Bytes())
	}
	if !c.Done() {
		mustRead(errCorrupt)
	}
}

// each calls f for every value, most recently seen first; entry is its
// encoding with the number.
func (s values) each(f func(number int64, entry []byte, v event.Value)) {
	c := event.Cursor{Buf: s.buf}
	for range s.n {
		from := c.Buf
		number := c.Varint()
		v := c.Value()
		f(number, from[:len(from)-len(c.Buf)], v)
	}
	if !c.Done() {
		mustRead(errCorrupt)
	}
}
