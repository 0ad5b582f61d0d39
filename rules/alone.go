package rules

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// Alone returns a set of one rule and those whose alerts it reads, compiled
// over streams that relax has changed, as the tests of a rule want it; fields
// are hashed with event.DevelopmentKey, so that what a test expects does not
// depend on who runs it. The set is nil when one of them does not compile so; the problems say why.
func (s *Set) Alone(r *Rule, relax func(*syntax.Stream) *syntax.Stream) (*Set, []syntax.Problem) {
	over := func(st *Stream) *Stream {
		doc := relax(st.Doc)
		return &Stream{Doc: doc, Schema: prog.SchemaOf(doc), Revision: st.Revision, fields: st.fields, key: []byte(event.DevelopmentKey)}
	}
	part := &Set{Lists: s.Lists}
	for _, st := range s.Streams {
		part.Streams = append(part.Streams, over(st))
	}
	env := part.env()
	if r.Prog.Upstream != nil {
		part.Alerts = over(s.Alerts)
		env.Streams[prog.AlertsStream], env.Schemas[prog.AlertsStream] = part.Alerts.Doc, part.Alerts.Schema
	}
	all := append(s.Upstream(r), r)
	if problems := part.recall(s, all, env); problems != nil {
		return nil, problems
	}
	for _, each := range all {
		compiled, problems := prog.Compile(each.Doc, env)
		if compiled == nil {
			return nil, problems
		}
		part.Rules = append(part.Rules, &Rule{Doc: each.Doc, Prog: compiled, Revision: each.Revision})
	}
	part.sort()
	return part, nil
}

// recall adds the profiles of s that the rules read, compiled over the part's
// own streams.
func (part *Set) recall(s *Set, rules []*Rule, env *prog.Env) []syntax.Problem {
	for _, p := range s.Profiles {
		if !slices.ContainsFunc(rules, func(r *Rule) bool { return slices.Contains(r.Prog.Outside.Profiles, p.Doc.Name) }) {
			continue
		}
		compiled, problems := prog.CompileProfile(p.Doc, env)
		if compiled == nil {
			return problems
		}
		part.Profiles = append(part.Profiles, &Profile{Doc: p.Doc, Prog: compiled, Revision: p.Revision})
		env.Profiles[p.Doc.Name] = compiled
	}
	return nil
}
