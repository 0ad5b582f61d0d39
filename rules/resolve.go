package rules

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/engine/task"
)

var (
	_ task.Resolver = (*Set)(nil)
	_ task.Resolver = (*Registry)(nil)
)

// Decl returns what a decoder of the stream's records needs.
func (s *Stream) Decl() event.Decl {
	d := prog.DeclOf(s.Doc, s.Schema)
	d.HashKey = s.key
	return d
}

// Names returns the set as a task's journal names it: the payload of a
// task.Switch.
func (s *Set) Names() task.Set {
	var names task.Set
	for _, st := range s.Streams {
		names.Streams = append(names.Streams, task.Ref{Name: st.Doc.Name, Revision: st.Revision})
	}
	if s.Alerts != nil {
		names.Streams = append(names.Streams, task.Ref{Name: prog.AlertsStream, Revision: s.Alerts.Revision, Fields: s.Alerts.fields})
	}
	for _, r := range s.AtWork() {
		ref := task.Ref{Name: r.Doc.Name, Revision: r.Revision, Stage: s.stageOf(r)}
		names.Rules = append(names.Rules, ref)
		switch r.State {
		case Shadow:
			names.Shadow = append(names.Shadow, ref)
		case Paused:
			names.Paused = append(names.Paused, ref)
		}
	}
	for _, l := range s.Lists {
		names.Lists = append(names.Lists, task.Ref{Name: l.Doc.Name, Revision: l.Revision, Content: l.Content})
	}
	for _, p := range s.Profiles {
		names.Profiles = append(names.Profiles, task.Ref{Name: p.Doc.Name, Revision: p.Revision})
	}
	for _, v := range s.Views {
		names.Views = append(names.Views, task.Ref{Name: v.Doc.Name, Revision: v.Revision})
	}
	return names
}

// Restrict returns the part of the set that concerns the tasks of one input:
// its streams, the rules and views that run there, and the profiles and lists that those
// read.
func (s *Set) Restrict(input string) *Set {
	part := &Set{Version: s.Version, input: input, single: s.single}
	if IsKeyed(input) {
		for _, st := range s.KeyedLog(input).Streams {
			part.Streams = append(part.Streams, st.Stream)
		}
	} else if st := s.Stream(input); st != nil {
		part.Streams = []*Stream{st}
	}
	for _, r := range s.AtWork() {
		if p := s.PathOf(r); p.Input == input || p.First == input {
			part.add(r)
			if p.Input == input && p.First != "" { // its parts are compiled with its streams
				for _, schema := range r.Prog.Streams {
					part.include(s.Stream(schema.Stream))
				}
			}
			if r.Prog.Upstream != nil {
				part.Alerts = s.Alerts
			}
		}
	}
	readers := part.AtWork()
	for _, v := range s.Views {
		if s.PathOf(v.rule()).Input == input {
			part.Views = append(part.Views, v)
			if v.Prog.Rule.Upstream != nil {
				part.Alerts = s.Alerts
			}
			readers = append(readers, v.rule())
		}
	}
	for _, p := range s.Profiles {
		if slices.ContainsFunc(readers, func(r *Rule) bool { return slices.Contains(r.Prog.Outside.Profiles, p.Doc.Name) }) {
			part.Profiles = append(part.Profiles, p)
		}
	}
	for _, l := range s.Lists {
		if slices.ContainsFunc(readers, func(r *Rule) bool { return r.reads(l.Doc.Name) }) {
			part.Lists = append(part.Lists, l)
		}
	}
	part.sort()
	return part
}

// include adds a stream where the set has not got it.
func (s *Set) include(st *Stream) {
	if st != nil && !slices.Contains(s.Streams, st) {
		s.Streams = append(s.Streams, st)
	}
}

// add adds a rule at work where its state says.
func (s *Set) add(r *Rule) {
	if r.State == Shadow {
		s.Shadows = append(s.Shadows, r)
	} else {
		s.Rules = append(s.Rules, r)
	}
}

// reads reports whether the rule, or a profile that it reads, reads a list.
func (r *Rule) reads(list string) bool {
	return slices.Contains(r.Prog.Outside.Lists, list) ||
		slices.ContainsFunc(r.Prog.Profiles, func(p *prog.Profile) bool { return slices.Contains(p.Outside.Lists, list) })
}

// Resolve implements task.Resolver for the names of this set.
func (s *Set) Resolve(names task.Set) (*task.Live, error) {
	live := &task.Live{}
	for _, ref := range names.Streams {
		st := s.Stream(ref.Name)
		if st == nil || st.Revision != ref.Revision || st.fields != ref.Fields {
			return nil, fmt.Errorf("stream %s/%d is not in the set", ref.Name, ref.Revision)
		}
		live.Streams = append(live.Streams, st.live())
	}
	for _, ref := range names.Rules {
		r := s.revision(ref.Name, ref.Revision)
		if r == nil {
			return nil, fmt.Errorf("rule %s/%d is not in the set", ref.Name, ref.Revision)
		}
		staged, err := r.at(ref.Stage)
		if err != nil {
			return nil, err
		}
		live.Rules = append(live.Rules, staged)
	}
	for _, ref := range names.Views {
		v := s.View(ref.Name)
		if v == nil || v.Revision != ref.Revision {
			return nil, fmt.Errorf("view %s/%d is not in the set", ref.Name, ref.Revision)
		}
		live.Views = append(live.Views, task.View{View: v.Prog, Revision: v.Revision})
	}
	for _, ref := range names.Profiles {
		if p := s.Profile(ref.Name); p == nil || p.Revision != ref.Revision {
			return nil, fmt.Errorf("profile %s/%d is not in the set", ref.Name, ref.Revision)
		}
	}
	for _, ref := range names.Lists {
		l := s.List(ref.Name)
		if l == nil || l.Revision != ref.Revision || l.Content != ref.Content {
			return nil, fmt.Errorf("list %s/%d %s is not in the set", ref.Name, ref.Revision, ref.Content)
		}
		if l.Table == nil {
			return nil, fmt.Errorf("list %s is read from topic %s, which only a live engine reads: give a List of that name with entries instead", ref.Name, l.Doc.Topic)
		}
		live.Lists = append(live.Lists, l.Table)
	}
	return live, nil
}

func (s *Stream) live() task.Stream {
	live := task.Stream{Doc: s.Doc, Schema: s.Schema}
	switch {
	case IsParts(s.Doc.Name): // no record of a source is one
	case s.Doc.Format == "avro":
		live.Decoder = event.NewAvroDecoder(s.Decl())
	default:
		live.Decoder = event.NewDecoder(s.Decl())
	}
	return live
}

// Resolve implements task.Resolver for any revisions that are in the log.
func (r *Registry) Resolve(names task.Set) (*task.Live, error) {
	refs, alerts := refsOf(names)
	set, err := r.at(refs, statesOf(names), alerts)
	if err != nil {
		return nil, fmt.Errorf("resolving a journaled rule set: %w", err)
	}
	if err := r.recall(set, names.Lists); err != nil {
		return nil, err
	}
	r.addLoose(set, names)
	return set.Resolve(names)
}

// refsOf takes the names of a set apart: stored documents, and the stream of
// alerts, nil when it is not among them.
func refsOf(names task.Set) (refs []Ref, alerts *task.Ref) {
	refs = make([]Ref, 0, len(names.Streams)+len(names.Rules)+len(names.Lists)+len(names.Profiles)+len(names.Views))
	for i, s := range names.Streams {
		if IsParts(s.Name) {
			continue // of its rule
		}
		if s.Name == prog.AlertsStream {
			alerts = &names.Streams[i]
			continue
		}
		refs = append(refs, Ref{Kind: KindStream, Name: s.Name, Revision: s.Revision})
	}
	for _, r := range names.Rules {
		refs = append(refs, Ref{Kind: KindRule, Name: r.Name, Revision: r.Revision})
	}
	for _, l := range names.Lists {
		refs = append(refs, Ref{Kind: KindList, Name: l.Name, Revision: l.Revision})
	}
	for _, p := range names.Profiles {
		refs = append(refs, Ref{Kind: KindProfile, Name: p.Name, Revision: p.Revision})
	}
	for _, v := range names.Views {
		refs = append(refs, Ref{Kind: KindView, Name: v.Name, Revision: v.Revision})
	}
	return refs, alerts
}

// AllLive returns the set without the rules on trial, and with those that are paused
// as if they were live, each in one task: what a backtest of all rules runs.
func (s *Set) AllLive() *Set {
	part := *s
	part.Rules, part.Shadows, part.single = slices.Clone(s.Rules), nil, true
	for i, r := range part.Rules {
		if r.State != "" {
			part.Rules[i] = &Rule{Doc: r.Doc, Prog: r.Prog, Revision: r.Revision}
		}
	}
	return &part
}

// statesOf are the states of the rules of a set that are not live.
func statesOf(names task.Set) map[Ref]State {
	states := map[Ref]State{}
	for state, refs := range map[State][]task.Ref{Shadow: names.Shadow, Paused: names.Paused} {
		for _, r := range refs {
			states[Ref{Kind: KindRule, Name: r.Name, Revision: r.Revision}] = state
		}
	}
	return states
}

// Only returns the part of the set that runs the named rules: they, and those
// whose alerts they read, with all streams, profiles and lists. All are live there.
func (s *Set) Only(names ...string) (*Set, error) {
	s = s.AllLive()
	part := *s
	part.Rules = nil
	add := func(r *Rule) {
		if !slices.Contains(part.Rules, r) {
			part.Rules = append(part.Rules, r)
		}
	}
	for _, name := range names {
		r := s.Rule(name)
		if r == nil {
			return nil, fmt.Errorf("there is no rule %s", name)
		}
		add(r)
		for _, up := range s.Upstream(r) {
			add(up)
		}
	}
	part.sort()
	return &part, nil
}
