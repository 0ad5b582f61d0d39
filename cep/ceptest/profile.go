package ceptest

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A profile is one that the rule may read, judged by keeping every event.
type profile struct {
	doc    *syntax.Profile
	schema *event.Schema
	key    []int
	where  *expr.Program
	aggs   expr.WindowAggs
	values []profileValue
}

type profileValue struct {
	program *expr.Program
	set     bool // program is that of what the set takes of an event
}

// compileProfiles compiles the profiles that the rule may name.
func (o *Oracle) compileProfiles(docs []*syntax.Profile, schemas map[string]*event.Schema) error {
	o.profiles, o.decls = map[string]*profile{}, expr.Profiles{}
	for _, doc := range docs {
		p := &profile{doc: doc, schema: schemas[doc.Stream.Name]}
		if p.schema == nil {
			return fmt.Errorf("profile %s: no stream %q", doc.Name, doc.Stream.Name)
		}
		if err := p.compile(); err != nil {
			return fmt.Errorf("profile %s: %w", doc.Name, err)
		}
		decl := &expr.ProfileDecl{Name: doc.Name}
		for i, v := range p.values {
			decl.Values = append(decl.Values, expr.ProfileValue{Name: doc.Values[i].Name, Type: v.program.Type, List: v.set})
		}
		o.profiles[doc.Name], o.decls[doc.Name] = p, decl
	}
	return nil
}

func (p *profile) compile() (err error) {
	if p.key, err = positions(p.schema, p.doc.Key.Fields); err != nil {
		return err
	}
	if p.doc.Where != nil {
		if p.where, err = compile(p.doc.Where.Src, event.Bool, &expr.Scope{Event: p.schema}); err != nil {
			return err
		}
	}
	for _, v := range p.doc.Values {
		program, set, errs := expr.CompileProfileValue(v.Text.Src, &expr.Scope{Event: p.schema, Window: &p.aggs})
		if len(errs) > 0 {
			return fmt.Errorf("value %s: %s", v.Name, errs[0].Detail)
		}
		p.values = append(p.values, profileValue{program, set})
	}
	return nil
}

// A recollection is a moment in the history of one key: the current event, or a
// deadline.
type recollection struct {
	o       *Oracle
	h       *history
	current *event.Event // nil at a deadline
	at      int64
	known   map[[2]int]*remembered // by profile and value: computed once
}

// remembered is a value of a profile, or its set.
type remembered struct {
	value event.Value
	set   []event.Value
	ok    bool
}

var _ expr.History = (*recollection)(nil)

// factsAt are what an expression reads besides events at an event of a key, or,
// when there is none, at a deadline.
func (o *Oracle) factsAt(h *history, current *event.Event, at int64) *expr.Facts {
	if len(o.outside.Profiles) == 0 {
		return &expr.Facts{Lists: o.tables}
	}
	m := moment{time: at, event: deadlinesAt}
	if current != nil {
		m.event = slices.Index(h.all, current)
	}
	if h.facts == nil {
		h.facts = map[moment]*expr.Facts{}
	}
	if h.facts[m] == nil {
		h.facts[m] = &expr.Facts{Lists: o.tables, Profiles: &recollection{o, h, current, at, map[[2]int]*remembered{}}}
	}
	return h.facts[m]
}

func (r *recollection) profile(n int) *profile { return r.o.profiles[r.o.outside.Profiles[n]] }

// covered are the events that the profile covers: accepted, of the key, before
// the current event, in no pane that is past.
func (r *recollection) covered(p *profile) []*event.Event {
	var events []*event.Event
	for _, ev := range r.h.all {
		switch {
		case ev.Schema.Stream != p.schema.Stream, !slices.Equal(project(ev, p.key), r.h.key):
		case r.current != nil && event.Compare(ev, r.current) >= 0, r.current == nil && ev.Time >= r.at:
		case !p.takes(ev), p.past(ev.Time, r.at):
		default:
			events = append(events, ev)
		}
	}
	return events
}

func (p *profile) takes(ev *event.Event) bool {
	if p.where == nil {
		return true
	}
	truth, ok := p.where.Holds(&expr.Frame{Event: ev})
	return truth && ok
}

// past reports whether the pane of an event has ended at least `keep` before
// now: it is dropped whole.
func (p *profile) past(of, now int64) bool {
	pane := p.doc.Pane.Microseconds()
	end := of - floorMod(of, pane) + pane
	return end <= now-p.doc.Keep.Microseconds()
}

// Value returns a single value; false when it is an error.
func (r *recollection) Value(n, value int) (event.Value, bool) {
	v := r.remember(n, value)
	return v.value, v.ok
}

// List returns what a set holds. Of nothing it is an error, as other
// aggregates are.
func (r *recollection) List(n, value int) ([]event.Value, bool) {
	v := r.remember(n, value)
	return v.set, v.ok
}

func (r *recollection) remember(n, value int) *remembered {
	id := [2]int{n, value}
	if r.known[id] == nil {
		r.known[id] = r.compute(r.profile(n), value)
	}
	return r.known[id]
}

// compute makes a value from the events that the profile covers.
func (r *recollection) compute(p *profile, value int) *remembered {
	events, v := r.covered(p), &remembered{}
	if p.values[value].set {
		v.set = p.lastSeen(events, p.values[value].program)
		v.ok = len(v.set) > 0
		return v
	}
	f := &expr.Frame{}
	for i := range p.aggs.List {
		f.Aggs = append(f.Aggs, aggregate(&p.aggs.List[i], events, nil))
	}
	v.value, v.ok = p.values[value].program.Eval(f)
	return v
}

// lastSeen collects the values of a set, the last seen first, up to its limit.
func (p *profile) lastSeen(events []*event.Event, of *expr.Program) []event.Value {
	var set []event.Value
	for i := len(events) - 1; i >= 0 && len(set) < p.doc.Limits.Set; i-- {
		v, ok := of.Eval(&expr.Frame{Event: events[i]})
		if ok && !slices.Contains(set, v) {
			set = append(set, v)
		}
	}
	return set
}
