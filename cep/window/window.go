// Package window runs window rules (language §5): rolling, tumbling, sliding
// and session. Like the evaluators of patterns it holds only scratch space;
// what it remembers of a key is bytes in the match.Store, and a key whose
// window is empty has none. It is pure.
package window

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
)

// What one alert carries at most of its window's latest events. The rest of an
// alert's 64 KB is for its key, summary and measures.
const (
	evidenceMax      = 200
	evidenceBytesMax = 60 << 10 // as JSON
)

// stepName is what a window alert calls the step of its evidence.
const stepName = "window"

// New returns the evaluator of a window rule. It asks for a Store that is Paging,
// and panics when r has no window.
func New(r *prog.Rule) match.Evaluator {
	w := newRule(r)
	switch r.Window.Kind {
	case "rolling":
		return newRolling(w)
	case "tumbling", "sliding":
		return newPaned(w)
	case "session":
		return &session{rule: w}
	}
	panic(fmt.Sprintf("window: rule %s has a window of kind %q", r.Name, r.Window.Kind))
}

func everyOf(w *prog.Window) int64 {
	if w.Every > 0 {
		return w.Every
	}
	return w.Size
}

// A rule is what the kinds of windows share: the compiled rule and scratch
// space for one evaluation.
type rule struct {
	*prog.Rule
	kept   int      // events that a key keeps for evidence
	omit   []uint64 // by stream: key fields, which the state keeps once
	frame  expr.Frame
	facts  *expr.Facts // of the call under way
	accs   []agg.Acc
	aggs   []event.Value
	values []event.Value
	copies []int // by value: the aggregate that it is, -1 where it is more
	args   []event.Value
	state  []byte // where a new state is put together
	packed []byte // one event of it
	head   []byte // of a state
	entry  []byte // what an event adds to a trail
	layout layout // of the state that was read last

	changes []Change // of a view: what the last call did
}

func newRule(r *prog.Rule) *rule {
	w := &rule{Rule: r, kept: max(1, min(r.Limits.Evidence, evidenceMax)), omit: make([]uint64, len(r.Streams))}
	for i := range r.Streams {
		for _, pos := range w.keyFields(i) {
			w.omit[i] |= 1 << pos // 0 beyond bit 63: such a field is kept in each event
		}
	}
	n := len(r.Window.Aggs.List)
	w.accs, w.aggs, w.args = make([]agg.Acc, n), make([]event.Value, n), make([]event.Value, n)
	w.values = make([]event.Value, len(r.Window.Values))
	for i := range r.Window.Values {
		slot, ok := r.Window.Values[i].Expr.WindowAgg()
		if !ok {
			slot = -1
		}
		w.copies = append(w.copies, slot)
	}
	w.frame = expr.Frame{Aggs: w.aggs, Values: w.values}
	return w
}

// keyFields returns the positions of the key in a stream of the window, which
// has one role in it.
func (w *rule) keyFields(stream int) []int { return w.Keys[stream].Roles[0] }

// takes returns the stream of an event that satisfies the window's condition.
func (w *rule) takes(ev *event.Event, out *match.Output) (stream int, ok bool) {
	for i, s := range w.Streams {
		if s == ev.Schema || s.Stream == ev.Schema.Stream {
			return i, w.satisfies(i, ev, out)
		}
	}
	return 0, false
}

func (w *rule) satisfies(stream int, ev *event.Event, out *match.Output) bool {
	where := w.Window.Where[stream]
	if where == nil {
		return true
	}
	w.frame.Event, w.frame.Facts = ev, w.facts
	truth, ok := where.Holds(&w.frame)
	if !ok {
		out.Stats.ConditionErrors++
	}
	return truth && ok
}

// read puts what the aggregates take of an event into w.args: absent where
// the event has nothing for one. A bare count takes every event.
func (w *rule) read(ev *event.Event) {
	w.frame.Event, w.frame.Facts = ev, w.facts
	for i := range w.Window.Aggs.List {
		w.args[i] = w.argument(&w.Window.Aggs.List[i])
	}
}

// always is the argument of a count that takes the event.
func always() event.Value { return event.BoolOf(true) }

func (w *rule) argument(a *expr.WindowAgg) event.Value {
	switch {
	case a.Arg == nil:
		return always()
	case a.Spec.Func == agg.Count:
		if truth, ok := a.Arg.Holds(&w.frame); truth && ok {
			return always()
		}
		return event.Value{}
	}
	v, ok := a.Arg.Eval(&w.frame)
	if !ok {
		return event.Value{}
	}
	return v
}

// add gives one event's arguments to the aggregates.
func (w *rule) add(accs []agg.Acc, args []event.Value) {
	for i, v := range args {
		if v.Present() {
			w.give(&accs[i], i, v)
		}
	}
}

// give adds the argument of one event to aggregate i.
func (w *rule) give(acc *agg.Acc, i int, v event.Value) {
	s := w.Window.Aggs.List[i].Spec
	if s.Func == agg.Count {
		v = event.Value{}
	}
	acc.Add(s, v)
}

// approximate reports whether some accumulator is an estimate.
func approximate(accs []agg.Acc) bool {
	return slices.ContainsFunc(accs, func(a agg.Acc) bool { return a.Approximate() })
}

// An outcome is what an alert of a window is made from.
type outcome struct {
	at        int64
	by        match.By
	event     *event.Event
	instant   int64
	events    int  // of the window
	truncated bool // events left the window early
	approx    bool // an aggregate is an estimate
}

// holds evaluates values and having over accumulators.
func (w *rule) holds(accs []agg.Acc, at int64, out *match.Output) bool {
	for i := range accs {
		w.aggs[i] = w.resultOf(i, &accs[i])
	}
	return w.judge(at, out)
}

// judge evaluates values and having over the aggregates in w.aggs.
func (w *rule) judge(at int64, out *match.Output) bool {
	w.frame.Time, w.frame.Facts = at, w.facts
	clear(w.values)
	for i := range w.Window.Values {
		if w.copy(i) {
			continue
		}
		if v, ok := w.Window.Values[i].Expr.Eval(&w.frame); ok {
			w.values[i] = v
		}
	}
	if w.Having == nil {
		return true
	}
	truth, ok := w.Having.Holds(&w.frame)
	if !ok {
		out.Stats.ConditionErrors++
	}
	return truth && ok
}

// bounded is the aggregate that a part of having is bounded by: itself, or as
// a value that is a copy of it.
func (w *rule) bounded(b expr.Bound) int {
	if b.Value {
		return w.copies[b.Pos]
	}
	return b.Pos
}

// copy gives a value that is one of the aggregates in w.aggs, as it is.
func (w *rule) copy(i int) bool {
	slot := w.copies[i]
	if slot < 0 || w.aggs[slot].Type() != w.Window.Values[i].Expr.Type {
		return false
	}
	w.values[i] = w.aggs[slot]
	return true
}

// raise reports the alert of the evaluation that holds just made. latest are
// the newest of the window's events.
func (w *rule) raise(o outcome, latest []*event.Event, out *match.Output) {
	evidence := w.fitting(latest)
	f := match.Found{At: o.at, By: o.by, Event: o.event, Instant: o.instant, Truncated: o.truncated || len(evidence) < o.events, Approx: o.approx}
	f.Evidence = []match.StepEvents{{Step: stepName, Events: evidence}}
	for _, m := range w.Measures {
		if v, ok := m.Expr.Eval(&w.frame); ok {
			f.Measures = append(f.Measures, match.NamedValue{Name: m.Name, Value: v.Own()})
		}
	}
	if w.Summary != nil {
		f.Summary = string(w.Summary.Append(nil, &w.frame))
	}
	out.Found = append(out.Found, f)
}

// fitting returns the newest events that one alert can carry, at least one.
func (w *rule) fitting(latest []*event.Event) []*event.Event {
	size := 0
	for i := len(latest) - 1; i >= 0; i-- {
		size += latest[i].JSONBytes() + 1
		if n := len(latest) - i; n > 1 && (n > w.kept || size > evidenceBytesMax) {
			return latest[i+1:]
		}
	}
	return latest
}

// mustRead stops on state that this package did not write: storage is
// checksummed, so the engine itself is broken and no alert could be trusted.
func (w *rule) mustRead(err error) {
	if err != nil {
		panic(fmt.Sprintf("window: rule %s: %v", w.Name, err))
	}
}
