package expr

import (
	"strconv"

	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

// datumKind says where a datum lies.
type datumKind uint8

const (
	inEvent     datumKind = iota // a field of the current event
	eventTime                    // the time of the current event
	alertTime                    // the time of the alert
	wholeStep                    // a step's bare name: only count and has take it
	inStep                       // a field of a step's event, or of its events
	stepTime                     // the time of a step's event, or of its events
	inPrev                       // a field of the previous event of the match
	prevTime                     // its time
	wholePrev                    // prev itself: only has takes it
	inStream                     // a field of an event of one of several streams
	windowValue                  // a window's value
	stepAgg                      // an aggregate over a step's events
	windowAgg                    // an aggregate over a window's events
	inProfile                    // a value of a profile
	presence                     // has(of)
)

// A datum is one thing outside an expression that the expression reads. The
// resolver gives each a number and puts the identifier "@number" in its place.
type datum struct {
	kind   datumKind
	text   string // as the author writes it
	typ    event.Type
	scale  uint8
	pos    int       // field position, value position or slot
	name   string    // field name in inPrev
	stream string    // in inStream and its eventTime
	step   Step      // of step data
	agg    Agg       // of stepAgg
	grows  bool      // windowValue, windowAgg: one more event cannot lessen it
	slots  bool      // stepAgg is read through Bindings.Agg
	of     *datum    // of presence
	count  *Count    // windowValue, windowAgg: bounds of a number of events
	needed bool      // inEvent: no event is without it
	pii    event.PII // of a field

	profile int  // inProfile: position in Outside.Profiles
	set     bool // inProfile: a list
	id      int
}

func (d *datum) ident() string { return "@" + strconv.Itoa(d.id) }

// list reports whether the datum is a list with an element per event.
func (d *datum) list() bool {
	return (d.kind == inStep || d.kind == stepTime) && d.step.Many
}

func (d *datum) declaration() *decls.VariableDecl {
	return decls.NewVariable(d.ident(), d.celType())
}

func (d *datum) celType() *types.Type {
	switch {
	case d.kind == wholeStep || d.kind == wholePrev:
		return stepType
	case d.list(), d.set:
		return types.NewListType(celType(d.typ))
	}
	return celType(d.typ)
}

// celType is how a field's type reads in expressions.
func celType(t event.Type) *types.Type {
	switch t {
	case event.String:
		return types.StringType
	case event.Int:
		return types.IntType
	case event.Double, event.Decimal:
		return types.DoubleType
	case event.Bool:
		return types.BoolType
	case event.Timestamp:
		return types.TimestampType
	case event.Duration:
		return types.DurationType
	case event.StringList:
		return types.NewListType(types.StringType)
	}
	return types.ErrorType
}

// read returns the datum as the event holds it: decimals unscaled, lists not
// handled. False means that it is missing.
func (d *datum) read(f *Frame) (event.Value, bool) {
	switch d.kind {
	case inEvent:
		v := f.Event.Values[d.pos]
		return v, v.Present()
	case inStream:
		return d.readStream(f)
	case eventTime:
		if d.stream != "" && f.Event.Schema.Stream != d.stream {
			return event.Value{}, false
		}
		return event.TimestampOf(f.Event.Time), true
	case alertTime:
		return event.TimestampOf(f.Time), true
	case inPrev, prevTime:
		return d.readPrev(f)
	case inStep, stepTime:
		if ev := f.Match.One(d.step.Index); ev != nil {
			return d.of1(ev)
		}
		return event.Value{}, false
	case windowValue:
		v := f.Values[d.pos]
		return v, v.Present()
	case windowAgg:
		v := f.Aggs[d.pos]
		return v, v.Present()
	case stepAgg:
		return d.aggregate(f)
	case inProfile:
		return d.readProfile(f)
	case presence:
		return event.BoolOf(d.of.present(f)), true
	}
	return event.Value{}, false
}

func (d *datum) readStream(f *Frame) (event.Value, bool) {
	if f.Event.Schema.Stream != d.stream {
		return event.Value{}, false
	}
	v := f.Event.Values[d.pos]
	return v, v.Present()
}

func (d *datum) readPrev(f *Frame) (event.Value, bool) {
	if f.Prev == nil {
		return event.Value{}, false
	}
	if d.kind == prevTime {
		return event.TimestampOf(f.Prev.Time), true
	}
	i := f.Prev.Schema.Index(d.name)
	if i < 0 {
		return event.Value{}, false
	}
	v := f.Prev.Values[i]
	return v, v.Present()
}

// find returns a field of the current event, or of a step that takes one event.
func (d *datum) find(f *Frame) *event.Value {
	if d.kind == inEvent {
		return &f.Event.Values[d.pos]
	}
	return d.past(f)
}

var missing event.Value

func (d *datum) past(f *Frame) *event.Value {
	if ev := f.Match.One(d.step.Index); ev != nil {
		return &ev.Values[d.pos]
	}
	return &missing
}

// of1 reads a step's field or time of one of its events.
func (d *datum) of1(ev *event.Event) (event.Value, bool) {
	if d.kind == stepTime {
		return event.TimestampOf(ev.Time), true
	}
	v := ev.Values[d.pos]
	return v, v.Present()
}

// present answers has().
func (d *datum) present(f *Frame) bool {
	switch {
	case d.kind == wholeStep:
		return f.Match.Len(d.step.Index) > 0
	case d.kind == wholePrev:
		return f.Prev != nil
	case d.set:
		_, ok := d.readSet(f)
		return ok
	case d.list():
		for i := range f.Match.Len(d.step.Index) {
			if _, ok := d.of1(f.Match.At(d.step.Index, i)); ok {
				return true
			}
		}
		return false
	}
	_, ok := d.read(f)
	return ok
}

// aggregate reads the matcher's slot, or computes the aggregate from the
// step's events: those that lack the field are left out.
func (d *datum) aggregate(f *Frame) (event.Value, bool) {
	if d.slots {
		return f.Match.Agg(d.pos)
	}
	n := f.Match.Len(d.of.step.Index)
	if d.agg.Spec.Func == agg.Count && d.of.kind == wholeStep {
		return event.IntOf(int64(n)), true
	}
	var acc agg.Acc
	for i := range n {
		if v, ok := d.of.of1(f.Match.At(d.of.step.Index, i)); ok {
			acc.Add(d.agg.Spec, v)
		}
	}
	return acc.Result(d.agg.Spec)
}
