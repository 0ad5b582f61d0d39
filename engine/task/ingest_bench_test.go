package task_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

// A lane is one stream of payments under rules that do nothing: what it costs
// is the sequencer's own.
type lane struct {
	doc    *syntax.Stream
	schema *event.Schema
}

func (l *lane) Resolve(set task.Set) (*task.Live, error) {
	live := &task.Live{Streams: []task.Stream{{Doc: l.doc, Schema: l.schema}}}
	for _, ref := range set.Rules {
		p := &prog.Rule{Name: ref.Name, First: true, Pattern: &prog.Pattern{}, Doc: &syntax.Rule{}, KeyTypes: []event.Type{event.String},
			Streams: []*event.Schema{l.schema}, Keys: []prog.KeyOf{{Roles: [][]int{{0}}}}}
		live.Rules = append(live.Rules, task.Rule{Rule: p, Revision: 1, Evaluator: func(*prog.Rule) match.Evaluator { return behaviour{} }})
	}
	return live, nil
}

func newLane(lateness time.Duration, ids bool, rules int) (*lane, *task.Task, error) {
	l := &lane{doc: &syntax.Stream{Meta: syntax.Meta{Name: "a"}, PartitionKey: []string{"card"}, Lateness: lateness},
		schema: event.NewSchema("a", []event.Field{{Name: "card", Type: event.String}, {Name: "status", Type: event.String},
			{Name: "amount", Type: event.Decimal, Scale: 2}, {Name: "merchant", Type: event.String}, {Name: "country", Type: event.String}})}
	if ids {
		l.doc.ID = []string{"id"}
	}
	set := task.Set{Streams: []task.Ref{{Name: "a", Revision: 1}}}
	for i := range rules {
		set.Rules = append(set.Rules, task.Ref{Name: fmt.Sprintf("r%d", i), Revision: 1})
	}
	t := task.New(task.Config{State: state.NewMemory(), Resolver: l, Sources: []task.Source{{Stream: "a"}}})
	var eff task.Effects
	return l, t, t.Apply(task.Entry{Kind: task.Switch, Set: set}, &eff)
}

// A feed gives the lane's events one after another, a millisecond apart.
type feed struct {
	lane    *lane
	task    *task.Task
	cards   []string
	ids     []string
	jitter  []int64 // µs, by event modulo its length
	n       int64
	record  task.Record
	effects task.Effects
}

func (f *feed) step() error {
	ev := f.task.NewEvent()
	ev.Schema, ev.Time = f.lane.schema, base+f.n*1000
	if len(f.jitter) > 0 {
		ev.Time -= f.jitter[int(f.n)%len(f.jitter)]
	}
	if len(f.ids) > 0 {
		ev.ID = f.ids[int(f.n)%len(f.ids)]
	}
	card := f.cards[int(uint64(f.n)*0x9e3779b1)%len(f.cards)]
	ev.Values = append(ev.Values[:0], event.StringOf(card), event.StringOf("approved"), event.DecimalOf(1230, 2),
		event.StringOf("m1"), event.StringOf("BR"))
	f.record = task.Record{Offset: f.n, SourceOffset: f.n, Event: ev}
	f.n++
	if err := f.task.Step(&f.record, &f.effects); err != nil {
		return err
	}
	if !f.effects.Empty() {
		return fmt.Errorf("event %d had effects: %+v", f.n, f.effects)
	}
	return nil
}

func newFeed(lateness time.Duration, ids bool, rules int) (*feed, error) {
	l, t, err := newLane(lateness, ids, rules)
	f := &feed{lane: l, task: t}
	for i := range 1000 {
		f.cards = append(f.cards, fmt.Sprintf("c%d", i))
	}
	if ids {
		for i := range 200_000 {
			f.ids = append(f.ids, fmt.Sprintf("event-%d", i))
		}
	}
	return f, err
}

// BenchmarkSequencer is the way of a decoded event to an evaluator that does
// nothing.
func BenchmarkSequencer(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	cases := []struct {
		name     string
		lateness time.Duration
		ids      bool
		jitter   int64 // µs
		rules    int
	}{
		{"now", 0, false, 0, 1},
		{"ordered", 30 * time.Second, false, 0, 1},
		{"ids", 30 * time.Second, true, 0, 1},
		{"jitter", 30 * time.Second, false, 5_000, 1},
		{"shuffled", 30 * time.Second, false, 20_000_000, 1},
		{"rules", 0, false, 0, 100},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			f, err := newFeed(c.lateness, c.ids, c.rules)
			if err != nil {
				b.Fatal(err)
			}
			for range 4096 {
				if c.jitter > 0 {
					f.jitter = append(f.jitter, r.Int64N(c.jitter))
				}
			}
			for range 40_000 {
				if err := f.step(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := f.step(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSnapshot encodes a task that holds 12,500 events and remembers their ids.
func BenchmarkSnapshot(b *testing.B) {
	f, err := newFeed(12500*time.Millisecond, true, 1)
	if err != nil {
		b.Fatal(err)
	}
	for range 40_000 {
		if err := f.step(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = len(f.task.Snapshot())
	}
	b.ReportMetric(float64(n), "bytes")
}
