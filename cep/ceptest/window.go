package ceptest

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
)

// A window is a compiled window rule.
type window struct {
	kind                string
	size, every, offset int64 // µs
	where               map[string]*expr.Program
	roles               map[string][]int
	values              []*expr.Program
	aggs                *expr.WindowAggs
	capacity            int // limits.window_events
	salts               int // of hot_keys; 0: none
}

// windowStep is the step name of a window alert's evidence.
const windowStep = "window"

func (o *Oracle) compileWindow(schemas map[string]*event.Schema) error {
	doc := o.rule.Window
	w := &window{kind: doc.Kind, size: doc.Size.Microseconds(), every: doc.Every.Microseconds(), offset: doc.Offset.Microseconds(),
		where: map[string]*expr.Program{}, roles: map[string][]int{}, aggs: &expr.WindowAggs{}, capacity: o.rule.Limits.WindowEvents, salts: o.rule.Salts}
	if w.every == 0 {
		w.every = w.size
	}
	o.window = w
	var streams []*event.Schema
	for _, name := range doc.Streams {
		schema := schemas[name.Name]
		if schema == nil {
			return fmt.Errorf("window: no stream %q", name.Name)
		}
		streams = append(streams, schema)
		if err := o.compileWindowStream(schema); err != nil {
			return fmt.Errorf("window: stream %s: %w", name.Name, err)
		}
	}
	return o.compileValues(streams)
}

func (o *Oracle) compileWindowStream(schema *event.Schema) error {
	doc, w := o.rule.Window, o.window
	fields := o.rule.Key.Fields
	if key := doc.Keys[schema.Stream]; key != nil {
		fields = key.Fields
	}
	role, err := positions(schema, fields)
	if err != nil {
		return err
	}
	w.roles[schema.Stream] = role
	o.addRole(schema.Stream, role)
	if text := doc.Where[schema.Stream]; text != nil {
		w.where[schema.Stream], err = compile(text.Src, event.Bool, &expr.Scope{Event: schema, Lists: o.lists, Profiles: o.decls, Outside: &o.outside})
	}
	return err
}

func (o *Oracle) compileValues(streams []*event.Schema) error {
	sc := expr.Scope{Window: o.window.aggs, Streams: streams, Lists: o.lists, Profiles: o.decls, Outside: &o.outside, CostLists: o.rule.Limits.WindowEvents}
	if len(streams) == 1 {
		sc.Event, sc.Streams = streams[0], nil
	}
	var named []expr.Named
	for _, v := range o.rule.Values {
		p, err := compile(v.Text.Src, event.Invalid, &sc)
		if err != nil {
			return fmt.Errorf("value %s: %w", v.Name, err)
		}
		o.window.values = append(o.window.values, p)
		named = append(named, expr.Named{Name: v.Name, Type: p.Type})
	}
	sc.Values, sc.At = named, true
	return o.compileTexts(&sc)
}

// A span is the events of one evaluation of a window.
type span struct {
	events []*event.Event
	at     int64
	start  int64
	last   *event.Event // rolling: the event that evaluates
}

func (o *Oracle) windowAlerts(h *history) []Alert {
	inside := slices.DeleteFunc(slices.Clone(h.events), func(ev *event.Event) bool { return !o.windowTakes(h, ev) })
	switch o.window.kind {
	case "rolling":
		return o.rollingAlerts(h, inside)
	case "session":
		return o.closedAlerts(h, o.window.sessions(inside))
	}
	return o.closedAlerts(h, o.window.panes(inside))
}

func (o *Oracle) windowTakes(h *history, ev *event.Event) bool {
	where := o.window.where[ev.Schema.Stream]
	if where == nil {
		return true
	}
	truth, ok := where.Holds(&expr.Frame{Event: ev, Facts: o.factsAt(h, ev, ev.Time)})
	return truth && ok
}

// rollingAlerts evaluates at each event; an alert is a turn from false to true,
// and an emptied window is false.
func (o *Oracle) rollingAlerts(h *history, inside []*event.Event) []Alert {
	var alerts []Alert
	held := false
	for i, ev := range inside {
		s := span{at: ev.Time, last: ev}
		for _, e := range inside[:i+1] {
			if e.Time > ev.Time-o.window.size {
				s.events = append(s.events, e)
			}
		}
		if len(s.events) == 1 {
			held = false
		}
		if over := len(s.events) - o.window.capacity; over > 0 {
			s.events = s.events[over:]
		}
		a, holds := o.evaluate(h, &s)
		if holds && !held {
			alerts = append(alerts, a)
		}
		held = holds
	}
	return alerts
}

func (o *Oracle) closedAlerts(h *history, spans []span) []Alert {
	var alerts []Alert
	for i := range spans {
		if a, holds := o.evaluate(h, &spans[i]); holds {
			alerts = append(alerts, a)
		}
	}
	return alerts
}

// panes returns the tumbling or sliding windows that have an event, by start.
func (w *window) panes(inside []*event.Event) []span {
	byStart := map[int64]*span{}
	var starts []int64
	for _, ev := range inside {
		last := ev.Time - floorMod(ev.Time-w.offset, w.every)
		for start := last; start > ev.Time-w.size; start -= w.every {
			if byStart[start] == nil {
				byStart[start] = &span{start: start, at: start + w.size}
				starts = append(starts, start)
			}
			byStart[start].events = append(byStart[start].events, ev)
		}
	}
	slices.Sort(starts)
	spans := make([]span, len(starts))
	for i, start := range starts {
		spans[i] = *byStart[start]
	}
	return spans
}

func floorMod(a, b int64) int64 { return (a%b + b) % b }

// sessions returns runs of events less than a gap apart.
func (w *window) sessions(inside []*event.Event) []span {
	var spans []span
	for _, ev := range inside {
		if n := len(spans); n == 0 || ev.Time >= spans[n-1].at {
			spans = append(spans, span{start: ev.Time})
		}
		s := &spans[len(spans)-1]
		s.events, s.at = append(s.events, ev), ev.Time+w.size
	}
	return spans
}

// salted puts events in the order in which two stages merge them: by salt,
// the offset modulo their number, and by key order within each.
func (w *window) salted(events []*event.Event) []*event.Event {
	if w.salts == 0 {
		return events
	}
	events = slices.Clone(events)
	n := int64(w.salts)
	slices.SortStableFunc(events, func(a, b *event.Event) int { return compareInt(a.Offset%n, b.Offset%n) })
	return events
}

func (o *Oracle) evaluate(h *history, s *span) (Alert, bool) {
	f := o.frame(h, s)
	latest := s.events[max(0, len(s.events)-min(evidenceMax, o.rule.Limits.Evidence)):]
	a := Alert{At: s.at, Key: h.key, Event: s.last, Instant: s.start, Evidence: []StepEvents{{windowStep, latest}}}
	if s.last == nil {
		a.By = ByWindow
	}
	if o.having != nil {
		if truth, ok := o.having.Holds(f); !truth || !ok {
			return a, false
		}
	}
	a.Measures, a.Summary = o.measure(f), o.summarize(f)
	return a, true
}

// frame is what having and measures see of a window: its values.
func (o *Oracle) frame(h *history, s *span) *expr.Frame {
	f := &expr.Frame{Time: s.at, Facts: o.factsAt(h, s.last, s.at)}
	past := func(ev *event.Event) *expr.Facts { return o.factsAt(h, ev, ev.Time) }
	merged := o.window.salted(s.events)
	for i := range o.window.aggs.List {
		f.Aggs = append(f.Aggs, aggregate(&o.window.aggs.List[i], merged, past))
	}
	for _, p := range o.window.values {
		v, ok := p.Eval(f)
		if !ok {
			v = event.Value{}
		}
		f.Values = append(f.Values, v)
	}
	return f
}

// aggregate computes one aggregate over the events that have its argument.
// facts are those of an event's own moment; nil where nothing outside is read.
func aggregate(w *expr.WindowAgg, events []*event.Event, facts func(*event.Event) *expr.Facts) event.Value {
	var values []event.Value
	for _, ev := range events {
		v := event.IntOf(1)
		if w.Arg != nil {
			if v = argument(w, ev, facts); !v.Present() {
				continue
			}
		}
		values = append(values, v)
	}
	v, ok := reduce(w.Spec, values)
	if !ok {
		return event.Value{}
	}
	return v
}

func argument(w *expr.WindowAgg, ev *event.Event, facts func(*event.Event) *expr.Facts) event.Value {
	f := &expr.Frame{Event: ev}
	if facts != nil {
		f.Facts = facts(ev)
	}
	if w.Spec.Func != agg.Count {
		v, ok := w.Arg.Eval(f)
		if !ok {
			return event.Value{}
		}
		return v
	}
	if truth, ok := w.Arg.Holds(f); !truth || !ok {
		return event.Value{}
	}
	return event.IntOf(1)
}

// reduce is an aggregate by its definition; false is an error.
func reduce(s agg.Spec, values []event.Value) (event.Value, bool) {
	switch s.Func {
	case agg.Count:
		return event.IntOf(int64(len(values))), true
	case agg.Sum:
		return sum(s, values)
	}
	if len(values) == 0 {
		return event.Value{}, false
	}
	return reduceSome(s, values), true
}
