// Package match runs compiled rules over the events of one key in key order.
// An Evaluator holds only scratch space; all that it remembers of a key is in
// the encoded state that its Store keeps. It is pure.
package match

import (
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
)

// A Store keeps the state of one rule by key. Keys and states are bytes; the
// key of an event is made by AppendKey.
type Store interface {
	// Get returns the state of key, or nil. The bytes are valid until the next
	// call of any method and must not be changed.
	Get(key []byte) []byte
	// Put replaces the state of key; an empty state removes it. The store
	// copies state.
	Put(key []byte, state []byte)
	// Timer sets the one deadline of key, in µs, replacing any earlier one; 0
	// removes it.
	Timer(key []byte, at int64)
	// Covered returns the time from which the rule's state covers all events
	// of any key (language §3, leading absence).
	Covered() int64
}

// A Knowing Store also tells what lies outside the events. Only rules that
// read lists or profiles ask; under a Store that does not know, what reads them is an error.
type Knowing interface {
	// Facts are those of the call under way: of the moment when the event was
	// accepted, or when the watermark that fired the deadline was applied. They
	// are valid until the call ends. Asked before Get, whose bytes it may spoil.
	Facts() *expr.Facts
}

// A Paging store also keeps pages of a key: further records by number, for
// evaluators whose state is too large to be read whole at each event. Pages
// leave only when they are removed. The evaluator removes all of them before
// it removes the state of the key.
type Paging interface {
	// Page returns a page of key, or nil. The bytes are valid until the next
	// call of any method and must not be changed.
	Page(key []byte, number uint64) []byte
	// PutPage replaces a page of key; an empty one is removed. The store copies
	// it.
	PutPage(key []byte, number uint64, page []byte)
	// Edit returns the state of key, or nil, to be changed where it is, but for
	// its length. The bytes are valid until the next call of any method.
	Edit(key []byte) []byte
}

// FactsOf returns what an evaluation of the rule may read besides events, nil
// when it reads nothing or the store knows nothing.
func FactsOf(r *prog.Rule, s Store) *expr.Facts {
	if r.Outside.None() {
		return nil
	}
	if k, ok := s.(Knowing); ok {
		return k.Facts()
	}
	return nil
}

// An Evaluator runs one rule. It is owned by one goroutine.
type Evaluator interface {
	// Event advances key by ev, an event of one of the rule's streams; roles
	// has bit i set when ev has key under role i of its stream (prog.KeyOf).
	// Events of a key come in key order (event.Compare). The evaluator does
	// not keep ev.
	Event(key []byte, ev *event.Event, roles uint64, s Store, out *Output)
	// Deadline fires the deadline of key that is due at time at (µs), set
	// before by Timer. Deadlines at or before an event's time come first.
	Deadline(key []byte, at int64, s Store, out *Output)
}

// A Bounded evaluator can tell from the state of a key that nothing will be raised
// for a while.
type Bounded interface {
	Evaluator
	// Lifts returns what an event can do by itself that ends a quiet: a bit for
	// each thing. It keeps nothing of the event.
	Lifts(ev *event.Event) uint8
	// Quiet reports that none of the next so many events of a key of this state
	// raises anything, whatever they are but for what they lift together; false
	// says nothing. It keeps nothing of the state.
	Quiet(state []byte, events int, lifts uint8) bool
}

// Output collects what one call raised. The caller resets it between calls.
type Output struct {
	Found []Found
	Stats Stats
}

// Reset empties the output and keeps its space.
func (o *Output) Reset() {
	clear(o.Found)
	o.Found = o.Found[:0]
	o.Stats = Stats{}
}

// Stats counts what happened in one call.
type Stats struct {
	RunsCapped      int // runs dropped by limits.runs_per_key
	ConditionErrors int // conditions that ended in an error and so were false
	MatchesCapped   int // matches dropped by limits.matches_per_event
	EvidenceCapped  int // retained events dropped by limits.evidence
	WindowTruncated int // events that left a ring early by limits.window_events
}

// A Found is one alert before it has a name: what, when and why. It owns its
// memory.
type Found struct {
	At        int64        // event time of the alert, µs
	By        By           // what completed it; enters the alert's id
	Event     *event.Event // ByEvent: the completing event
	Instant   int64        // ByDeadline: the deadline; ByWindow: the window's start
	Evidence  []StepEvents // steps with events, in the order of the pattern's text
	Measures  []NamedValue // in the order of the document; those in error are left out
	Summary   string
	Truncated bool
	Capped    bool
	Approx    bool
}

// By tells what completed a match.
type By uint8

// What completes a match.
const (
	ByEvent By = iota
	ByDeadline
	ByWindow
)

// StepEvents are the events a step matched, in order.
type StepEvents struct {
	Step   string
	Events []*event.Event
}

// A NamedValue is a measure's result.
type NamedValue struct {
	Name  string
	Value event.Value
}
