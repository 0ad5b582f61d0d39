// Package prog compiles a rule document into a program that an evaluator
// runs: predicates, the automaton's positions and edges, limits and texts.
// A compiled Rule is immutable and safe for concurrent use. It is pure.
package prog

import (
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A Rule is a compiled rule.
type Rule struct {
	Name          string
	Doc           *syntax.Rule
	Streams       []*event.Schema // the rule's streams, sorted by name
	Keys          []KeyOf         // by stream, as Streams: every way an event is keyed
	KeyTypes      []event.Type    // of the rule's key fields
	KeyList       bool            // the key is composite: alerts print an array
	Within        int64           // µs; 0 when absent
	Suppress      int64           // µs; 0 when absent
	First         bool            // emit: first
	NoSkip        bool            // after_match: no_skip under emit: first
	Early         bool            // timing: alerts may come ahead of the watermark; false is final
	TimingBy      string          // why, for explain
	DefaultTiming string          // early | final, by language §6
	Measures      []Measure
	Summary       *expr.Template
	Having        *expr.Program // nil: true
	Limits        syntax.Limits
	Outside       expr.Outside // what expressions read besides events
	Profiles      []*Profile   // those of Outside, in its order
	Pattern       *Pattern     // nil for a window rule
	Window        *Window      // nil for a pattern rule
	Upstream      *Upstream    // whose alerts the rule reads; nil: it does not read the stream alerts
	// Whole is the rule of which this is the second stage: its stream is that of
	// what the first stage hands over. nil: the rule is no second stage.
	Whole *Rule
	Shown bool // the window of a View: its values are read, and nothing is raised
}

// KeyOf lists the key projections of one stream within a rule: usually one;
// two when the stream plays two roles.
type KeyOf struct {
	Roles [][]int // each: positions in the stream's schema, as many as the rule's key has fields
}

// A Measure is a named expression of an alert.
type Measure struct {
	Name string
	Expr *expr.Program
}

// A Window is a compiled window rule.
type Window struct {
	Kind   string // rolling | tumbling | sliding | session
	Size   int64  // µs; the gap of a session
	Every  int64
	Offset int64
	Salts  int             // of hot_keys; 0: none
	Where  []*expr.Program // by stream, as Rule.Streams; nil: true
	Aggs   expr.WindowAggs
	Values []Measure // in the order of the document
}

// Env is what a rule is compiled against.
type Env struct {
	Streams map[string]*syntax.Stream
	Schemas map[string]*event.Schema
	Lists   expr.Lists
	// Profiles are by name; nil stands for one that is written, but wrong.
	Profiles map[string]*Profile
}
