package prog

import (
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A Pattern is a compiled pattern: an automaton whose states are positions
// (step occurrences) and whose edges carry contiguity, absences and counters.
// `Dump` prints it.
type Pattern struct {
	Steps     []Step     // steps that events take, in the order of the pattern's text
	Positions []Position // by leaf of the pattern
	Preds     []Pred     // every distinct condition
	Loops     []Loop     // loops that can repeat
	Start     []Edge
	Follow    [][]Edge   // by position
	Leads     []Lead     // distinct leading absences
	Aggs      []expr.Agg // aggregates over steps that conditions and having read, by slot

	Adjacent bool   // some edge asks for the very next event, so every event of a live key counts
	Trailing bool   // some edge is an AcceptDeadline
	Links    bool   // some loop's body takes several events, so an iteration may be under way
	Stateful bool   // a condition, gap or having reads the match so far
	Why      string // why Stateful is so, for explain
}

// A Step is a step that events take.
type Step struct {
	Name   string
	Stream int  // index in Rule.Streams
	Role   int  // index in KeyOf.Roles
	Many   bool // a record of lists in expressions
	Gap    int64
}

// A Position is one occurrence of a step.
type Position struct {
	Step int
	Pred int
	Gap  int64 // µs since the previous event of the match, exclusive; 0: none
}

// A Pred is a condition on an event of one stream under one role.
type Pred struct {
	Name   string // the step's
	Stream int
	Role   int
	Cond   *expr.Program // nil: true
	Unary  bool          // reads the current event only
}

// A Loop counts the iterations of a quantified term.
type Loop struct {
	Min, Max int  // Max is syntax.Unbounded
	Counted  bool // a run needs a counter for it
}

// A Lead is a leading absence: no event satisfying Pred in the Span before
// the first event.
type Lead struct {
	Pred int
	Span int64 // µs
}

// An EdgeKind says what an edge does.
type EdgeKind uint8

// The kinds of edges.
const (
	Take           EdgeKind = iota // take an event at position To
	Accept                         // complete at once
	AcceptDeadline                 // complete at the deadline, unless an absence is broken
	AcceptNext                     // complete at the very next event, which is no evidence
)

// A Guard asks for a loop's counter. With Again one more iteration must be
// allowed, else the minimum must be reached.
type Guard struct {
	Loop  int
	Again bool
}

// An Edge leads from one position to the next, or to the end.
type Edge struct {
	Kind   EdgeKind
	To     int // position; Take only
	Join   syntax.Join
	Again  int // the loop that goes round, or -1
	Guards []Guard
	Enter  []int // loops whose counters start at zero
	Cross  []int // loops of which an iteration ends here
	Leads  []int // start edges: leading absences that must hold
	Gap    int64 // AcceptDeadline: the least gap of its absences; 0: none

	Between []int // preds: no event between may satisfy them
	Through []int // preds: nor may the event taken
	Next    []NextNot
	Until   []int // preds: an event satisfying one ends the edge
	Stop    []int // preds: the event taken may not satisfy one, and ends a relaxed wait
	Greedy  []Greedy
}

// A NextNot is `, !x`: the very next event may not satisfy Pred. Where Loop
// is not -1 it counts from the loop's minimum on.
type NextNot struct {
	Pred int
	Loop int
}

// Greedy is a greedy loop that the edge leaves: no event up to and including
// the one taken may satisfy Pred, until an event satisfies Until (-1: none).
type Greedy struct {
	Pred  int
	Until int
	Loop  int // index in Loops, or -1
}
