// Package expr compiles the expressions of language §2: CEL, parsed and
// checked by cel-go, then turned into typed closures over events. It is pure.
package expr

import (
	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

// A Step is a step whose events an expression may read.
type Step struct {
	Name   string
	Index  int // what Bindings is asked for
	Schema *event.Schema
	Many   bool  // a record of lists (any quantifier, a branch of "|"); else a record
	Count  Count // how many events it may have; the zero Count says nothing
}

// A Named is a name with its type: a window value.
type Named struct {
	Name  string
	Type  event.Type
	Grows bool   // Program.Grows of its expression
	Count *Count // Program.Count of its expression
}

// A Scope says what names mean in one expression. Zero parts are not visible.
type Scope struct {
	Event   *event.Schema   // bare fields and `time` of the current event
	Streams []*event.Schema // windows over several streams: `payment.amount`
	Steps   []Step
	Prev    []event.Field // what `prev` has; nil when `prev` is illegal here
	At      bool          // `time` is the alert's time (having, measures, summary)
	Values  []Named       // a window's values, by position
	// Aggs collects the aggregates that the expression reads, so that the
	// matcher keeps them incrementally. With nil, aggregates are computed from
	// the lists in Bindings at each evaluation (the oracle does that).
	Aggs *Aggs
	// Window, when not nil, makes every aggregate call one of a window: its
	// argument is an expression over one event. Calls are collected here.
	Window *WindowAggs
	Lists  Lists
	// Profiles are those that the expression may name.
	Profiles Profiles
	// Outside collects what the expression reads besides events; may be nil.
	Outside *Outside
	// Hidden holds the names that exist in the rule but are not visible here,
	// each with the reason, for the error that a use of it gets:
	// "step hit is matched only later".
	Hidden map[string]string
	// CostLists is limits.evidence, the size that the static cost bound takes
	// for lists; 0 means 1000.
	CostLists int

	inWindow bool // the argument of a window's aggregate
}

// An Agg is an aggregate over one step's events, e.g. avg(probe.amount).
type Agg struct {
	Step  int  // Step.Index
	Field int  // position in the step's schema; -1 for count(step)
	Time  bool // the argument is step.time (Field is -1)
	Spec  agg.Spec
}

// Aggs is the set of distinct aggregates of one rule; slots are positions.
type Aggs struct{ List []Agg }

// A WindowAgg is an aggregate over a window's events.
type WindowAgg struct {
	Spec agg.Spec
	Arg  *Program // nil for count(); for count(c) the condition

	text string // the call, to find equal ones
}

// WindowAggs is the set of distinct aggregates of one window rule.
type WindowAggs struct{ List []WindowAgg }

// Bindings are the events of the match so far, as an evaluator keeps them.
type Bindings interface {
	Len(step int) int                 // events bound to the step
	At(step, i int) *event.Event      // i < Len(step), in order
	One(step int) *event.Event        // the first, nil where there is none
	Agg(slot int) (event.Value, bool) // false: the aggregate is an error (avg of nothing)
}

// A Frame is everything one evaluation reads. The caller reuses it; an
// evaluation keeps nothing of it. One goroutine at a time.
type Frame struct {
	Event  *event.Event // the current event
	Prev   *event.Event // the previous event of the match, nil at the first
	Time   int64        // `time` where Scope.At, µs
	Match  Bindings
	Values []event.Value // window values by position; absent means an error
	Aggs   []event.Value // results of WindowAggs by slot; absent means an error
	Facts  *Facts        // what lies outside the events; nil where a rule reads none

	locals []local       // variables of macros
	arena  []event.Value // lists made during one evaluation
}

// Reads tells what an expression depends on; the compiler of rules chooses
// evaluators by it.
type Reads struct {
	Event bool         // a field or the time of the current event
	Steps map[int]bool // Step.Index, aggregates included
	Prev  bool
	// Past are the names of fields of events that were matched before.
	Past map[string]bool
	// Outside is true when a list or a profile is read: the same event may
	// answer otherwise at another time.
	Outside bool
}

// An Error is a fault in an expression: Offset is in bytes from the start of
// the source.
type Error struct {
	Offset int
	Detail string
	Hint   string
}

// A Program is a compiled expression: immutable, safe for concurrent use as
// long as each goroutine has its own Frame.
type Program struct {
	Type  event.Type // of the result
	Scale uint8      // when Type is Decimal never set: decimals read as doubles
	Reads Reads
	Cost  uint64 // static bound by cel-go's estimator
	// Monotone is true when no aggregate is read but in lower bounds on count,
	// distinct and max (`count(a) >= 3`), alone or under &&: one more event
	// cannot turn a true result false (language §6).
	Monotone bool
	// Grows is true when the result is a count, distinct or max, which one more
	// event cannot lessen.
	Grows bool
	// Filter is the part that decides early: the operands of a top-level &&
	// that read the current event only, nil when there is none. Where it does
	// not hold, the whole does not.
	Filter *Program
	// Text is the source. Two conditions of one text that read the current
	// event only, and nothing outside, are one condition; filters have none.
	Text string
	// Needs are comparisons without which a condition does not hold.
	Needs []Need
	// Joins are equalities without which a condition does not hold.
	Joins []Join
	Const *bool // the value when the expression is a constant bool, else nil
	// Verdict is what can be said of a condition without an event.
	Verdict Verdict
	// Count bounds the result where it is a number of events or of distinct
	// values; nil for all else.
	Count *Count

	eval   func(*Frame) (event.Value, bool)
	cond   func(*Frame) (bool, bool)
	alone  *datum // an aggregate over a window's events that the expression is, nothing more
	locals int    // variables of macros that the frame needs room for
	lists  bool   // uses the frame's scratch space
	field  *datum // a field of the current event that it is, of the same type

	// Parts are the operands of a condition's top-level &&; none where cel-go
	// evaluates it, or it needs the frame's scratch space.
	Parts []Part
	// Kin are the conditions that differ from it in one number.
	Kin Kin
}

// CostLimit is the static cost above which an expression is refused.
const CostLimit = 10_000

// Holds evaluates a condition. ok is false when it ended in an error, which
// makes the condition false as a whole (language §2).
func (p *Program) Holds(f *Frame) (truth, ok bool) {
	if p.lists {
		p.prepare(f)
	}
	truth, ok = p.cond(f)
	return truth && ok, ok
}

// Eval evaluates to a value; ok is false when it ended in an error.
func (p *Program) Eval(f *Frame) (event.Value, bool) {
	if p.lists {
		p.prepare(f)
	}
	return p.eval(f)
}

// WindowAgg returns the slot of the aggregate over a window's events that the
// expression is; false where it is anything more.
func (p *Program) WindowAgg() (slot int, ok bool) {
	if p.alone == nil {
		return 0, false
	}
	return p.alone.pos, true
}

// Field returns the position of the field of the current event that the
// expression is, as the event holds it; false where it is anything more.
func (p *Program) Field() (pos int, ok bool) {
	if p.field == nil {
		return 0, false
	}
	return p.field.pos, true
}

// prepare gives the evaluation its scratch space.
func (p *Program) prepare(f *Frame) {
	if len(f.locals) < p.locals {
		f.locals = make([]local, p.locals)
	}
	f.arena = f.arena[:0]
}

// A local is the value of a macro's variable; it may be an error.
type local struct {
	v    event.Value
	list []event.Value
	ok   bool
}
