// Package ceptest judges the engine. Its Oracle recomputes the alerts of a
// rule from all events at once, by the definitions of docs/language.md and
// nothing else: it keeps every event of a key, enumerates every way the
// pattern fits, and only then filters, cuts and picks. It is slow and meant to
// be plainly right. The package also holds the corpus of cases and the
// generator of random rules that engine and oracle are compared on. Tests
// call it; nothing that runs in production does.
package ceptest

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// An Oracle judges one rule. It is immutable after New; use one per goroutine
// all the same, because compiled expressions share scratch space.
type Oracle struct {
	rule     *syntax.Rule
	steps    []*step        // evidence steps in the order of the pattern's text, then the others
	evidence int            // how many of steps may be evidence
	index    map[string]int // position in steps by name
	within   int64          // µs; 0: unbounded
	having   *expr.Program
	measures []measure
	window   *window
	streams  map[string][][]int // every key projection of a stream of the rule
	names    *naming
	profiles map[string]*profile
	decls    expr.Profiles
	outside  expr.Outside // the profiles that expressions read, by position
	lists    expr.Lists
	tables   map[string]*expr.Table
	summary  []passage
}

// A step is one named condition, evidence or not.
type step struct {
	name   string
	schema *event.Schema
	key    []int // positions of the rule's key fields in schema
	where  *expr.Program
	gap    int64 // µs; 0: none
	alone  bool  // where reads the current event only
}

type measure struct {
	name string
	expr *expr.Program
}

// By tells what completed an alert.
type By uint8

// What completes an alert.
const (
	ByEvent By = iota
	ByDeadline
	ByWindow
)

// An Alert is one alert the rule must raise, and nothing of how it is sent.
type Alert struct {
	At        int64 // event time, µs
	Key       []event.Value
	By        By
	Event     *event.Event // ByEvent: the completing event
	Instant   int64        // ByDeadline: the deadline; ByWindow: the window's start
	Evidence  []StepEvents // steps with events, in the order of the pattern's text
	Measures  []Measured   // in the order of the document; those in error are left out
	Summary   string
	Capped    bool // of Oracle.Capped and engines
	Truncated bool // of engines
}

// StepEvents are the events of one step, in key order.
type StepEvents struct {
	Step   string
	Events []*event.Event
}

// Measured is the value of one measure.
type Measured struct {
	Name  string
	Value event.Value
}

// New compiles a rule for judging. Schemas are by stream name; profiles are
// those that the rule may read. The error is
// the first expression that does not compile, or a part that has no schema.
func New(rule *syntax.Rule, schemas map[string]*event.Schema, profiles ...*syntax.Profile) (*Oracle, error) {
	return newOracle(rule, schemas, profiles, nil, nil)
}

func newOracle(rule *syntax.Rule, schemas map[string]*event.Schema, profiles []*syntax.Profile, lists expr.Lists, tables map[string]*expr.Table) (*Oracle, error) {
	o := &Oracle{rule: rule, index: map[string]int{}, within: rule.Within.Microseconds(), streams: map[string][][]int{}, lists: lists, tables: tables}
	if err := o.compileProfiles(profiles, schemas); err != nil {
		return nil, err
	}
	if rule.Window != nil {
		return o, o.compileWindow(schemas)
	}
	if err := o.declareSteps(schemas); err != nil {
		return nil, err
	}
	if err := o.compilePattern(); err != nil {
		return nil, err
	}
	return o, nil
}

func (o *Oracle) declareSteps(schemas map[string]*event.Schema) error {
	order := evidenceNames(o.rule.Pattern, nil)
	o.evidence = len(order)
	for _, s := range o.rule.Steps {
		if !slices.Contains(order, s.Name) {
			order = append(order, s.Name)
		}
	}
	for i, name := range order {
		o.index[name] = i
		s, err := declare(o.rule, name, schemas)
		if err != nil {
			return err
		}
		o.steps = append(o.steps, s)
		o.addRole(s.schema.Stream, s.key)
	}
	return nil
}

func declare(rule *syntax.Rule, name string, schemas map[string]*event.Schema) (*step, error) {
	for _, s := range rule.Steps {
		if s.Name != name {
			continue
		}
		schema := schemas[s.Stream]
		if schema == nil {
			return nil, fmt.Errorf("step %s: no stream %q", name, s.Stream)
		}
		fields := rule.Key.Fields
		if s.Key != nil {
			fields = s.Key.Fields
		}
		key, err := positions(schema, fields)
		if err != nil {
			return nil, fmt.Errorf("step %s: %w", name, err)
		}
		return &step{name: name, schema: schema, key: key, gap: s.Gap.Microseconds()}, nil
	}
	return nil, fmt.Errorf("step %q is not defined", name)
}

func positions(schema *event.Schema, fields []string) ([]int, error) {
	at := make([]int, len(fields))
	for i, f := range fields {
		if at[i] = schema.Index(f); at[i] < 0 {
			return nil, fmt.Errorf("stream %s has no field %q", schema.Stream, f)
		}
	}
	return at, nil
}

func (o *Oracle) addRole(stream string, key []int) {
	for _, have := range o.streams[stream] {
		if slices.Equal(have, key) {
			return
		}
	}
	o.streams[stream] = append(o.streams[stream], key)
}

// evidenceNames appends the steps that may be evidence, in the order of the
// pattern's text.
func evidenceNames(n *syntax.Node, to []string) []string {
	if n.Op == syntax.OpStep {
		return append(to, n.Name)
	}
	for _, sub := range n.Sub {
		to = evidenceNames(sub, to)
	}
	return to
}

// Alerts returns what the rule must raise for accepted events, of any keys and
// streams in any order; those of other streams are passed over. Event time
// closes after the last: every deadline fires. Covered is the time from which
// the state covers all events, for leading absence. The order is that of At,
// then of keys' first events.
func (o *Oracle) Alerts(events []*event.Event, covered int64) []Alert {
	var found []Alert
	for _, h := range o.histories(events) {
		if o.window != nil {
			found = append(found, o.windowAlerts(h)...)
		} else {
			found = append(found, o.patternAlerts(h, covered)...)
		}
	}
	slices.SortStableFunc(found, func(a, b Alert) int { return compareInt(a.At, b.At) })
	return found
}

// Covered returns the event time of the first of events that the rule reads,
// in the order given: where a fresh state begins to cover all keys.
func (o *Oracle) Covered(events []*event.Event) int64 {
	for _, ev := range events {
		if o.streams[ev.Schema.Stream] != nil {
			return ev.Time
		}
	}
	return 0
}

// A history is all events of one key, in key order.
type history struct {
	key    []event.Value
	events []*event.Event
	all    []*event.Event // of all keys and streams
	facts  map[moment]*expr.Facts
}

func (o *Oracle) histories(events []*event.Event) []*history {
	var all []*history
	byKey := map[string]*history{}
	for _, ev := range events {
		for _, key := range o.keysOf(ev) {
			var name []byte
			for _, v := range key {
				name = event.AppendValue(name, v)
			}
			h := byKey[string(name)]
			if h == nil {
				h = &history{key: key}
				byKey[string(name)] = h
				all = append(all, h)
			}
			h.events = append(h.events, ev)
		}
	}
	everything := slices.SortedStableFunc(slices.Values(events), event.Compare)
	for _, h := range all {
		h.all = everything
		slices.SortStableFunc(h.events, event.Compare)
	}
	return all
}

// keysOf returns the keys that an event belongs to, each once.
func (o *Oracle) keysOf(ev *event.Event) [][]event.Value {
	var keys [][]event.Value
	for _, role := range o.streams[ev.Schema.Stream] {
		if key := project(ev, role); key != nil && !slices.ContainsFunc(keys, func(k []event.Value) bool { return slices.Equal(k, key) }) {
			keys = append(keys, key)
		}
	}
	return keys
}

// project returns the values at the given fields, or nil when one is absent.
func project(ev *event.Event, fields []int) []event.Value {
	key := make([]event.Value, len(fields))
	for i, f := range fields {
		if key[i] = ev.Values[f]; !key[i].Present() {
			return nil
		}
	}
	return key
}

func compareInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
