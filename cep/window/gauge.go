package window

import (
	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
)

// A Gauge runs the window of a view: an evaluator that raises nothing, keeps
// no evidence, and tells what has become of the window of a key.
type Gauge interface {
	match.Evaluator
	// Changes returns what the last call of Event or Deadline did, in the order
	// of time. They are valid until the next call of any method.
	Changes() []Change
	// Read returns the window of a key as it stands; false where it is empty, and
	// of windows that have values at their end only.
	Read(key []byte, s match.Store) (Glance, bool)
}

// A Turn is what became of a window.
type Turn uint8

// The turns of a window.
const (
	Moved   Turn = iota // it took an event; Read gives its values
	Closed              // it has ended, with the values of the change
	Emptied             // a rolling one, when its last event left it
)

// A Change is one turn of the window of a key.
type Change struct {
	Turn Turn
	At   int64 // event time, µs
	Glance
}

// A Glance is a window with its values. Times are µs since the Unix epoch.
type Glance struct {
	Start     int64 // of a rolling window, At of its latest event minus its size
	Last      int64 // of its latest event
	End       int64 // when it ends, or empties, if no other event comes
	Events    int
	Values    []match.NamedValue // in the order of the document; those in error are left out
	Truncated bool               // events left a rolling window early
	Approx    bool               // an aggregate is an estimate
}

// NewGauge returns the evaluator of a view's window.
func NewGauge(v *prog.View) Gauge { return New(v.Rule).(Gauge) }

var (
	_ Gauge = (*rolling)(nil)
	_ Gauge = (*paned)(nil)
	_ Gauge = (*session)(nil)
)

// Changes implements Gauge.
func (w *rule) Changes() []Change { return w.changes }

func (w *rule) changed(c Change) { w.changes = append(w.changes, c) }

// begin gets ready for a call of Event or Deadline.
func (w *rule) begin(s match.Store) {
	w.facts = match.FactsOf(w.Rule, s)
	if w.Shown {
		clear(w.changes)
		w.changes = w.changes[:0]
	}
}

// valuesOf evaluates the values over accumulators.
func (w *rule) valuesOf(accs []agg.Acc, at int64) []match.NamedValue {
	for i := range accs {
		w.aggs[i] = w.resultOf(i, &accs[i])
	}
	return w.named(at)
}

func (w *rule) resultOf(i int, acc *agg.Acc) event.Value {
	v, ok := acc.Result(w.Window.Aggs.List[i].Spec)
	if !ok {
		return event.Value{}
	}
	return v
}

// named evaluates the values over the aggregates in w.aggs.
func (w *rule) named(at int64) []match.NamedValue {
	var out match.Output
	w.judge(at, &out)
	named := make([]match.NamedValue, 0, len(w.values))
	for i, v := range w.values {
		if v.Present() {
			named = append(named, match.NamedValue{Name: w.Window.Values[i].Name, Value: v.Own()})
		}
	}
	return named
}

// Read implements Gauge.
func (r *session) Read(key []byte, s match.Store) (Glance, bool) {
	r.facts = match.FactsOf(r.Rule, s)
	state := s.Get(key)
	if len(state) == 0 {
		return Glance{}, false
	}
	t, err := r.decode(state)
	r.mustRead(err)
	return r.glance(&t), true
}

func (r *session) glance(t *sitting) Glance {
	return Glance{Start: t.start, Last: t.last, End: t.last + r.Window.Size, Events: t.n,
		Values: r.valuesOf(t.accs, t.last), Approx: approximate(t.accs)}
}

// Read implements Gauge.
func (r *rolling) Read(key []byte, s match.Store) (Glance, bool) {
	r.facts = match.FactsOf(r.Rule, s)
	if !r.load(key, s, true) {
		return Glance{}, false
	}
	r.results()
	g := &r.ring
	return Glance{Start: g.last - r.Window.Size, Last: g.last, End: g.last + r.Window.Size, Events: g.n, Values: r.named(g.last),
		Truncated: g.lost != neverLost && g.lost > g.last-r.Window.Size, Approx: r.approximate}, true
}

// Read implements Gauge: the values of such a window are known at its end.
func (p *paned) Read([]byte, match.Store) (Glance, bool) { return Glance{}, false }
