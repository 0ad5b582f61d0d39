package window

import (
	"encoding/binary"
	"errors"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// The state of a tumbling, sliding or session window is a layout, a head that the
// kind of window writes, and the trail, which has the evidence. Head and trail have
// room to grow: an event writes the head anew and adds itself to the trail in the
// store's own memory.

// A layout is, of fixed width and in little endian: the format, one byte, then 4
// bytes each.
type layout struct {
	head, room         int // of the head: bytes used, bytes there
	n                  int // events of the trail
	from, until, space int // of the trail: where the oldest is, the end of the newest, bytes there
}

const layoutBytes = 1 + 6*4

func (l *layout) read(state []byte, format byte) error {
	if len(state) < layoutBytes || state[0] != format {
		return errCorrupt
	}
	number := func(i int) int { return int(binary.LittleEndian.Uint32(state[1+4*i:])) }
	l.head, l.room, l.n = number(0), number(1), number(2)
	l.from, l.until, l.space = number(3), number(4), number(5)
	sound := l.head <= l.room && l.from <= l.until && l.until <= l.space && l.n <= l.until-l.from
	if !sound || layoutBytes+l.room+l.space != len(state) {
		return errCorrupt
	}
	return nil
}

func (l *layout) write(state []byte, format byte) {
	state[0] = format
	for i, n := range [...]int{l.head, l.room, l.n, l.from, l.until, l.space} {
		binary.LittleEndian.PutUint32(state[1+4*i:], uint32(n))
	}
}

// parts makes w.layout that of a state and returns head and trail.
func (w *rule) parts(state []byte, format byte) (cursor, trail, error) {
	l := &w.layout
	if err := l.read(state, format); err != nil {
		return cursor{}, trail{}, err
	}
	body := state[layoutBytes:]
	return cursorOn(body[:l.head:l.head]), trail{l.n, body[l.room+l.from : l.room+l.until]}, nil
}

// A trail is the latest events of a window, oldest first, each as its length
// and then its time minus the state's origin, its stream and its compact form.
type trail struct {
	n   int
	buf []byte
}

// drop forgets the oldest n events.
func (t *trail) drop(n int) error {
	c := cursorOn(t.buf)
	for range n {
		c.Bytes()
	}
	t.buf, t.n = c.Buf, t.n-n
	return c.err()
}

// dropBefore forgets the events before a time.
func (t *trail) dropBefore(from, origin int64) error {
	for t.n > 0 {
		c := cursorOn(t.buf)
		entry := cursorOn(c.Bytes())
		if at := entry.Varint() + origin; c.Bad || entry.Bad || at >= from {
			return errors.Join(c.err(), entry.err())
		}
		t.buf, t.n = c.Buf, t.n-1
	}
	return nil
}

// extend makes w.entry what an event adds to a trail, nothing where it is nil, and
// leaves room among the w.kept events of a trail.
func (w *rule) extend(t *trail, stream int, ev *event.Event, origin int64) {
	w.entry = w.entry[:0]
	if ev == nil {
		return
	}
	if t.n >= w.kept {
		w.mustRead(t.drop(t.n - w.kept + 1))
	}
	w.pack(stream, ev)
	var at [binary.MaxVarintLen64]byte
	size := binary.PutVarint(at[:], ev.Time-origin)
	w.entry = event.AppendUvarint(w.entry, uint64(size+len(w.packed)))
	w.entry = append(append(w.entry, at[:size]...), w.packed...)
}

// save writes the state of a key, with w.entry behind the trail: where it is, if it
// is that of w.layout and has room.
func (w *rule) save(key, state []byte, s match.Store, format byte, head []byte, t trail) {
	if len(state) == 0 || !w.amend(state, format, head, t) {
		w.state = w.compose(w.state[:0], format, head, t)
		s.Put(key, w.state)
	}
}

// amend is save where the state is; false where it has no room. t is what is left of
// its trail.
func (w *rule) amend(state []byte, format byte, head []byte, t trail) bool {
	l := &w.layout
	used, all := len(t.buf), state[layoutBytes+l.room:]
	l.from = l.until - used
	if len(head) > l.room || used+len(w.entry) > l.space {
		return false
	}
	if l.until+len(w.entry) > l.space {
		if l.from < used/8 { // it would soon be moved again
			return false
		}
		copy(all, t.buf)
		l.from, l.until = 0, used
	}
	l.until += copy(all[l.until:], w.entry)
	l.n, l.head = w.grown(t), copy(state[layoutBytes:], head)
	l.write(state, format)
	return true
}

// grown is how many events a trail has with w.entry.
func (w *rule) grown(t trail) int {
	if len(w.entry) > 0 {
		t.n++
	}
	return t.n
}

// compose puts a state together in buf, with half as much room again as its trail
// takes, for one more event at least.
func (w *rule) compose(buf []byte, format byte, head []byte, t trail) []byte {
	used := len(t.buf) + len(w.entry)
	l := layout{head: len(head), room: len(head) + len(head)/4 + slack, n: w.grown(t), until: used, space: used + max(used/2, len(w.entry))}
	buf = pad(buf, layoutBytes)
	l.write(buf, format)
	buf = pad(append(buf, head...), layoutBytes+l.room)
	buf = append(append(buf, t.buf...), w.entry...)
	return pad(buf, layoutBytes+l.room+l.space)
}
