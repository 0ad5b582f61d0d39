package rules

import (
	"fmt"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// compiledMax bounds the rules that a registry keeps compiled. Streams are
// kept for ever: a task holds on to their schemas.
const compiledMax = 4 * DocumentsMax

// A compiler turns stored revisions into sets and remembers what it compiled:
// a change of one rule compiles one rule. It is owned by its registry's lock.
type compiler struct {
	streams map[Ref]*Stream
	docs    map[Ref]*syntax.Rule
	rules   map[ruleOver]*Rule
}

// A ruleOver is a rule's revision together with those of its streams: what
// its program is a function of.
type ruleOver struct {
	rule    Ref
	streams string
}

func (c *compiler) init() {
	c.streams = map[Ref]*Stream{}
	c.docs = map[Ref]*syntax.Rule{}
	c.rules = map[ruleOver]*Rule{}
}

// set compiles exactly refs. A reference that revisions lacks is an error; a
// document that does not compile is a fault of the set.
func (c *compiler) set(refs []Ref, revisions map[Ref]*Revision) (*Set, error) {
	if len(c.rules)+len(c.docs) > compiledMax {
		clear(c.rules)
		clear(c.docs)
	}
	set := &Set{}
	var rules []*Revision
	for _, ref := range refs {
		rev := revisions[ref]
		switch {
		case rev == nil:
			return nil, fmt.Errorf("%s is not in the rules log", ref)
		case ref.Kind == KindRule:
			rules = append(rules, rev)
		default:
			c.stream(set, rev)
		}
	}
	set.sort()
	env := set.env()
	for _, rev := range rules {
		c.rule(set, env, rev)
	}
	set.sort()
	return set, nil
}

func (c *compiler) stream(set *Set, rev *Revision) {
	st := c.streams[rev.Ref]
	if st == nil {
		doc, problems := single[*syntax.Stream](rev)
		if doc == nil {
			set.Faults = append(set.Faults, Fault{rev.Ref, problems})
			return
		}
		st = &Stream{Doc: doc, Schema: prog.SchemaOf(doc), Revision: rev.Revision}
		c.streams[rev.Ref] = st
	}
	set.Streams = append(set.Streams, st)
}

func (c *compiler) rule(set *Set, env *prog.Env, rev *Revision) {
	doc := c.docs[rev.Ref]
	if doc == nil {
		var problems []syntax.Problem
		if doc, problems = single[*syntax.Rule](rev); doc == nil {
			set.Faults = append(set.Faults, Fault{rev.Ref, problems})
			return
		}
		c.docs[rev.Ref] = doc
	}
	over := ruleOver{rule: rev.Ref}
	for _, u := range usesOf(doc) {
		if st := set.Stream(u.stream); st != nil {
			over.streams += fmt.Sprintf("%s/%d ", u.stream, st.Revision)
		}
	}
	if r := c.rules[over]; r != nil {
		set.Rules = append(set.Rules, r)
		return
	}
	compiled, problems := prog.Compile(doc, env)
	if compiled == nil {
		set.Faults = append(set.Faults, Fault{rev.Ref, problems})
		return
	}
	r := &Rule{Doc: doc, Prog: compiled, Revision: rev.Revision}
	c.rules[over] = r
	set.Rules = append(set.Rules, r)
}

// single reads the one document of a stored revision; the zero D when the
// text is not one document of that type.
func single[D syntax.Document](rev *Revision) (D, []syntax.Problem) {
	var none D
	file, problems := syntax.Parse(rev.String(), []byte(rev.Text))
	if len(file.Documents) != 1 {
		return none, append(problems, syntax.Problem{File: rev.String(), Detail: fmt.Sprintf("%d sound documents, want one", len(file.Documents))})
	}
	doc, ok := file.Documents[0].(D)
	if !ok {
		return none, append(problems, syntax.Problem{File: rev.String(), Detail: "a document of kind " + file.Documents[0].Header().Kind})
	}
	return doc, problems
}
