package window

import (
	"slices"
	"testing"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// bare returns a rule without expressions: count() over stream e by k.
func bare(kind string) *prog.Rule {
	s := event.NewSchema("e", []event.Field{{Name: "k", Type: event.String, Path: []string{"k"}}, {Name: "s", Type: event.String, Path: []string{"s"}}})
	return &prog.Rule{
		Name: "bare", Streams: []*event.Schema{s}, Keys: []prog.KeyOf{{Roles: [][]int{{0}}}}, KeyTypes: []event.Type{event.String},
		Limits: syntax.Limits{Evidence: 1000, WindowEvents: 4096},
		Window: &prog.Window{Kind: kind, Size: 60_000_000, Every: 20_000_000, Where: []*expr.Program{nil},
			Aggs: expr.WindowAggs{List: []expr.WindowAgg{{Spec: agg.Spec{Func: agg.Count}}}}},
	}
}

// memory is the store of one key.
type memory struct {
	state []byte
	timer int64
	pages map[uint64][]byte
}

func (m *memory) Get([]byte) []byte                   { return m.state }
func (m *memory) Put(_, state []byte)                 { m.state = append(m.state[:0], state...) }
func (m *memory) Timer(_ []byte, at int64)            { m.timer = at }
func (m *memory) Covered() int64                      { return 0 }
func (m *memory) Edit([]byte) []byte                  { return m.state }
func (m *memory) Page(_ []byte, number uint64) []byte { return m.pages[number] }

func (m *memory) PutPage(_ []byte, number uint64, page []byte) {
	if m.pages == nil {
		m.pages = map[uint64][]byte{}
	}
	m.pages[number] = slices.Clone(page)
}

func occurrence(r *prog.Rule, i int) *event.Event {
	return &event.Event{Schema: r.Streams[0], Time: int64(i) * 1_000_000, ID: "e", Offset: int64(i),
		Values: []event.Value{event.StringOf("a-key"), event.StringOf("text")}}
}

func decoderOf(kind string) (formatByte byte, decode func([]byte) error) {
	w := newRule(bare(kind))
	switch kind {
	case "rolling":
		r := newRolling(w)
		return formatRolling, r.decode
	case "session":
		r := &session{rule: w}
		return formatSession, func(b []byte) error {
			t, err := r.decode(b)
			if err == nil {
				_, err = r.events(t.trail, t.keys, t.start, 0)
			}
			return err
		}
	}
	r := newPaned(w)
	return formatPaned, func(b []byte) error {
		f, err := r.decode(b)
		if err == nil {
			_, err = r.events(f.trail, f.keys, f.origin, 0)
		}
		return err
	}
}

func kinds() []string { return []string{"rolling", "sliding", "session"} }

func stateOf(kind string, events int) []byte {
	r := bare(kind)
	var c memory
	var out match.Output
	e := New(r)
	for i := range events {
		e.Event([]byte("a-key"), occurrence(r, i), 1, &c, &out)
	}
	return c.state
}

func TestStateIsReadWhole(t *testing.T) {
	for _, kind := range kinds() {
		format, decode := decoderOf(kind)
		state := stateOf(kind, 5)
		if err := decode(state); err != nil || state[0] != format {
			t.Errorf("%s: %v, format %#x", kind, err, state[0])
		}
		for n := range state {
			if decode(state[:n]) == nil {
				t.Errorf("%s: the first %d bytes of %d were taken for a state", kind, n, len(state))
			}
		}
		if decode(append(slices.Clone(state), 0)) == nil {
			t.Errorf("%s: a byte too many was taken", kind)
		}
	}
}

func FuzzState(f *testing.F) {
	for i, kind := range kinds() {
		f.Add(i, stateOf(kind, 1))
		f.Add(i, stateOf(kind, 9))
	}
	f.Fuzz(func(t *testing.T, kind int, state []byte) {
		_, decode := decoderOf(kinds()[uint(kind)%3])
		if err := decode(state); err != nil {
			return
		}
	})
}

func TestKeyFieldsAreKeptOnce(t *testing.T) {
	short, long := bare("rolling"), stateOf("rolling", 20)
	if n := len(long) - len(stateOf("rolling", 19)); n > 22 {
		t.Errorf("an event of %d fields takes %d bytes", len(short.Streams[0].Fields), n)
	}
}
