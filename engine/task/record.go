package task

import (
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/caltrop/caltrop/sinks/view"
)

// A Record is one record of the task's log. Its bytes are read during Step
// only; what is kept is copied.
type Record struct {
	Offset int64 // in the task's log; offsets grow, gaps are allowed
	Source int   // index in Config.Sources
	// SourceOffset is the record's offset in its source: the event's offset. For
	// a task that reads one Kafka partition it equals Offset.
	SourceOffset int64
	Key          []byte // the record's key, nil when it has none
	Value        []byte // nil is a null value (a tombstone): a dead letter
	// Event, when not nil, is the record already decoded; Value is not read.
	// The task sets its ID (when empty), Cluster, Partition and Offset and owns
	// it from here on.
	Event *event.Event
	// Frame, when not nil, is the record of a keyed log: Source, SourceOffset,
	// Key, Value, Event, Append and Now are not read.
	Frame *Frame
	// Append is the time, in µs, at which the broker appended the record, where
	// the topic has it (LogAppendTime); 0 when it has not. It counts as now.
	Append int64
	// Now is the reader's clock in µs; it matters only when Append is 0. Zero
	// means there is no now: in a replay (judgements come from the journal)
	// and in `match`, where nothing is in the future.
	Now int64
	// NoSchema says that the schema which the record names is in no registry: it
	// is a dead letter. The verdict is journaled, for a later one may differ.
	NoSchema bool
}

// A Position is how far a task has read: every record with an offset below
// Offset and every journal entry up to Seq. The zero Position is a new task's.
type Position struct {
	Offset int64
	Seq    uint64
}

// Before reports whether p comes before q.
func (p Position) Before(q Position) bool {
	return p.Offset < q.Offset || p.Offset == q.Offset && p.Seq < q.Seq
}

// Kind is the kind of a journal entry.
type Kind uint8

// The kinds of journal entries. The numbers are stored.
const (
	Switch   Kind = 1 // the rule set changes here
	Tick     Kind = 2 // all partitions of a stream are silent; its watermark follows the clock
	Clock    Kind = 3 // a record stamped in the future, judged by the reader's clock
	Strange  Kind = 4 // a record whose schema nobody knew
	Imported Kind = 5 // what a rule remembers when the Switch that follows starts it
)

// ofRecord reports whether an entry says something of the record at its offset,
// and is applied with it.
func (k Kind) ofRecord() bool { return k == Clock || k == Strange }

// An Entry is one record of the journal: what is not a function of the log.
type Entry struct {
	At   int64  // the entry stands before the record at this offset (Position.Offset when applied)
	Seq  uint64 // counts from 1; 0 means new, not yet numbered
	Kind Kind
	// Now is the clock in µs: of a Tick, or that judged the record at offset
	// At (Clock).
	Now    int64
	Stream string // of a Tick
	Set    Set    // of a Switch
	// Carry names the rules, as Mode.Of does, whose new revision, of a Switch, goes on with what the
	// one before it remembers.
	Carry  []string
	Import *Import // of Imported
}

// A Set names the streams, rules, profiles, views and versions of lists that are
// live: the payload of a Switch.
type Set struct {
	Streams  []Ref
	Rules    []Ref // of one name at most one that is on trial, and one that is not
	Lists    []Ref `json:",omitempty"`
	Profiles []Ref `json:",omitempty"`
	Views    []Ref `json:",omitempty"`
	Shadow   []Ref `json:",omitempty"` // those of Rules on trial
	Paused   []Ref `json:",omitempty"` // those of Rules that raise nothing for now
}

// A Ref is one revision of a stream, rule, profile or view, or one version of a list.
type Ref struct {
	Name     string
	Revision int
	// Fields are the measures that the stream alerts has as fields, as
	// prog.AlertsDoc reads them; "" of any other.
	Fields string `json:",omitempty"`
	// Content is the version of what a list's topic holds, which a Resolver can
	// find again; "" of any other.
	Content string `json:",omitempty"`
	// Stage is which of its two tasks in a row a rule with hot_keys is to run as;
	// Whole for all others.
	Stage Stage `json:",omitempty"`
}

// Effects is what one call of Step, Apply or Close wants done. The caller
// resets it between calls; alerts own their memory.
type Effects struct {
	Alerts  []alert.Alert // in the order they were raised
	Late    []Rejected
	Dead    []Rejected
	Views   []view.Update // in the order they were made; one that is Gone has a tombstone behind it
	Parts   []Part        // in the order they were handed over
	Journal []Entry       // to be written with the other effects, in this order
}

// Empty reports whether nothing needs to be written.
func (e *Effects) Empty() bool {
	return len(e.Alerts)+len(e.Views)+len(e.Parts)+len(e.Late)+len(e.Dead)+len(e.Journal) == 0
}

// Reset empties the effects and keeps their space.
func (e *Effects) Reset() {
	clear(e.Alerts)
	clear(e.Views)
	clear(e.Late)
	clear(e.Dead)
	clear(e.Parts)
	clear(e.Journal)
	e.Parts = e.Parts[:0]
	e.Alerts, e.Views, e.Late, e.Dead, e.Journal = e.Alerts[:0], e.Views[:0], e.Late[:0], e.Dead[:0], e.Journal[:0]
}

// A Rejected record did not become an event: it goes to the late topic or to
// the dead letters with its reason. The record's bytes are the caller's.
type Rejected struct {
	Reason event.Reason
	Detail string // for a person: what was found; never a value of a field
	Source int    // Record.Source
	Offset int64  // Record.SourceOffset
	Time   int64  // event time in µs where it was read, else 0
	Key    []byte // Record.Key, not copied
	Value  []byte // Record.Value, not copied
	// Withheld is how many bytes of key and value are kept back: of a record
	// whose stream has a policy on personal data nobody is shown any.
	Withheld int
}

// Shown is the rejected record as others may see it: without its bytes where
// its stream is private.
func (r Rejected) Shown(private bool) Rejected {
	if private {
		r.Withheld = len(r.Key) + len(r.Value)
		r.Key, r.Value = nil, nil
	}
	return r
}

// The reasons that a task adds to those of event.Fault. The first two go to
// the late topic, the others to the dead letters.
const (
	LatePartition event.Reason = "late_partition" // at or before its partition's watermark
	LateStream    event.Reason = "late_stream"    // at or before its stream's watermark
	Future        event.Reason = "future"         // stamped later than now + max_future
	Undecodable   event.Reason = "undecodable"    // a decoder's error that is no *event.Fault
)

// Counts are totals since the task began, crashes included. Repeats of a
// replay count once.
type Counts struct {
	Records    uint64 // read
	Accepted   uint64 // became events
	Late       uint64
	Dead       uint64 // quarantined ones included
	Duplicates uint64
	Hastened   uint64 // times at which held events were matched before the watermark
	Clamped    uint64 // stamped after now, within max_future: the watermark took now
}

// RuleCounts are totals of one rule revision.
type RuleCounts struct {
	Events          uint64 `json:",omitempty"` // shown to the rule behind the watermark
	Raised          uint64 `json:",omitempty"` // versions sent; of a view, updates
	Suppressed      uint64 `json:",omitempty"`
	NoKey           uint64 `json:",omitempty"` // events that lack the rule's key
	RunsCapped      uint64 `json:",omitempty"`
	ConditionErrors uint64 `json:",omitempty"`
	EvidenceCapped  uint64 `json:",omitempty"`
	WindowTruncated uint64 `json:",omitempty"`
	ReplayCapped    uint64 `json:",omitempty"` // times that a key went final by limits.replay
}

// Add adds the totals of another task.
func (c *RuleCounts) Add(o RuleCounts) {
	c.Events += o.Events
	c.Raised += o.Raised
	c.Suppressed += o.Suppressed
	c.NoKey += o.NoKey
	c.RunsCapped += o.RunsCapped
	c.ConditionErrors += o.ConditionErrors
	c.EvidenceCapped += o.EvidenceCapped
	c.WindowTruncated += o.WindowTruncated
	c.ReplayCapped += o.ReplayCapped
}
