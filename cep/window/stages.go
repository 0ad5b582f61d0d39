package window

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
)

// A window with hot_keys may run as two stages, each an evaluator of its own:
// the first keeps one pane of one salt of a key and hands it over at the pane's
// end, the second merges what it is handed. Together they find what New finds.

// A Part is one pane of one salt of a key, as the first stage hands it over.
type Part struct {
	End    int64 // of the pane, µs
	Events int
	Accs   []byte         // the pane's accumulators
	Latest []*event.Event // the newest of its events, oldest first
}

// The fields of a part as an event of the stream that leads to the second stage.
const (
	PartKey = iota // the key's bytes
	partSalt
	partEvents
	partAccs
	partLatest
)

// PartFields returns the fields of a stream of parts.
func PartFields() []event.Field {
	return []event.Field{{Name: "key", Type: event.String}, {Name: "salt", Type: event.Int}, {Name: "events", Type: event.Int},
		{Name: "accumulators", Type: event.String}, {Name: "latest", Type: event.String}}
}

// A Keeper is the first stage of a window with hot_keys. Its keys are those of
// one salt each.
type Keeper struct {
	*paned
	parts []Part
	buf   []byte
}

// NewKeeper returns the first stage of a tumbling or sliding window.
func NewKeeper(r *prog.Rule) *Keeper {
	one, pane := *r, *r.Window
	pane.Size, pane.Every, pane.Salts = everyOf(r.Window), 0, 0
	one.Window = &pane
	k := &Keeper{paned: newPaned(newRule(&one))}
	k.closed = k.handOver
	return k
}

func (k *Keeper) handOver(f *frames) {
	latest, err := k.events(f.trail, f.keys, f.origin, f.next)
	k.mustRead(err)
	k.parts = append(k.parts, Part{End: f.next + k.Window.Size, Events: f.newest.n, Accs: slices.Clone(f.newest.accs), Latest: k.fitting(latest)})
}

// Parts returns what was handed over since the last call. It is valid until the
// next Deadline.
func (k *Keeper) Parts() []Part {
	parts := k.parts
	k.parts = k.parts[:0]
	return parts
}

// Row makes ev the event of a part, but for its place: the last instant of the
// pane, so that every deadline of the pane's end comes behind it.
func (k *Keeper) Row(p *Part, schema *event.Schema, key []byte, salt byte, ev *event.Event) {
	k.buf = event.AppendUvarint(k.buf[:0], uint64(len(p.Latest)))
	for _, e := range p.Latest {
		stream := slices.IndexFunc(k.Streams, func(s *event.Schema) bool { return s == e.Schema })
		k.buf = event.AppendUvarint(k.buf, uint64(stream))
		k.buf = event.AppendEvent(k.buf, e, event.Packing{})
	}
	*ev = event.Event{Schema: schema, Time: p.End - 1, Values: append(ev.Values[:0], event.StringOf(string(key)), event.IntOf(int64(salt)),
		event.IntOf(int64(p.Events)), event.StringOf(string(p.Accs)), event.StringOf(string(k.buf)))}
}

// A merger is the second stage.
type merger struct{ panes *paned }

// NewMerger returns the second stage of a rule with hot_keys: its events are
// those of Keeper.Row.
func NewMerger(r *prog.Rule) match.Evaluator {
	return &merger{panes: newPaned(newRule(r))}
}

// Event implements match.Evaluator.
func (m *merger) Event(key []byte, ev *event.Event, _ uint64, s match.Store, _ *match.Output) {
	p := m.panes
	p.begin(s)
	salt, n := ev.Values[partSalt].Int(), ev.Values[partEvents].Int()
	latest, err := m.latest(ev.Values[partLatest].Str())
	p.mustRead(err)
	if salt < 0 || salt >= int64(p.salts) || n < 1 || len(latest) == 0 {
		p.mustRead(fmt.Errorf("a part of salt %d of %d with %d events", salt, p.salts, n))
	}
	var f frames
	start := ev.Time - floorMod(ev.Time-p.Window.Offset, p.every)
	state := s.Get(key)
	if len(state) > 0 {
		f, err = p.decode(bytes.Clone(state))
		p.mustRead(err)
	} else {
		stream := slices.Index(p.Streams, latest[0].Schema)
		f = frames{origin: start, keys: p.appendKeyring(nil, stream, latest[0]), next: start + p.every - p.Window.Size}
		f.newest.start = start
	}
	next, part := f.next, p.part
	c := cursorOn([]byte(ev.Values[partAccs].Str()))
	p.accumulators(&c, part)
	p.mustRead(c.err())
	p.fold(&f, start, int(salt), int(n), part)
	f.trail = m.joined(&f, latest)
	p.rewrite(key, s, &f)
	if len(state) == 0 || f.next != next {
		s.Timer(key, f.next+p.Window.Size)
	}
}

// Deadline implements match.Evaluator.
func (m *merger) Deadline(key []byte, at int64, s match.Store, out *match.Output) {
	m.panes.Deadline(key, at, s, out)
}

// latest reads the events of a part.
func (m *merger) latest(text string) ([]*event.Event, error) {
	c := cursorOn([]byte(text))
	events := make([]*event.Event, 0, min(c.Uvarint(), evidenceMax))
	for len(c.Buf) > 0 {
		stream := c.Uvarint()
		if c.Bad || stream >= uint64(len(m.panes.Streams)) {
			return nil, errCorrupt
		}
		ev := &event.Event{}
		rest, err := event.DecodeEvent(m.panes.Streams[stream], c.Buf, ev, event.Packing{})
		if err != nil {
			return nil, err
		}
		c.Buf = rest
		events = append(events, ev)
	}
	return events, c.err()
}

// joined is the trail with the events of one more part, in their order. Those of
// a pane come salt by salt.
func (m *merger) joined(f *frames, latest []*event.Event) trail {
	p := m.panes
	before, err := p.events(f.trail, f.keys, f.origin, f.next)
	p.mustRead(err)
	all := append(before, latest...)
	slices.SortFunc(all, event.Compare)
	var t trail
	for _, ev := range all[max(0, len(all)-p.kept):] {
		p.pack(slices.Index(p.Streams, ev.Schema), ev)
		at := binary.AppendVarint(nil, ev.Time-f.origin)
		t.buf = event.AppendUvarint(t.buf, uint64(len(at)+len(p.packed)))
		t.buf = append(append(t.buf, at...), p.packed...)
		t.n++
	}
	return t
}

// fold merges accumulators into those of one salt of the pane that begins at
// start, the newest.
func (p *paned) fold(f *frames, start int64, salt, events int, part []agg.Acc) {
	p.turn(f, start)
	n := len(part)
	for i := range part {
		p.mustRead(p.accs[salt*n+i].Merge(p.Window.Aggs.List[i].Spec, &part[i]))
	}
	f.newest.n, f.newest.accs = f.newest.n+events, p.appendAccumulators(nil, p.accs)
}
