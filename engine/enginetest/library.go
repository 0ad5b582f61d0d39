// Package enginetest simulates the engine of one task in one process from a
// seed: a log, a journal, progress and outputs that commit together or not at
// all, checkpoints in a file system that forgets what was not synced, and
// crashes wherever the seed or the test wants them. The driver here does what
// package kafka does, without the broker. Only tests use it.
package enginetest

import (
	"fmt"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

// A Library holds revisions of streams and rules and resolves sets of them.
type Library struct {
	base  *rules.Set
	rules map[task.Ref]*rules.Rule
	lists map[task.Ref]*rules.List
	views map[task.Ref]*rules.View
	// decoders are reused by one task after the other, where they are kept.
	decoders map[string]task.Decoder
	// later are the same documents over later revisions of one of the streams.
	later []*Library
	over  string // that stream
}

// NewLibrary reads the streams, each at revision 1.
func NewLibrary(streams string) (*Library, error) {
	set, err := check(nil, streams)
	if err != nil {
		return nil, err
	}
	return over(set), nil
}

func over(base *rules.Set) *Library {
	return &Library{base: base, rules: map[task.Ref]*rules.Rule{}, lists: map[task.Ref]*rules.List{}, views: map[task.Ref]*rules.View{}}
}

// Revise reads the next revision of a stream, always the same one, before any
// rule is added.
func (l *Library) Revise(stream, text string) error {
	last := l
	if n := len(l.later); n > 0 {
		last = l.later[n-1]
	}
	set, err := check(last.base, text)
	if err != nil {
		return err
	}
	was, now := last.base.Stream(stream), set.Stream(stream)
	was.Schema.Layout = was.Revision
	now.Revision = was.Revision + 1
	now.Schema.Layout, now.Schema.Before = now.Revision, was.Schema
	l.later, l.over = append(l.later, over(set)), stream
	return nil
}

// edition is the library whose rules are over the streams of a set.
func (l *Library) edition(set task.Set) *Library {
	for _, ref := range set.Streams {
		if ref.Name == l.over && ref.Revision > 1 && ref.Revision-2 < len(l.later) {
			return l.later[ref.Revision-2]
		}
	}
	return l
}

func check(base *rules.Set, text string) (*rules.Set, error) {
	set, problems := rules.Check(base, rules.Source{Name: "library", Text: []byte(text)})
	for _, p := range problems {
		if !p.Warning {
			return nil, fmt.Errorf("reading documents: %d:%d: %s", p.Line, p.Col, p.Detail)
		}
	}
	return set, nil
}

// Add reads a rule or view document as the given revision.
func (l *Library) Add(revision int, text string) error {
	set, err := check(l.base, text)
	if err != nil {
		return err
	}
	if set.Alerts != nil {
		l.base.Alerts = set.Alerts
	}
	for _, r := range set.Rules {
		l.rules[task.Ref{Name: r.Doc.Name, Revision: revision}] = r
	}
	for _, v := range set.Views {
		l.views[task.Ref{Name: v.Doc.Name, Revision: revision}] = v
	}
	for _, e := range l.later {
		e.base.Alerts = l.base.Alerts
		if err := e.Add(revision, text); err != nil {
			return err
		}
	}
	return nil
}

// AddList reads a list document as the given version. Rules added later may
// read it.
func (l *Library) AddList(version int, text string) error {
	set, err := check(l.base, text)
	if err != nil {
		return err
	}
	for _, list := range set.Lists {
		list.Table.Version = version
		l.lists[task.Ref{Name: list.Doc.Name, Revision: version}] = list
	}
	if len(l.base.Lists) == 0 {
		l.base = set
	}
	return nil
}

// Set returns all streams with the given rules.
func (l *Library) Set(refs ...task.Ref) task.Set {
	set := l.base.Names()
	set.Rules = refs
	return set
}

// Resolve implements task.Resolver.
func (l *Library) Resolve(set task.Set) (*task.Live, error) {
	l = l.edition(set)
	live := &task.Live{}
	for _, ref := range set.Streams {
		st, err := l.stream(ref)
		if err != nil {
			return nil, err
		}
		live.Streams = append(live.Streams, st)
	}
	for _, ref := range set.Rules {
		r, ok := l.rules[ref]
		if !ok {
			return nil, fmt.Errorf("rule %s/%d is not in the library", ref.Name, ref.Revision)
		}
		live.Rules = append(live.Rules, task.Rule{Rule: r.Prog, Revision: ref.Revision})
	}
	for _, ref := range set.Views {
		v, ok := l.views[ref]
		if !ok {
			return nil, fmt.Errorf("view %s/%d is not in the library", ref.Name, ref.Revision)
		}
		live.Views = append(live.Views, task.View{View: v.Prog, Revision: ref.Revision})
	}
	for _, ref := range set.Lists {
		list, ok := l.lists[ref]
		if !ok {
			return nil, fmt.Errorf("list %s/%d is not in the library", ref.Name, ref.Revision)
		}
		live.Lists = append(live.Lists, list.Table)
	}
	return live, nil
}

// KeepDecoders makes the library fit for one task at a time only, and quicker
// to resolve.
func (l *Library) KeepDecoders() { l.decoders = map[string]task.Decoder{} }

func (l *Library) stream(ref task.Ref) (task.Stream, error) {
	if d := l.decoders[ref.Name]; d != nil && ref.Revision == 1 {
		st := l.base.Stream(ref.Name)
		return task.Stream{Doc: st.Doc, Schema: st.Schema, Decoder: d}, nil
	}
	live, err := l.base.Resolve(task.Set{Streams: []task.Ref{ref}})
	if err != nil {
		return task.Stream{}, err
	}
	if l.decoders != nil && ref.Name != prog.AlertsStream {
		l.decoders[ref.Name] = live.Streams[0].Decoder
	}
	return live.Streams[0], nil
}
