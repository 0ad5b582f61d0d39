// Package rules owns the documents that people write: it loads and checks
// them together, numbers their revisions for ever, and keeps them in the
// compacted rules topic through the Log interface. It refuses what one
// document alone cannot show: a second document of one name, a stream that is
// not there, a kind this build cannot run yet, a rule that no task
// can run. It knows nothing of brokers, tasks or HTTP; cmd and
// internal/api call it.
package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A Set is a consistent set of streams, lists, profiles, rules and views, all compiled. It is
// immutable and safe for concurrent use.
type Set struct {
	// Version is the offset in the rules log of the last entry that made the
	// set; 0 for a set read from files.
	Version  int64
	Streams  []*Stream  // sorted by name
	Rules    []*Rule    // sorted by name: those that are live or paused
	Shadows  []*Rule    // sorted by name: those on trial, beside a rule of the name or alone
	Lists    []*List    // sorted by name
	Profiles []*Profile // sorted by name
	Views    []*View    // sorted by name
	Silences []*Silence // sorted by name
	Sinks    []*Sink    // sorted by name
	Alerts   *Stream    // the built-in stream of alerts; nil when no rule reads it
	Faults   []Fault    // stored documents that this build cannot compile

	input  string            // whose part of a set it is; "": it is whole
	single bool              // its rules are not divided into stages
	loose  []*Stream         // streams of parts of rules that are not in it
	key    []byte            // of fields with pii: hash
	scales map[string]*Scale // by key
}

// A Stream is a stream document with what it compiles to.
type Stream struct {
	Doc      *syntax.Stream
	Schema   *event.Schema
	Revision int // 1 for a stream read from a file

	fields string // of the built-in stream: what its measures are
	key    []byte // of hashed fields
}

// A Rule is a rule document with what it compiles to.
type Rule struct {
	Doc      *syntax.Rule
	Prog     *prog.Rule
	Revision int   // 1 for a rule read from a file
	State    State // Shadow, Paused; else it is live, or read from a file

	stages *stages // nil: it is not run in two
}

// kind tells a rule from the rule that stands for a view.
func (r *Rule) kind() string {
	if r.Prog.Shown {
		return "view"
	}
	return "rule"
}

// A List is a list document with the table that its entries make.
type List struct {
	Doc      *syntax.List
	Decl     *expr.ListDecl
	Table    *expr.Table // nil for a list from a topic that has not been read
	Revision int         // the version of the document; 1 for a list read from a file
	Content  string      // the version of what the topic holds; "" without a topic, and before it has been read
}

// A Profile is a profile document with what it compiles to.
type Profile struct {
	Doc      *syntax.Profile
	Prog     *prog.Profile
	Revision int // 1 for a profile read from a file
}

// A Fault is a document of the log that does not compile: written by another
// build, as a rule is checked before it is stored. It is not run, and the
// process says that it is not ready.
type Fault struct {
	Ref      Ref
	Problems []syntax.Problem
}

// String names the document and its first problem.
func (f *Fault) String() string { return fmt.Sprintf("%s: %s", f.Ref, f.Problems[0].Detail) }

// Stream returns the stream called name, or nil.
func (s *Set) Stream(name string) *Stream {
	switch {
	case name == prog.AlertsStream:
		return s.Alerts
	case IsParts(name):
		return s.partsStream(name)
	}
	i, ok := slices.BinarySearchFunc(s.Streams, name, func(s *Stream, n string) int { return strings.Compare(s.Doc.Name, n) })
	if !ok {
		return nil
	}
	return s.Streams[i]
}

// Rule returns the rule called name, or nil.
func (s *Set) Rule(name string) *Rule {
	i, ok := slices.BinarySearchFunc(s.Rules, name, func(r *Rule, n string) int { return strings.Compare(r.Doc.Name, n) })
	if !ok {
		return nil
	}
	return s.Rules[i]
}

// AtWork are the rules that tasks run, whatever becomes of their alerts: first
// those that are live or paused.
func (s *Set) AtWork() []*Rule { return slices.Concat(s.Rules, s.Shadows) }

// revision returns a revision of a rule at work, or nil.
func (s *Set) revision(name string, revision int) *Rule {
	for _, r := range s.AtWork() {
		if r.Doc.Name == name && r.Revision == revision {
			return r
		}
	}
	return nil
}

// List returns the list called name, or nil.
func (s *Set) List(name string) *List {
	i, ok := slices.BinarySearchFunc(s.Lists, name, func(l *List, n string) int { return strings.Compare(l.Doc.Name, n) })
	if !ok {
		return nil
	}
	return s.Lists[i]
}

// Profile returns the profile called name, or nil.
func (s *Set) Profile(name string) *Profile {
	i, ok := slices.BinarySearchFunc(s.Profiles, name, func(p *Profile, n string) int { return strings.Compare(p.Doc.Name, n) })
	if !ok {
		return nil
	}
	return s.Profiles[i]
}

// Refs names the exact documents that make the set: streams, rules, lists,
// profiles, then views, each by name. A journal that holds them can have the set again (Registry.At).
func (s *Set) Refs() []Ref {
	refs := make([]Ref, 0, len(s.Streams)+len(s.Rules)+len(s.Lists)+len(s.Profiles)+len(s.Views))
	for _, st := range s.Streams {
		refs = append(refs, Ref{Kind: KindStream, Name: st.Doc.Name, Revision: st.Revision})
	}
	for _, r := range s.AtWork() {
		refs = append(refs, Ref{Kind: KindRule, Name: r.Doc.Name, Revision: r.Revision})
	}
	for _, l := range s.Lists {
		refs = append(refs, Ref{Kind: KindList, Name: l.Doc.Name, Revision: l.Revision})
	}
	for _, p := range s.Profiles {
		refs = append(refs, Ref{Kind: KindProfile, Name: p.Doc.Name, Revision: p.Revision})
	}
	for _, v := range s.Views {
		refs = append(refs, Ref{Kind: KindView, Name: v.Doc.Name, Revision: v.Revision})
	}
	return refs
}

// env is what rules are compiled against.
func (s *Set) env() *prog.Env {
	e := &prog.Env{
		Streams:  make(map[string]*syntax.Stream, len(s.Streams)),
		Schemas:  make(map[string]*event.Schema, len(s.Streams)),
		Lists:    make(expr.Lists, len(s.Lists)),
		Profiles: make(map[string]*prog.Profile, len(s.Profiles)),
	}
	for _, p := range s.Profiles {
		e.Profiles[p.Doc.Name] = p.Prog
	}
	for _, l := range s.Lists {
		e.Lists[l.Doc.Name] = l.Decl
	}
	for _, st := range s.Streams {
		e.Streams[st.Doc.Name] = st.Doc
		e.Schemas[st.Doc.Name] = st.Schema
	}
	return e
}

func (s *Set) sort() {
	slices.SortFunc(s.Sinks, func(a, b *Sink) int { return strings.Compare(a.Doc.Name, b.Doc.Name) })
	slices.SortFunc(s.Silences, func(a, b *Silence) int { return strings.Compare(a.Doc.Name, b.Doc.Name) })
	slices.SortFunc(s.Views, func(a, b *View) int { return strings.Compare(a.Doc.Name, b.Doc.Name) })
	slices.SortFunc(s.Profiles, func(a, b *Profile) int { return strings.Compare(a.Doc.Name, b.Doc.Name) })
	slices.SortFunc(s.Streams, func(a, b *Stream) int { return strings.Compare(a.Doc.Name, b.Doc.Name) })
	slices.SortFunc(s.Shadows, func(a, b *Rule) int { return strings.Compare(a.Doc.Name, b.Doc.Name) })
	slices.SortFunc(s.Rules, func(a, b *Rule) int { return strings.Compare(a.Doc.Name, b.Doc.Name) })
	slices.SortFunc(s.Lists, func(a, b *List) int { return strings.Compare(a.Doc.Name, b.Doc.Name) })
}
