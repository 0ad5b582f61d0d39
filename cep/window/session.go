package window

import (
	"encoding/binary"
	"math"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// session runs session windows: a session goes on while events come less than
// the gap apart and is evaluated at its last event + gap.
type session struct {
	*rule
	keys []byte
}

// A sitting is the state of a session rule:
//
//	start   time of the first event, signed varint; other times are relative
//	last    time of the latest event, minus start
//	keys    the key's values
//	n       events
//	accumulators
//
// as its head, and the trail.
type sitting struct {
	start, last int64
	keys        keyring
	n           int
	accs        []agg.Acc
	trail       trail
}

func (r *session) decode(state []byte) (sitting, error) {
	var t sitting
	c, latest, err := r.parts(state, formatSession)
	if err != nil {
		return t, err
	}
	t.trail = latest
	t.start = c.Varint()
	t.last = t.start + int64(c.Uvarint())
	t.keys = c.keyring(len(r.KeyTypes))
	t.n = int(c.Uvarint())
	t.accs = r.accs
	r.accumulators(&c, t.accs)
	if len(c.Buf) != 0 {
		c.Bad = true
	}
	return t, c.err()
}

// Event opens a session or prolongs the open one. Its deadline stays where it
// is until it is due: by then the session has mostly gone on, and moving it at
// every event would cost more than one look.
func (r *session) Event(key []byte, ev *event.Event, _ uint64, s match.Store, out *match.Output) {
	r.begin(s)
	stream, ok := r.takes(ev, out)
	if !ok {
		return
	}
	r.read(ev)
	var t sitting
	state := s.(match.Paging).Edit(key)
	if len(state) > 0 {
		var err error
		t, err = r.decode(state)
		r.mustRead(err)
	} else {
		r.keys = r.appendKeyring(r.keys[:0], stream, ev)
		t = sitting{start: ev.Time, keys: keyring(r.keys), accs: r.accs}
		for i := range t.accs {
			t.accs[i].Reset()
		}
		s.Timer(key, ev.Time+r.Window.Size)
	}
	t.last, t.n = ev.Time, t.n+1
	r.add(t.accs, r.args)
	if r.Shown {
		r.changed(Change{Turn: Moved, At: ev.Time})
		ev = nil // no evidence
	}
	r.head = r.append(r.head[:0], &t)
	r.extend(&t.trail, stream, ev, t.start)
	r.save(key, state, s, formatSession, r.head, t.trail)
}

func (r *session) append(buf []byte, t *sitting) []byte {
	buf = binary.AppendVarint(buf, t.start)
	buf = binary.AppendUvarint(buf, uint64(t.last-t.start))
	buf = append(buf, t.keys...)
	buf = binary.AppendUvarint(buf, uint64(t.n))
	return r.appendAccumulators(buf, t.accs)
}

// Deadline ends the session, unless it has gone on since the deadline was set.
func (r *session) Deadline(key []byte, at int64, s match.Store, out *match.Output) {
	r.begin(s)
	state := s.Get(key)
	if len(state) == 0 {
		s.Timer(key, 0)
		return
	}
	t, err := r.decode(state)
	r.mustRead(err)
	end := t.last + r.Window.Size
	if end > at {
		s.Timer(key, end)
		return
	}
	if r.Shown {
		r.changed(Change{Turn: Closed, At: end, Glance: r.glance(&t)})
	} else if r.holds(t.accs, end, out) {
		evidence, err := r.events(t.trail, t.keys, t.start, math.MinInt64)
		r.mustRead(err)
		o := outcome{at: end, by: match.ByWindow, instant: t.start, events: t.n, approx: approximate(t.accs)}
		r.raise(o, evidence, out)
	}
	s.Put(key, nil)
	s.Timer(key, 0)
}
