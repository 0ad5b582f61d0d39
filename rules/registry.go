package rules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caltrop/caltrop/engine/task"
)

// Limits of the registry.
const (
	// TextBytesMax bounds one stored document.
	TextBytesMax = 256 << 10
	// DocumentsMax bounds the live documents of one kind.
	DocumentsMax = 10_000
	// appendAttemptsMax bounds how often a write starts again because another
	// instance wrote in between.
	appendAttemptsMax = 16
)

// Options configure a Registry.
type Options struct {
	Log Log
	Now func() time.Time // the clock of revisions' times; nil means time.Now
	// Lists reads the topics of lists; nil refuses such lists.
	Lists ListLog
	// ListsEvery is the least time between two versions of a list from a topic.
	// Default 5 s.
	ListsEvery time.Duration
	// ListEntriesMax bounds the entries of a list from a topic. Default
	// TopicEntriesMax.
	ListEntriesMax int
	// ListsKept is how long a version must be readable again, which a topic's
	// min.compaction.lag.ms is compared with. 0 compares nothing.
	ListsKept time.Duration
	// Logger is told of trouble with the topics of lists. Default: discarded.
	Logger *slog.Logger
	// HashKey is the key of fields with pii: hash; without one a stream that has
	// such a field is refused.
	HashKey []byte
}

// A Registry is the current state of the rules log in one process. All
// processes that read the same log have the same state at the same offset.
// Run feeds it; all methods are safe for concurrent use.
//
// A write is checked against the state at some offset and appended only if
// the log still ends there, so of two writers on two instances exactly one
// succeeds at each place in the log; the other looks again, and then fails on
// its precondition or writes the next revision.
type Registry struct {
	log   Log
	now   func() time.Time
	opts  Options
	write chan struct{} // holds a token while nobody writes: one writer a process
	ready chan struct{} // closed when the log has been read to its end once
	past  chan *pasts   // holds one value while nobody reads old versions of lists

	mu struct {
		sync.Mutex
		offset    int64 // of the last applied entry, -1 before the first
		heads     map[string]*head
		scales    map[string]*Scale // by key
		revisions map[Ref]*Revision
		compiler  compiler
		set       *Set
		moved     chan struct{} // closed when offset next grows, or a list's topic has a new version
		feeds     map[feedKey]*feed
		tables    tables
		strange   map[string]error // what is wrong with entries before the end, by key, unless a later one of the key has undone it
		live      bool             // ready is closed
	}
}

// NewRegistry returns an empty registry over a log.
func NewRegistry(o Options) *Registry {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.ListEntriesMax = cmp.Or(o.ListEntriesMax, TopicEntriesMax)
	o.ListsEvery = cmp.Or(o.ListsEvery, listsEvery)
	r := &Registry{log: o.Log, now: o.Now, opts: o, write: make(chan struct{}, 1), ready: make(chan struct{}), past: make(chan *pasts, 1)}
	r.write <- struct{}{}
	r.past <- &pasts{}
	r.mu.feeds, r.mu.strange = map[feedKey]*feed{}, map[string]error{}
	r.mu.offset = -1
	r.mu.heads, r.mu.scales = map[string]*head{}, map[string]*Scale{}
	r.mu.revisions = map[Ref]*Revision{}
	r.mu.compiler.init()
	r.mu.compiler.key = o.HashKey
	r.mu.set = &Set{key: o.HashKey}
	r.mu.moved = make(chan struct{})
	return r
}

// Run applies the log until ctx ends or reading fails; it may be called again
// after an error and goes on where it was. Not concurrently with itself.
func (r *Registry) Run(ctx context.Context) error {
	r.mu.Lock()
	after := r.mu.offset
	r.mu.Unlock()
	ctx, stop := context.WithCancel(ctx)
	fed := make(chan struct{})
	go func() { defer close(fed); r.feedLists(ctx) }()
	var wrong error
	err := r.log.Tail(ctx, after, r.apply, func() {
		if wrong = r.caughtUp(); wrong != nil {
			stop()
		}
	})
	stop()
	<-fed
	if err = cmp.Or(wrong, err); err != nil {
		return fmt.Errorf("reading the rules log: %w", err)
	}
	return nil
}

// Ready is closed once the log has been read to its end for the first time.
func (r *Registry) Ready() <-chan struct{} { return r.ready }

// Current returns the newest set: of Version 0 and empty before Ready.
func (r *Registry) Current() *Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.set
}

// Changed returns a channel that is closed when the state moves past what
// Current returns now. A watcher loops: take the channel, take Current, act,
// wait for the channel.
func (r *Registry) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.moved
}

// At returns the set of exactly these revisions, for a task that goes on from
// a journaled switch. It fails when one is not in the log or does not compile.
func (r *Registry) At(refs []Ref) (*Set, error) { return r.at(refs, nil, nil) }

// at is At with the states of the rules that are not live, and with the stream of
// alerts as it was then; nil works it out of the rules.
func (r *Registry) at(refs []Ref, states map[Ref]State, alerts *task.Ref) (*Set, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set, err := r.mu.compiler.set(refs, states, r.mu.revisions, alerts)
	if err != nil {
		return nil, err
	}
	if len(set.Faults) > 0 {
		return nil, fmt.Errorf("a revision does not compile in this build: %s", &set.Faults[0])
	}
	return set, nil
}

// A Document is a stored document at its current revision.
type Document struct {
	*Revision
	State State
	Trial *Document // of a rule that is live or paused: the draft or shadow beside it; nil: none
}

// Get returns the live document of a kind and name; ErrNotFound when there is
// none.
func (r *Registry) Get(k Kind, name string) (*Document, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.mu.heads[headKey(k, name)]
	if h == nil || h.State == Deleted {
		return nil, fmt.Errorf("%s %s: %w", k, name, ErrNotFound)
	}
	return r.document(k, name, h), nil
}

// document is the stored document of a head that is not deleted. Called with mu held.
func (r *Registry) document(k Kind, name string, h *head) *Document {
	d := &Document{Revision: r.mu.revisions[Ref{k, name, h.Revision}], State: h.State}
	if h.Trial != nil {
		d.Trial = &Document{Revision: r.mu.revisions[Ref{k, name, h.Trial.Revision}], State: h.Trial.State}
	}
	return d
}

// List returns the live documents of a kind by name.
func (r *Registry) List(k Kind) []*Document {
	r.mu.Lock()
	defer r.mu.Unlock()
	var docs []*Document
	for _, key := range slices.Sorted(maps.Keys(r.mu.heads)) {
		h := r.mu.heads[key]
		kind, name, _ := strings.Cut(key, "/")
		if Kind(kind) == k && h.State != Deleted {
			docs = append(docs, r.document(k, name, h))
		}
	}
	return docs
}

// Names returns every name of a kind that was ever used, deleted ones
// included, in order: alerts of a deleted rule can still be asked for.
func (r *Registry) Names(k Kind) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, key := range slices.Sorted(maps.Keys(r.mu.heads)) {
		if kind, name, _ := strings.Cut(key, "/"); Kind(kind) == k {
			names = append(names, name)
		}
	}
	return names
}

// Revisions returns all revisions that a document ever had, oldest first,
// also when it is deleted; ErrNotFound when there never was one.
func (r *Registry) Revisions(k Kind, name string) ([]*Revision, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.mu.heads[headKey(k, name)]
	if h == nil {
		return nil, fmt.Errorf("%s %s: %w", k, name, ErrNotFound)
	}
	var all []*Revision
	for n := 1; n < h.Next; n++ {
		if rev := r.mu.revisions[Ref{k, name, n}]; rev != nil {
			all = append(all, rev)
		}
	}
	return all, nil
}

// ErrNotFound says that there is no such document.
var ErrNotFound = errors.New("not found")

// apply takes one entry of the log into the state. An entry that is not of
// this build stops the registry: going on without it could run a wrong rule.
// Until the log has been read to its end a later entry of the key undoes it.
func (r *Registry) apply(e Entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.mu.strange, e.Key)
	err := r.take(e)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("entry %d, of the key %q: %w; a record of this key without a value undoes it", e.Offset, e.Key, err)
	if r.mu.live {
		return err
	}
	r.mu.strange[e.Key], r.mu.offset = err, e.Offset
	return nil
}

// take is apply with mu held. No value undoes a strange entry, and nothing else.
func (r *Registry) take(e Entry) error {
	if e.Value == nil {
		r.mu.offset = e.Offset
		return nil
	}
	if isScale(e.Key) {
		return r.applyScale(e)
	}
	k, name, revision, err := parseKey(e.Key)
	if err != nil {
		return err
	}
	if revision > 0 {
		err = r.applyRevision(Ref{k, name, revision}, e.Value)
	} else {
		err = r.applyHead(k, name, e.Value)
	}
	if err != nil {
		return err
	}
	r.mu.offset = e.Offset
	if revision == 0 { // a head ends the unit that a write appends
		return r.changed()
	}
	return nil
}

// changed publishes what the log says now, once it has been read to its end.
// Called with mu held.
func (r *Registry) changed() error {
	if !r.mu.live {
		return nil
	}
	return r.publish()
}

// applyRevision keeps the first text of a revision: it never changes.
func (r *Registry) applyRevision(ref Ref, value []byte) error {
	rev, err := decodeRevision(ref, value)
	if err == nil && r.mu.revisions[ref] == nil {
		r.mu.revisions[ref] = rev
	}
	return err
}

func (r *Registry) applyHead(k Kind, name string, value []byte) error {
	h, err := decodeHead(value)
	if err != nil {
		return err
	}
	for _, at := range h.revisions() {
		if r.mu.revisions[Ref{k, name, at.Revision}] == nil {
			return fmt.Errorf("%s %s: revision %d is not in the rules log", k, name, at.Revision)
		}
	}
	r.mu.heads[headKey(k, name)] = h
	return nil
}

// caughtUp returns what is wrong with the log, once it has been read to its end.
func (r *Registry) caughtUp() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.live {
		return nil
	}
	if keys := slices.Sorted(maps.Keys(r.mu.strange)); len(keys) > 0 {
		return r.mu.strange[keys[0]]
	}
	r.mu.live = true
	if err := r.publish(); err != nil {
		panic(fmt.Sprintf("rules: %v", err)) // every head was checked to have its revision
	}
	close(r.ready)
	return nil
}

// publish makes the set of the current heads and wakes who waits for it.
// Called with mu held.
func (r *Registry) publish() error {
	refs, states := r.running()
	set, err := r.mu.compiler.set(refs, states, r.mu.revisions, nil)
	if err != nil {
		return err
	}
	set.Version, set.scales = r.mu.offset, maps.Clone(r.mu.scales)
	r.fill(set)
	r.mu.set = set
	close(r.mu.moved)
	r.mu.moved = make(chan struct{})
	return nil
}

// running names the revisions at work, with the states of those that are not live.
// Called with mu held.
func (r *Registry) running() ([]Ref, map[Ref]State) {
	var refs []Ref
	states := map[Ref]State{}
	for key, h := range r.mu.heads {
		kind, name, _ := strings.Cut(key, "/")
		for _, at := range h.revisions() {
			if at.State != Draft && at.State != Retired {
				ref := Ref{Kind(kind), name, at.Revision}
				refs, states[ref] = append(refs, ref), at.State
			}
		}
	}
	return refs, states
}
