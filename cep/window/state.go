package window

import (
	"errors"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

// formatState is the first byte of every window state, per kind of window.
const (
	formatRolling = 0x15
	formatPaned   = 0x23
	formatSession = 0x32
)

var errCorrupt = errors.New("corrupt window state")

// A cursor reads a window state.
type cursor struct{ event.Cursor }

func cursorOn(buf []byte) cursor { return cursor{event.Cursor{Buf: buf}} }

// skipValue passes over what event.AppendValue wrote without building it.
func (c *cursor) skipValue() {
	switch event.Type(c.Byte()) {
	case event.Invalid:
	case event.String:
		c.Bytes()
	case event.Double:
		c.Take(8)
	case event.Bool:
		c.Take(1)
	case event.Decimal:
		c.Take(1)
		c.Uvarint()
	case event.StringList:
		c.Uvarint()
		c.Bytes()
	default:
		c.Uvarint()
	}
}

func (c *cursor) acc(acc *agg.Acc, s agg.Spec) {
	if c.Bad {
		return
	}
	rest, err := acc.Decode(c.Buf, s)
	if err != nil {
		c.Bad = true
		return
	}
	c.Buf = rest
}

func (c *cursor) err() error {
	if c.Bad {
		return errCorrupt
	}
	return nil
}

// A keyring is the key's values, kept once so that events need not.
type keyring []byte

func (w *rule) appendKeyring(buf []byte, stream int, ev *event.Event) []byte {
	for _, pos := range w.keyFields(stream) {
		buf = event.AppendValue(buf, ev.Values[pos])
	}
	return buf
}

func (c *cursor) keyring(fields int) keyring {
	from := c.Buf
	for range fields {
		c.skipValue()
	}
	return keyring(from[:len(from)-len(c.Buf)])
}

// pack makes w.packed an event but for its time: its stream and its compact
// form.
func (w *rule) pack(stream int, ev *event.Event) {
	w.packed = w.appendPacked(w.packed[:0], stream, ev)
}

func (w *rule) appendPacked(buf []byte, stream int, ev *event.Event) []byte {
	return event.AppendEvent(event.AppendUvarint(buf, uint64(stream)), ev, event.Packing{Omit: w.omit[stream], Base: ev.Time, Layouts: true})
}

// events reads a trail whole. from leaves out events before that time.
func (w *rule) events(t trail, keys keyring, origin, from int64) ([]*event.Event, error) {
	p, err := w.proof(t.n, keys)
	c := cursorOn(t.buf)
	for i := 0; i < t.n && err == nil; i++ {
		entry := cursorOn(c.Bytes())
		if at := entry.Varint() + origin; at >= from {
			err = p.add(entry.Buf, at)
		}
	}
	return p.events, errors.Join(err, c.err())
}

// A proof is the evidence of one alert while it is read.
type proof struct {
	*rule
	bulk   *event.Bulk
	keys   []event.Value
	events []*event.Event
}

// proof begins the evidence of an alert, of at most n events.
func (w *rule) proof(n int, keys keyring) (proof, error) {
	p := proof{rule: w, bulk: event.NewBulk(n), keys: make([]event.Value, len(w.KeyTypes)), events: make([]*event.Event, 0, n)}
	c := cursorOn(keys)
	for i := range p.keys {
		p.keys[i] = c.Value()
	}
	return p, c.err()
}

// add reads what pack wrote of an event of that time.
func (p *proof) add(packed []byte, at int64) error {
	c := cursorOn(packed)
	stream := c.Uvarint()
	if c.Bad || stream >= uint64(len(p.Streams)) {
		return errCorrupt
	}
	ev, err := p.bulk.Decode(p.Streams[stream], c.Buf, event.Packing{Omit: p.omit[stream], Base: at, Layouts: true})
	if err != nil {
		return err
	}
	for i, pos := range p.keyFields(int(stream)) {
		ev.Values[pos] = p.keys[i]
	}
	p.events = append(p.events, ev)
	return nil
}

// clone returns an event that shares nothing that a caller may reuse.
func clone(ev *event.Event) *event.Event {
	c := *ev
	c.Values = append([]event.Value(nil), ev.Values...)
	c.Own()
	return &c
}
