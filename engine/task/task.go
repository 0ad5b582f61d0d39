package task

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/engine/partitioner"
)

// Config is what a task needs besides its log. All fields but Covered,
// HeldBytes, Keyed, Owns, Partitions and Stop are required.
type Config struct {
	// Sources are the partitions whose records the log holds: one for a task
	// that reads a Kafka partition, one per stream for `match`. The order is
	// part of the task's identity: Record.Source and snapshots refer to it.
	Sources  []Source
	Resolver Resolver
	State    State
	// Covered makes the rules' states cover all time before the first event,
	// as in `tests` (language §3, leading absence). Without it they cover time
	// from the first event read.
	Covered bool
	// HeldBytes bounds what held events take; 0 means HeldBytesMax. It must stay
	// the same as long as the task's log is replayed.
	HeldBytes int64
	// Keyed says that the log is a keyed one: its records carry frames, which
	// tell the sources as they come, and Sources is empty.
	Keyed bool
	// Owns reports whether a key's events come in this task's log; nil means
	// every key's. An event in the log for one of its keys is nothing to the
	// others.
	Owns func(key []byte) bool
	// Partitions is how many the topic of the one source has: the partitioner
	// that its stream declares is compared with where the records are. 0: it is
	// not. It must stay the same as long as the task's log is replayed.
	Partitions int
	// Stop is asked within a call that matches much, at every few hundred events,
	// whether its driver has to go. Where it says true the call ends with
	// ErrStopped. nil: a call is never given up.
	Stop func() bool
}

// ErrStopped is the error of a call that Config.Stop has ended. What it has done
// is not whole: the task is dropped, and whoever has it next does the call again.
var ErrStopped = errors.New("stopped in the middle of a step")

// stopEvery is how many events and deadlines are applied between two questions to
// Config.Stop.
const stopEvery = 256

// A Source is one partition of one stream.
type Source struct {
	Stream    string
	Cluster   uint16
	Partition int32
	// Origin begins the ids of events that bring none: ORIGIN/PARTITION/OFFSET.
	// It is the topic; "" means the stream's name, as in `match`.
	Origin string
}

// A Resolver turns the names of a Set into compiled streams and rules. The
// same stream revision must give the same *event.Schema for as long as the
// resolver lives, whatever set it is asked with. Revisions are immutable:
// asked again, after a crash too, it gives an equal answer.
type Resolver interface {
	// Resolve returns the streams, rules, views and lists in the order of the set. Rules and views are
	// compiled against the set's streams and profiles. An error stops the task.
	Resolve(set Set) (*Live, error)
}

// Live is a resolved Set.
type Live struct {
	Streams []Stream
	Rules   []Rule
	Views   []View
	Lists   []*expr.Table
}

// A Stream is a stream that a task reads.
type Stream struct {
	Doc    *syntax.Stream
	Schema *event.Schema
	// Decoder makes an event of a record. It may be nil when every record
	// carries its Event. It is used by one goroutine, never shared by tasks.
	Decoder Decoder
}

// A Decoder makes events of records: *event.Decoder for JSON, *event.AvroDecoder
// for Avro.
type Decoder interface {
	// Decode fills ev's Schema, Time, ID (empty when the record has none) and
	// Values. The event owns its memory. A record with an error is a dead
	// letter, under the reason of the *event.Fault where it is one; an error that
	// matches event.ErrSchema is no fault of the record, and ends the task.
	Decode(value []byte, ev *event.Event) error
}

// A Rule is a live rule revision.
type Rule struct {
	Rule     *prog.Rule
	Revision int
	// Evaluator makes the rule's evaluator; nil chooses match.New or window.New
	// by the rule's kind.
	Evaluator func(*prog.Rule) match.Evaluator

	Stage Stage
	Parts *event.Schema // of First: of what it hands over

	view *prog.View // of a view, whose window Rule is
}

// A Task turns one log into alerts. It is owned by one goroutine.
type Task struct {
	cfg       Config
	pos       Position
	digest    Digest
	counts    Counts
	misplaced partitioner.Misplaced
	epoch     uint32 // counts Switches; an accepted event carries the epoch it came in
	set       Set
	said      Entry // the last entry applied of the record at its offset
	failed    error // of the call under way: its record can be decoded later, not now, or it was stopped
	applied   uint  // counts what is applied, for Config.Stop
	ended     bool
	lists     listing
	slotIDs   uint32 // the last one given out
	handed    int64  // parts
	sources   []source
	streams   []stream
	groups    []*group
	books     map[string]*books // by rule name
	slots     map[uint32]*slot
	schemas   map[*event.Schema]Ref
	back      feedback

	heldBytes int64 // of the events in queues
	heldMax   int64
	timers    uint64       // grows when a timer may have changed
	moment    uint64       // counts events and times of deadlines applied
	now       int64        // event time being applied
	since     uint32       // epoch whose lists it reads: of the event, or the current one
	out       match.Output // empty between calls of evaluators
	again     repeat       // of the alert made last
	naming    naming
	fired     []Timer
	dues      []dueTimer
	expiring  []byte // the key whose deadline is run
	touched   []touch
	spare     []*event.Event
	imports   []*Import // for the Switch that follows
	effect    *Effects  // of the call under way
}

const (
	unset = math.MinInt64 // a watermark that has not moved
	ended = math.MaxInt64 // the watermark after Close
)

// New makes a task that has read nothing. Its first entry must be a Switch.
func New(cfg Config) *Task {
	t := &Task{cfg: cfg, books: map[string]*books{}, slots: map[uint32]*slot{}, timers: 1, heldMax: cmp.Or(cfg.HeldBytes, HeldBytesMax),
		schemas: map[*event.Schema]Ref{}}
	byName := map[string]int{}
	for _, src := range cfg.Sources {
		i, ok := byName[src.Stream]
		if !ok {
			i = len(t.streams)
			byName[src.Stream] = i
			t.streams = append(t.streams, stream{name: src.Stream, mark: unset})
		}
		t.streams[i].sources = append(t.streams[i].sources, len(t.sources))
		t.sources = append(t.sources, source{Source: src, stream: i, mark: unset})
	}
	t.openFeedback()
	return t
}

// Step reads one record, whose offset must not be below Position().Offset,
// and adds what follows from it to eff. After an error the task is unusable.
func (t *Task) Step(r *Record, eff *Effects) error {
	if t.ended {
		return errEnded
	}
	if r.Offset < t.pos.Offset {
		return fmt.Errorf("stepping to record %d: the task is past it, at %d", r.Offset, t.pos.Offset)
	}
	t.effect = eff
	t.pos.Offset = r.Offset + 1
	if r.Frame != nil {
		if err := t.acceptFrame(r.Frame); err != nil {
			return fmt.Errorf("stepping to record %d: %w", r.Offset, err)
		}
		return t.finish()
	}
	t.counts.Records++
	t.accept(r)
	return t.finish()
}

// Apply takes one journal entry. One with Seq 0 is new: it is placed here,
// numbered and added to eff.Journal. One that was read from the journal must
// be the next one; its effects are those it had.
func (t *Task) Apply(e Entry, eff *Effects) error {
	if t.ended {
		return errEnded
	}
	t.effect = eff
	isNew := e.Seq == 0
	if isNew {
		e.At, e.Seq = t.pos.Offset, t.pos.Seq+1
	}
	if e.Seq != t.pos.Seq+1 || e.At < t.pos.Offset || e.At > t.pos.Offset && !e.Kind.ofRecord() {
		return fmt.Errorf("applying journal entry %d at %d: the task is at %d with entry %d", e.Seq, e.At, t.pos.Offset, t.pos.Seq)
	}
	t.pos.Seq = e.Seq
	if err := t.apply(&e); err != nil {
		return fmt.Errorf("applying journal entry %d: %w", e.Seq, err)
	}
	if isNew {
		eff.Journal = append(eff.Journal, e)
	}
	return t.finish()
}

func (t *Task) apply(e *Entry) error {
	switch e.Kind {
	case Switch:
		return t.install(e.Set, e.Carry)
	case Imported:
		t.imports = append(t.imports, e.Import)
		return nil
	case Tick:
		return t.tick(e)
	case Clock, Strange:
		t.said = *e
		return nil
	}
	return fmt.Errorf("unknown kind %d", e.Kind)
}

// Close ends event time, as at the end of a file: every watermark passes all
// times, held events are matched and every deadline fires. The task reads
// nothing more.
func (t *Task) Close(eff *Effects) error {
	if t.ended {
		return errEnded
	}
	t.effect = eff
	for i := range t.streams {
		t.streams[i].mark = ended
	}
	for _, g := range t.groups {
		t.advance(g)
	}
	t.advanceReaders()
	t.ended = true
	return t.finish()
}

// finish ends a call. Between calls the links of the alerts are those of the
// slots there are, whether the slots came, went or were restored.
func (t *Task) finish() error {
	t.effect = nil
	if t.failed != nil {
		return t.failed
	}
	if t.back.loose {
		t.back.loose = false
		t.link()
	}
	if err := t.cfg.State.Err(); err != nil {
		return fmt.Errorf("reaching the state: %w", err)
	}
	return nil
}

// stopped reports whether the call under way is to do nothing more.
func (t *Task) stopped() bool {
	if t.failed != nil || t.cfg.Stop == nil {
		return t.failed != nil
	}
	if t.applied++; t.applied%stopEvery == 0 && t.cfg.Stop() {
		t.failed = ErrStopped
	}
	return t.failed != nil
}

// Position returns how far the task has read.
func (t *Task) Position() Position { return t.pos }

// Progress returns the position and the digest of all that was emitted: what
// the driver commits with the effects.
func (t *Task) Progress() Progress { return Progress{Position: t.pos, Digest: t.digest} }

// Decoder returns the decoder of the stream that a source has now; nil before the
// first Switch that names it. The driver tells an *event.AvroDecoder its schemas.
func (t *Task) Decoder(source int) Decoder {
	if live := t.streams[t.sources[source].stream].live; live != nil {
		return live.Decoder
	}
	return nil
}

// Watermark returns the watermark of a stream in µs; false when the stream has
// shown no event yet.
func (t *Task) Watermark(stream string) (int64, bool) {
	for i := range t.streams {
		if t.streams[i].name == stream && t.streams[i].mark != unset {
			return t.streams[i].mark, true
		}
	}
	return 0, false
}

// Counts returns the task's totals.
func (t *Task) Counts() Counts { return t.counts }

// Misplaced tells of the records that are not where their stream's partitioner
// puts them, since the live revision of the stream.
func (t *Task) Misplaced() partitioner.Misplaced { return t.misplaced }

// Set returns the live set.
func (t *Task) Set() Set { return t.set }

var errEnded = errors.New("the task's event time has ended")
