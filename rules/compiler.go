package rules

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/engine/task"
)

// compiledMax bounds the rules, profiles, views, silences and sinks, each, that a registry keeps compiled. Streams are
// kept for ever: a task holds on to their schemas.
const compiledMax = 4 * DocumentsMax

// A compiler turns stored revisions into sets and remembers what it compiled:
// a change of one rule compiles one rule. It is owned by its registry's lock.
type compiler struct {
	streams  map[Ref]*Stream
	schemas  map[Ref]*event.Schema // of streams, those that are in no set among them
	rules    map[Ref]*compiled
	lists    map[Ref]*List
	profiles map[Ref]*profileOver
	views    map[Ref]*viewOver
	silences map[Ref]*Silence
	sinks    map[Ref]*Sink
	alerts   map[string]*Stream       // by its measures: a task holds on to its schema
	parts    map[string]*event.Schema // of streams of parts: a task holds on to them
	key      []byte                   // of fields with pii: hash; empty: there is none
}

// A compiled rule revision, with what its program is a function of besides its
// own text: the revisions of its streams and the shapes of its lists.
type compiled struct {
	doc    *syntax.Rule
	names  []string   // of its streams, in the order of the text
	over   []*Stream  // what rule was compiled over, by names; nil where there was none
	read   []string   // shapes of the lists that rule reads
	recall []*Profile // what rule was compiled with
	rule   *Rule      // nil before the first
}

func (c *compiler) init() {
	c.streams = map[Ref]*Stream{}
	c.schemas = map[Ref]*event.Schema{}
	c.rules = map[Ref]*compiled{}
	c.lists = map[Ref]*List{}
	c.alerts = map[string]*Stream{}
	c.profiles = map[Ref]*profileOver{}
	c.views = map[Ref]*viewOver{}
	c.silences = map[Ref]*Silence{}
	c.sinks = map[Ref]*Sink{}
	c.parts = map[string]*event.Schema{}
}

// set compiles exactly refs. A reference that revisions lacks is an error; a
// document that does not compile is a fault of the set. alerts is the stream
// of alerts that readers are compiled over; nil works it out of the rules. states are
// those of rules that are not live.
func (c *compiler) set(refs []Ref, states map[Ref]State, revisions map[Ref]*Revision, alerts *task.Ref) (*Set, error) {
	if len(c.rules) > compiledMax {
		clear(c.rules)
	}
	if len(c.lists) > listTablesMax {
		clear(c.lists)
	}
	set := &Set{key: c.key}
	if len(c.profiles) > compiledMax {
		clear(c.profiles)
	}
	if len(c.views) > compiledMax {
		clear(c.views)
	}
	if len(c.silences) > compiledMax {
		clear(c.silences)
	}
	if len(c.sinks) > compiledMax {
		clear(c.sinks)
	}
	var rules, profiles, views []*Revision
	for _, ref := range refs {
		rev := revisions[ref]
		switch {
		case rev == nil:
			return nil, fmt.Errorf("%s is not in the rules log", ref)
		case ref.Kind == KindRule:
			rules = append(rules, rev)
		case ref.Kind == KindProfile:
			profiles = append(profiles, rev)
		case ref.Kind == KindView:
			views = append(views, rev)
		case ref.Kind == KindSilence:
			c.silence(set, rev)
		case ref.Kind == KindSink:
			c.sink(set, rev, revisions[Ref{KindSink, ref.Name, 1}])
		case ref.Kind == KindList:
			c.list(set, rev)
		default:
			c.stream(set, rev, revisions)
		}
	}
	set.sort()
	env := set.env()
	for _, rev := range profiles {
		c.profile(set, env, rev)
	}
	set.sort()
	tied := &chain{stream: c.alertsStream}
	for _, rev := range views {
		known := c.viewOf(set, rev)
		switch {
		case known == nil:
		case prog.UpstreamOfView(known.doc) == nil:
			c.view(set, env, rev, known)
		default:
			tied.addView(known.doc, func(env *prog.Env, final bool) *prog.Rule {
				if final {
					c.view(set, env, rev, known)
				}
				return nil
			})
		}
	}
	c.rulesOf(set, rules, states, alerts, tied)
	set.sort()
	return set, nil
}

func (c *compiler) stream(set *Set, rev *Revision, revisions map[Ref]*Revision) {
	known := parsed(set, rev, c.streams, func(d *syntax.Stream) (*Stream, []syntax.Problem) {
		return &Stream{Doc: d, Schema: c.schema(rev, d, revisions), Revision: rev.Revision, key: c.key}, keyless(d, c.key)
	})
	if known != nil {
		set.Streams = append(set.Streams, known)
	}
}

// schema returns the schema of a stream's revision, which knows those before it.
func (c *compiler) schema(rev *Revision, doc *syntax.Stream, revisions map[Ref]*Revision) *event.Schema {
	if s := c.schemas[rev.Ref]; s != nil {
		return s
	}
	s := prog.SchemaOf(doc)
	s.Layout = rev.Revision
	for n := rev.Revision - 1; n > 0 && s.Before == nil; n-- {
		if was := revisions[Ref{KindStream, rev.Name, n}]; was != nil {
			if before, _ := single[*syntax.Stream](was); before != nil {
				s.Before = c.schema(was, before, revisions)
			}
		}
	}
	c.schemas[rev.Ref] = s
	return s
}

// rulesOf compiles rules into the set: first those that read streams only,
// then the readers of alerts in their order, with the views over alerts that
// are tied already.
func (c *compiler) rulesOf(set *Set, revs []*Revision, states map[Ref]State, given *task.Ref, tied *chain) {
	env := set.env()
	for _, rev := range revs {
		known := c.known(set, rev)
		if known == nil {
			continue
		}
		state := states[rev.Ref]
		link := tied.adder(state)
		if prog.UpstreamOf(known.doc) == nil {
			link(known.doc, c.rule(set, env, rev, known, state), nil)
			continue
		}
		link(known.doc, nil, func(env *prog.Env, final bool) *prog.Rule {
			if final {
				return c.rule(set, env, rev, known, state)
			}
			p, _ := prog.Compile(known.doc, env)
			return p
		})
	}
	tied.tie()
	readers, circles := tied.order()
	switch {
	case len(readers) == 0:
	case len(circles) > 0: // refused before they are stored
		for _, l := range circles[0] {
			set.Faults = append(set.Faults, Fault{Ref{Kind: KindRule, Name: l.doc.Name}, []syntax.Problem{circular(l.doc, circles[0])}})
		}
	case given != nil:
		set.Alerts = c.alertsStream(given.Fields)
		env.Streams[prog.AlertsStream], env.Schemas[prog.AlertsStream] = set.Alerts.Doc, set.Alerts.Schema
		for _, l := range readers {
			l.compile(env, true)
		}
	default:
		tied.final = func(s *Stream) { set.Alerts = s }
		tied.compileReaders(readers, env)
	}
	if given != nil && set.Alerts == nil {
		set.Alerts = c.alertsStream(given.Fields)
	}
}

// alertsStream returns the stream of alerts with these measures, always the
// same one.
func (c *compiler) alertsStream(fields string) *Stream {
	st := c.alerts[fields]
	if st == nil {
		st = alertsStream(fields)
		c.alerts[fields] = st
	}
	return st
}

// partsSchema returns the schema of a stream of parts, always the same one.
func (c *compiler) partsSchema(name string) *event.Schema {
	if c.parts[name] == nil {
		c.parts[name] = newPartsSchema(name)
	}
	return c.parts[name]
}

// known returns a rule's revision, parsed; nil for a fault of the set.
func (c *compiler) known(set *Set, rev *Revision) *compiled {
	return parsed(set, rev, c.rules, func(d *syntax.Rule) (*compiled, []syntax.Problem) {
		return &compiled{doc: d, names: streamsRead(d)}, nil
	})
}

// rule adds a rule to the set, compiling it where its streams or lists have
// changed; nil for a fault of the set.
func (c *compiler) rule(set *Set, env *prog.Env, rev *Revision, known *compiled, state State) *prog.Rule {
	if known.rule == nil || !known.stillOver(set) {
		program, problems := prog.Compile(known.doc, env)
		if program == nil {
			set.Faults = append(set.Faults, Fault{rev.Ref, problems})
			return nil
		}
		known.rule = &Rule{Doc: known.doc, Prog: program, Revision: rev.Revision}
		known.rule.stages = stagesOf(known.rule, set, c.partsSchema)
		known.read, known.recall = shapesRead(program.Outside.Lists, set), profilesRead(program, set)
		known.over = known.over[:0]
		for _, name := range known.names {
			known.over = append(known.over, set.Stream(name))
		}
	}
	rule := known.rule
	if state == Shadow || state == Paused {
		rule = &Rule{Doc: rule.Doc, Prog: rule.Prog, Revision: rule.Revision, State: state, stages: rule.stages}
	}
	set.add(rule)
	return rule.Prog
}

// stillOver reports whether the rule's streams and lists in the set are those
// that it was compiled over.
func (k *compiled) stillOver(set *Set) bool {
	for i, name := range k.names {
		if set.Stream(name) != k.over[i] {
			return false
		}
	}
	return slices.Equal(k.read, shapesRead(k.rule.Prog.Outside.Lists, set)) && slices.Equal(k.recall, profilesRead(k.rule.Prog, set))
}

// streamsRead lists the streams of a rule, each once.
func streamsRead(d *syntax.Rule) []string {
	var names []string
	for _, u := range usesOf(d) {
		if !slices.Contains(names, u.stream) {
			names = append(names, u.stream)
		}
	}
	return names
}

// parsed returns what of made of a stored revision, once: made keeps it. A
// revision that is not sound is a fault of the set, and nil.
func parsed[D syntax.Document, T any](set *Set, rev *Revision, made map[Ref]*T, of func(D) (*T, []syntax.Problem)) *T {
	if known := made[rev.Ref]; known != nil {
		return known
	}
	var known *T
	doc, problems := single[D](rev)
	if len(problems) == 0 {
		known, problems = of(doc)
	}
	if len(problems) > 0 {
		set.Faults = append(set.Faults, Fault{rev.Ref, problems})
		return nil
	}
	made[rev.Ref] = known
	return known
}

// single reads the one document of a stored revision, or says why the text is
// not one document of that type.
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
	return doc, nil
}
