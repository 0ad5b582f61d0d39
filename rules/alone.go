package rules

import (
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// Alone returns a set of one rule and those whose alerts it reads, compiled
// over streams that relax has changed, as the tests of a rule want it. The set
// is nil when one of them does not compile so; the problems say why.
func (s *Set) Alone(r *Rule, relax func(*syntax.Stream) *syntax.Stream) (*Set, []syntax.Problem) {
	over := func(st *Stream) *Stream {
		doc := relax(st.Doc)
		return &Stream{Doc: doc, Schema: prog.SchemaOf(doc), Revision: st.Revision, fields: st.fields}
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
	for _, each := range append(s.upstreamOf(r), r) {
		compiled, problems := prog.Compile(each.Doc, env)
		if compiled == nil {
			return nil, problems
		}
		part.Rules = append(part.Rules, &Rule{Doc: each.Doc, Prog: compiled, Revision: each.Revision})
	}
	part.sort()
	return part, nil
}
