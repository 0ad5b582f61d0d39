// Package syntax reads rule documents (language §1) and the pattern grammar
// (language §3) into trees that keep the place of every node, and refuses
// what can be refused from the text alone. It knows no types: expressions are
// kept as text with their place. It is pure and safe for concurrent use.
package syntax

import "time"

// A Pos is a place in a file: 1-based line and column (in runes).
type Pos struct{ Line, Col int }

// A Text is a piece of source inside a document (an expression, a template)
// that remembers where it stands.
type Text struct {
	Src     string
	Pos     Pos    // of the first rune of Src
	Pointer string // RFC 6901

	marks []mark // by off, where a scalar's columns do not simply advance
}

// A Name is an identifier with its place.
type Name struct {
	Name string
	Pos  Pos
}

// A Meta is what all documents have.
type Meta struct {
	Kind  string
	Name  string
	Title string
	Owner string
	Tags  []string
	Pos   Pos // of the document's first key
}

// A Document is a *Stream, *Rule, *Profile, *View, *List, *Silence or *Sink.
type Document interface{ Header() *Meta }

// A Stream declares a source and its projection.
type Stream struct {
	Meta
	Topic        string
	Clusters     []string
	SourcePos    Pos
	Format       string // json | avro
	TimeField    []string
	TimeUnit     string   // s | ms | us | ns | rfc3339
	ID           []string // path; nil means topic/partition/offset
	PartitionKey []string // field names
	Partitioner  string   // murmur2 | crc32 | unknown
	Lateness     time.Duration
	Idle         time.Duration // 0 means never
	MaxFuture    time.Duration
	MaxSkew      time.Duration
	MaxBytes     int
	Fields       []FieldDecl
}

// A FieldDecl is one entry of a stream's fields.
type FieldDecl struct {
	Name     string
	Type     string // as written: string, int, double, bool, timestamp, decimal, list(string)
	Scale    uint8  // of decimal(n)
	Path     []string
	Optional bool
	PII      string // "" | hash | mask | drop
	Pos      Pos
}

// A Rule is a pattern or a window over streams, and what to say when it holds.
type Rule struct {
	Meta
	Severity    string
	Score       int
	Key         Key
	Within      time.Duration // 0 when absent
	WithinPos   Pos
	Pattern     *Node // nil for a window rule
	PatternText Text
	Steps       []*Step // in the order of the text
	Window      *Window // nil for a pattern rule
	Values      []NamedText
	Having      *Text
	AfterMatch  AfterMatch
	Emit        string // first | all
	EmitPos     Pos
	Timing      string // "" | early | final
	TimingPos   Pos
	State       string // of a new revision: warm | reset | carry
	StatePos    Pos
	Alert       Alert
	Limits      Limits
	Salts       int // of hot_keys; 0 when absent
	SaltsPos    Pos
	Tests       []*Test
}

// A Key is one field, or a list of them (composite).
type Key struct {
	Fields []string
	List   bool // written as a list
	Pos    Pos
}

// A Step is a named condition on events of one stream.
type Step struct {
	Name   string
	Stream string
	Where  *Text
	Gap    time.Duration // 0 when absent
	Key    *Key          // nil: the rule's
	Pos    Pos
	GapPos Pos
	StrPos Pos // of the stream's name
}

// A Window is the window of a Rule or View.
type Window struct {
	Streams []Name
	Where   map[string]*Text // by stream; absent means true
	Keys    map[string]*Key  // by stream; absent means the rule's
	Kind    string           // rolling | tumbling | sliding | session
	Size    time.Duration    // the gap of a session
	Every   time.Duration
	Offset  time.Duration
	Pos     Pos
}

// A NamedText is a named expression: a window value or a measure.
type NamedText struct {
	Name string
	Text Text
}

// AfterMatch is the after-match skip of language §4.
type AfterMatch struct {
	Kind string // skip_past_last | no_skip | skip_to_next | skip_to_first | skip_to_last; defaults filled in
	Step string // of skip_to_first and skip_to_last
	Set  bool   // written in the document
	Pos  Pos
}

// An Alert says what an alert of the rule contains.
type Alert struct {
	Summary     *Text // nil: the title
	Measures    []NamedText
	Suppress    time.Duration // 0: none
	SuppressPos Pos
}

// Limits bound a rule's state; defaults are filled in.
type Limits struct {
	RunsPerKey      int
	RunsPerKeySet   bool
	MatchesPerEvent int // 0 when absent
	Evidence        int
	WindowEvents    int
	Set             int
	Replay          int
	Pos             Pos
}

// A Test is one example in a rule document.
type Test struct {
	Name   string
	Events []TestEvent // in arrival order
	Alerts []TestAlert
	Pos    Pos
}

// A TestEvent is one line of a test's events.
type TestEvent struct {
	At     time.Duration // after 2026-01-01T00:00:00Z
	Stream string
	Fields map[string]any // string, int64, float64, bool, []string or nil
	Pos    Pos

	StreamPos Pos
	FieldPos  map[string]Pos // of the fields' names
}

// A TestAlert is one expected alert.
type TestAlert struct {
	At  time.Duration
	Key []any // one element, or one a key field
	Pos Pos
}

// A Profile is a history per key.
type Profile struct {
	Meta
	Key    Key
	Stream Name
	Where  *Text
	Pane   time.Duration
	Keep   time.Duration
	Values []NamedText
	Limits Limits
}

// A View is a window's values published by key.
type View struct {
	Meta
	Key    Key
	Window *Window
	Values []NamedText
	To     []string
	Every  time.Duration
}

// A List is reference data.
type List struct {
	Meta
	Key        string // string | int
	Attributes []FieldDecl
	Entries    []ListEntry
	Topic      string
}

// A ListEntry is one value of a List.
type ListEntry struct {
	Value      string
	Attributes map[string]any
	Pos        Pos
}

// A Matcher selects alerts; all given parts hold.
type Matcher struct {
	Rule, Key, Severity, Tag string
}

// A Silence mutes matching alerts at delivery until it expires.
type Silence struct {
	Meta
	Match  Matcher
	Reason string
	From   time.Time
	Until  time.Time
}

// A Sink is where alerts or views go.
type Sink struct {
	Meta
	Type    string  // webhook | kafka | cassandra | redis
	Of      string  // alerts | views
	Match   Matcher // the zero value: all
	Timing  string  // early | final
	Options SinkOptions
}

// SinkOptions are the options of all types of sinks; those of another type are
// zero.
type SinkOptions struct {
	URL      string // of a webhook
	Secret   string // names the one that a webhook's requests are signed with
	Timeout  time.Duration
	InFlight int // requests at once
	Attempts int // at an alert that the receiver refuses

	Topic    string // of Kafka
	TopicPos Pos

	Keyspace string // of Cassandra
	TTL      time.Duration

	Prefix string // of keys in Redis
	Grace  time.Duration

	View string // of: views; "": all
}

// Header returns what all documents have.
func (m *Meta) Header() *Meta { return m }
