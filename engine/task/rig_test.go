package task_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

// A rig drives a task with made-up rules over streams a and b, whose events
// are a card, an optional shop and an amount. Times are in seconds after base.
type rig struct {
	t       *testing.T
	live    map[task.Ref]task.Rule
	schemas []*event.Schema
	docs    []*syntax.Stream
	lists   []*expr.Table // by version, from 1
	task    *task.Task
	state   *state.Store
	eff     task.Effects
	next    int64
	log     []string // what happened, one line each
}

const base = 1_000_000_000_000_000 // µs

func newRig(t *testing.T) *rig {
	r := &rig{t: t, live: map[task.Ref]task.Rule{}, state: state.NewMemory()}
	for _, name := range []string{"a", "b"} {
		r.docs = append(r.docs, &syntax.Stream{Meta: syntax.Meta{Name: name}, ID: []string{"id"}, PartitionKey: []string{"card"},
			Lateness: 10 * time.Second, MaxFuture: 5 * time.Minute})
		r.schemas = append(r.schemas, event.NewSchema(name, []event.Field{{Name: "card", Type: event.String},
			{Name: "shop", Type: event.Int, Optional: true}, {Name: "amount", Type: event.Int}}))
	}
	r.task = task.New(r.config())
	return r
}

func (r *rig) config() task.Config {
	return task.Config{State: r.state, Resolver: r, Sources: []task.Source{{Stream: "a"}, {Stream: "a", Partition: 1}, {Stream: "b"}}}
}

// Resolve implements task.Resolver.
func (r *rig) Resolve(set task.Set) (*task.Live, error) {
	live := &task.Live{}
	for _, ref := range set.Streams {
		i := slices.IndexFunc(r.docs, func(d *syntax.Stream) bool { return d.Name == ref.Name })
		live.Streams = append(live.Streams, task.Stream{Doc: r.docs[i], Schema: r.schemas[i]})
	}
	for _, ref := range set.Rules {
		live.Rules = append(live.Rules, r.live[ref])
	}
	for _, ref := range set.Lists {
		if ref.Revision < 1 || ref.Revision > len(r.lists) {
			return nil, fmt.Errorf("list %s/%d is not there", ref.Name, ref.Revision)
		}
		live.Lists = append(live.Lists, r.lists[ref.Revision-1])
	}
	return live, nil
}

// A behaviour is what a made-up rule does.
type behaviour struct {
	streams  string // letters
	key      []int  // fields
	absence  int64  // seconds: raises that long after the first event, unless an amount of 0 comes
	raises   bool   // raises at every event
	suppress int64  // seconds
}

func (r *rig) rule(name string, revision int, b behaviour) task.Ref {
	p := &prog.Rule{Name: name, First: true, Suppress: b.suppress * 1e6, Pattern: &prog.Pattern{}, KeyList: len(b.key) > 1,
		Doc: &syntax.Rule{Severity: "low"}}
	for _, f := range b.key {
		p.KeyTypes = append(p.KeyTypes, r.schemas[0].Fields[f].Type)
	}
	for _, c := range b.streams {
		p.Streams = append(p.Streams, r.schemas[c-'a'])
		p.Keys = append(p.Keys, prog.KeyOf{Roles: [][]int{b.key}})
	}
	ref := task.Ref{Name: name, Revision: revision}
	r.live[ref] = task.Rule{Rule: p, Revision: revision, Evaluator: func(*prog.Rule) match.Evaluator { return b }}
	return ref
}

func (b behaviour) Event(key []byte, ev *event.Event, _ uint64, s match.Store, out *match.Output) {
	if b.raises {
		out.Found = append(out.Found, match.Found{At: ev.Time, Event: ev, Summary: ev.ID})
	}
	if b.absence == 0 {
		return
	}
	if ev.Values[2].Int() == 0 {
		s.Put(key, nil)
		s.Timer(key, 0)
		return
	}
	if s.Get(key) == nil {
		s.Put(key, []byte(ev.ID))
		s.Timer(key, ev.Time+b.absence*1e6)
	}
}

func (b behaviour) Deadline(key []byte, at int64, s match.Store, out *match.Output) {
	out.Found = append(out.Found, match.Found{At: at, By: match.ByDeadline, Instant: at, Summary: string(s.Get(key))})
	s.Put(key, nil)
}

// live makes rules the live set.
func (r *rig) use(refs ...task.Ref) {
	r.t.Helper()
	r.apply(task.Entry{Kind: task.Switch, Set: task.Set{Streams: []task.Ref{{Name: "a", Revision: 1}, {Name: "b", Revision: 1}}, Rules: refs}})
}

func (r *rig) tick(stream string, now float64) {
	r.t.Helper()
	r.apply(task.Entry{Kind: task.Tick, Stream: stream, Now: at(now)})
}

func (r *rig) apply(e task.Entry) {
	r.t.Helper()
	if err := r.task.Apply(e, &r.eff); err != nil {
		r.t.Fatal(err)
	}
	r.note()
}

func at(seconds float64) int64 { return base + int64(seconds*1e6) }

// step reads an event. The id's first letter is its stream; a capital one
// comes from the stream's second partition.
func (r *rig) step(id, card string, seconds float64, amount int64) {
	r.t.Helper()
	r.record(task.Record{}, id, card, seconds, amount)
}

func (r *rig) record(rec task.Record, id, card string, seconds float64, amount int64) {
	r.t.Helper()
	ev := r.task.NewEvent()
	source := map[byte]int{'a': 0, 'A': 1, 'b': 2}[id[0]]
	ev.Schema = r.schemas[max(0, source-1)]
	ev.Time, ev.ID = at(seconds), id
	r.fill(ev, card, amount)
	rec.Offset, rec.SourceOffset, rec.Source, rec.Event = r.next, r.next, source, ev
	r.next++
	if err := r.task.Step(&rec, &r.eff); err != nil {
		r.t.Fatal(err)
	}
	r.note()
}

// fill sets the fields; the card may be followed by a slash and a shop.
func (r *rig) fill(ev *event.Event, card string, amount int64) {
	ev.Values = append(ev.Values[:0], event.StringOf(card), event.Value{}, event.IntOf(amount))
	if card, shop, ok := strings.Cut(card, "/"); ok {
		ev.Values[0], ev.Values[1] = event.StringOf(card), event.IntOf(int64(len(shop)))
	}
}

func (r *rig) end() {
	r.t.Helper()
	if err := r.task.Close(&r.eff); err != nil {
		r.t.Fatal(err)
	}
	r.note()
}

func (r *rig) note() {
	for i := range r.eff.Alerts {
		a := &r.eff.Alerts[i]
		line := fmt.Sprintf("%s/%d %s v%d at %g", a.Rule, a.Revision, a.KeyText(), a.Version, float64(a.At-base)/1e6)
		if a.Summary != "" {
			line += " " + a.Summary
		}
		for name, version := range a.Lists {
			line += fmt.Sprintf(" %s:%d", name, version)
		}
		if a.Suppressed > 0 {
			line += fmt.Sprintf(" suppressed %d", a.Suppressed)
		}
		r.log = append(r.log, line)
	}
	for _, l := range r.eff.Late {
		r.log = append(r.log, fmt.Sprintf("%s at %g", l.Reason, float64(l.Time-base)/1e6))
	}
	for _, d := range r.eff.Dead {
		r.log = append(r.log, string(d.Reason))
	}
	r.eff.Reset()
}

// expect compares what happened since the last call.
func (r *rig) expect(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.log, want) {
		r.t.Fatalf("got\n  %s\nwant\n  %s", strings.Join(r.log, "\n  "), strings.Join(want, "\n  "))
	}
	r.log = nil
}
