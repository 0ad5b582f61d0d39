package rules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/syntax"
)

// A Condition is what a writer expects of the document before its write. The
// zero value expects nothing.
type Condition struct {
	Revision int  // the current revision is this; 0 asks nothing
	Present  bool // there is a live document of the name
	Absent   bool // there is none
}

// A Change is one document to store.
type Change struct {
	Kind   Kind
	Name   string
	Text   []byte // one document of that kind and name, YAML or JSON
	State  State  // what it is from then on: Live, also where it is ""; of a rule Draft or Shadow too
	If     Condition
	Author string
}

// ErrStale says that a Condition does not hold.
var ErrStale = errors.New("the document has changed")

// ErrNotReady says that the registry has not yet read the log to its end.
var ErrNotReady = errors.New("the rules log is still being read")

// ErrBusy says that other instances kept writing; nothing was written.
var ErrBusy = errors.New("the rules log is busy")

// ErrUnavailable says that the log cannot be written or read now. The outcome
// of the write is unknown.
var ErrUnavailable = errors.New("the rules log does not answer; the write may or may not have happened")

// An InvalidError is a write refused for what the document says.
type InvalidError struct{ Problems []syntax.Problem }

// Error counts the problems; the first is spelled out.
func (e *InvalidError) Error() string {
	if len(e.Problems) == 1 {
		return e.Problems[0].Detail
	}
	if len(e.Problems) == 2 {
		return e.Problems[0].Detail + ", and 1 more problem"
	}
	return fmt.Sprintf("%s, and %d more problems", e.Problems[0].Detail, len(e.Problems)-1)
}

// An InUseError is a stream, list or profile that live documents need.
type InUseError struct {
	Stream   string
	List     string   // instead of Stream
	Rule     string   // instead of Stream: a rule whose measures others read
	Profile  string   // instead of Stream
	Profiles []string // that need the stream or list, besides the rules
	Views    []string // that need the stream, list or profile, besides the rules
	Rules    []string
	Change   bool // the list would change; else it would be deleted
}

// Error names the document and those that need it.
func (e *InUseError) Error() string {
	switch {
	case len(e.Views) > 0:
		return fmt.Sprintf("%s is read by the views %v; delete them first", cmp.Or(e.Stream, e.List, e.Profile, e.Rule), e.Views)
	case e.Profile != "":
		return fmt.Sprintf("profile %s is read by the live rules %v; delete them first", e.Profile, e.Rules)
	case len(e.Profiles) > 0:
		return fmt.Sprintf("%s is read by the profiles %v; delete them first", cmp.Or(e.Stream, e.List), e.Profiles)
	case e.Rule != "":
		return fmt.Sprintf("the live rules %v read measures of the alerts of rule %s", e.Rules, e.Rule)
	case e.List != "" && e.Change:
		return fmt.Sprintf("the key and attributes of list %s cannot change while the live rules %v read it; its entries can", e.List, e.Rules)
	case e.List != "":
		return fmt.Sprintf("list %s is used by the live rules %v; delete them first", e.List, e.Rules)
	}
	return fmt.Sprintf("stream %s is used by the live rules %v; delete them first", e.Stream, e.Rules)
}

// Put checks a document against the current set and stores it as the next
// revision, in its state at once. created tells whether there was no document of
// the name before. The text of a revision that is in that state already, or may go to it,
// makes none: rev is that one. It returns when this process has applied the write. Errors:
// *InvalidError, *InUseError, ErrStale, ErrNotReady, ErrBusy, ErrUnavailable.
func (r *Registry) Put(ctx context.Context, c Change) (rev *Revision, created bool, err error) {
	if c.Kind == KindList {
		if err := r.checkTopic(ctx, c); err != nil {
			return nil, false, err
		}
	}
	err = r.commit(ctx, func(s *state) (records []Record, err error) {
		if err := s.holds(c); err != nil {
			return nil, err
		}
		created = !s.live()
		rev, records, err = r.revise(s, c)
		return records, err
	}, c.Kind, c.Name)
	if err != nil {
		return nil, false, err
	}
	return rev, created, nil
}

// revise returns the revision that a change makes and the records that store
// it: none when its text is live already.
func (r *Registry) revise(s *state, c Change) (*Revision, []Record, error) {
	c.State = cmp.Or(c.State, Live)
	if err := storable(&c); err != nil {
		return nil, nil, err
	}
	if s.live() && s.head.State == Retired {
		return nil, nil, notAmong(&Move{Name: c.Name, To: c.State}, trial{s.head.Revision, Retired})
	}
	was, found := r.place(s, &c)
	if found && was.State == c.State {
		return r.revisionOf(c.Kind, c.Name, was.Revision), nil, nil
	}
	if err := s.check(c); err != nil {
		return nil, nil, err
	}
	now := r.now().UTC().Truncate(time.Microsecond) // as the log keeps it
	h := head{Next: 1, State: Deleted}
	if s.head != nil {
		h = *s.head
	}
	h.Time = now.UnixMicro()
	if found {
		h.put(was.Revision, c.State)
		return r.revisionOf(c.Kind, c.Name, was.Revision), []Record{h.record(c.Kind, c.Name)}, nil
	}
	rev := &Revision{Ref: Ref{c.Kind, c.Name, h.Next}, Text: string(c.Text), Time: now, Author: c.Author}
	h.Next++
	h.put(rev.Revision, c.State)
	return rev, []Record{rev.record(), h.record(c.Kind, c.Name)}, nil
}

// Delete takes a document out of use; its revisions stay. Errors as of Put,
// and ErrNotFound.
func (r *Registry) Delete(ctx context.Context, k Kind, name string, cond Condition) error {
	return r.commit(ctx, func(s *state) ([]Record, error) {
		if !s.live() {
			return nil, fmt.Errorf("%s %s: %w", k, name, ErrNotFound)
		}
		if err := s.holds(Change{Kind: k, Name: name, If: cond}); err != nil {
			return nil, err
		}
		if users := s.set.usersOf(name); k == KindStream && len(users) > 0 {
			return nil, &InUseError{Stream: name, Rules: users}
		}
		if users := s.set.readersOf(name); k == KindList && len(users) > 0 {
			return nil, &InUseError{List: name, Rules: users}
		}
		if users := s.set.recallersOf(name); k == KindProfile && len(users) > 0 {
			return nil, &InUseError{Profile: name, Rules: users}
		}
		if made := s.set.profilesOver(name); k == KindStream && len(made) > 0 {
			return nil, &InUseError{Stream: name, Profiles: made}
		}
		if made := s.set.profilesReading(name); k == KindList && len(made) > 0 {
			return nil, &InUseError{List: name, Profiles: made}
		}
		if err := s.viewsNeed(k, name); err != nil {
			return nil, err
		}
		if k == KindRule {
			if err := s.set.unneeded(name); err != nil {
				return nil, err
			}
		}
		h := *s.head
		h.State, h.Trial, h.Time = Deleted, nil, r.now().UnixMicro()
		return []Record{h.record(k, name)}, nil
	}, k, name)
}

// A state is what a write is decided on.
type state struct {
	offset int64
	head   *head // nil when the name was never used
	set    *Set
	rules  int // documents of kind rule, whatever their state
	try    func(Change) (*Set, error)
}

// live reports whether there is a document of the name, whatever its state.
func (s *state) live() bool { return s.head != nil && s.head.State != Deleted }

// A settled refusal stands whatever other instances have written meanwhile.
type settled struct{ error }

// commit asks decide for the records of a write and appends them, as often as
// other instances come first. A refusal, and a write that changes nothing,
// count only if the log has not grown meanwhile: what another instance wrote a
// moment ago may be the very stream that the document was refused for.
func (r *Registry) commit(ctx context.Context, decide func(*state) ([]Record, error), k Kind, name string) error {
	select {
	case <-r.write:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { r.write <- struct{}{} }()
	for range appendAttemptsMax {
		s, err := r.state(k, name)
		if err != nil {
			return err
		}
		records, refused := decide(s)
		if sure, ok := errors.AsType[settled](refused); ok {
			return sure.error
		}
		offset, err := r.log.Append(ctx, s.offset, records)
		switch {
		case err == nil && len(records) == 0:
			return refused
		case err == nil:
			return r.applied(ctx, offset)
		case refused != nil && !errors.Is(err, ErrConflict): // nothing was to be written anyway
			return refused
		case !errors.Is(err, ErrConflict):
			return fmt.Errorf("writing %s %s: %w: %w", k, name, ErrUnavailable, err)
		}
		if err := r.yield(ctx, s.offset+1); err != nil {
			return err
		}
	}
	return ErrBusy
}

// conflictWaitMax bounds the wait for the entry of the writer that came first:
// it may have failed in turn, and then there is none.
const conflictWaitMax = time.Second

// yield waits until another writer's entry at offset has been applied, or
// conflictWaitMax has passed.
func (r *Registry) yield(ctx context.Context, offset int64) error {
	wait, cancel := context.WithTimeout(ctx, conflictWaitMax)
	defer cancel()
	if err := r.applied(wait, offset); ctx.Err() != nil {
		return err
	}
	return nil
}

func (r *Registry) state(k Kind, name string) (*state, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.mu.live {
		return nil, ErrNotReady
	}
	s := &state{offset: r.mu.offset, head: r.mu.heads[headKey(k, name)], set: r.mu.set, try: r.try}
	for key, h := range r.mu.heads {
		if kind, _, _ := strings.Cut(key, "/"); Kind(kind) == KindRule && h.State != Deleted {
			s.rules++
		}
	}
	return s, nil
}

// applied waits until the entry at offset has been applied.
func (r *Registry) applied(ctx context.Context, offset int64) error {
	for {
		r.mu.Lock()
		at, moved := r.mu.offset, r.mu.moved
		r.mu.Unlock()
		if at >= offset {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the write to come back in the rules log: %w", ctx.Err())
		}
	}
}
