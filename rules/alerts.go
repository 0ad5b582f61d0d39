package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// alertsStream makes the built-in stream of alerts with the given measures as
// fields. They were written by prog.MeasureFields: anything else is a bug.
func alertsStream(fields string) *Stream {
	doc, err := prog.AlertsDoc(fields)
	if err != nil {
		panic(fmt.Sprintf("rules: %v", err))
	}
	return &Stream{Doc: doc, Schema: prog.SchemaOf(doc), Revision: 1, fields: fields}
}

// A chain is the rules of a set by whose alerts they read: what one rule
// gives its alerts is a field of the events of the next. It compiles readers
// of alerts after the rules that they read.
type chain struct {
	links []*link
	// stream returns the stream of alerts with these fields; nil: alertsStream.
	stream func(fields string) *Stream
	// final, where given, is told the stream of alerts with all its fields,
	// before the readers are compiled over it.
	final func(*Stream)
}

// A link is a rule of a chain.
type link struct {
	doc      *syntax.Rule
	upstream *prog.Upstream // nil: it reads no alerts
	reads    []*link        // rules whose alerts it reads
	isRead   bool
	unread   bool       // a view, or a rule on trial: nobody reads what it raises
	prog     *prog.Rule // nil: not compiled, or refused
	// compile compiles a reader; final says that the stream of alerts has all
	// its fields, so that problems count.
	compile func(env *prog.Env, final bool) *prog.Rule
	mark    int // of a walk: 0 new, 1 under way, 2 done
}

// add adds a rule; compiled is nil for one that reads alerts or is refused.
func (c *chain) add(doc *syntax.Rule, compiled *prog.Rule, compile func(env *prog.Env, final bool) *prog.Rule) {
	c.links = append(c.links, &link{doc: doc, upstream: prog.UpstreamOf(doc), prog: compiled, compile: compile})
}

// addView adds a view over alerts.
func (c *chain) addView(doc *syntax.View, compile func(env *prog.Env, final bool) *prog.Rule) {
	c.links = append(c.links, &link{doc: prog.RuleOf(doc), upstream: prog.UpstreamOfView(doc), unread: true, compile: compile})
}

// adder is add for a rule of a state: nobody reads one on trial.
func (c *chain) adder(state State) func(doc *syntax.Rule, compiled *prog.Rule, compile func(env *prog.Env, final bool) *prog.Rule) {
	return func(doc *syntax.Rule, compiled *prog.Rule, compile func(env *prog.Env, final bool) *prog.Rule) {
		c.add(doc, compiled, compile)
		c.links[len(c.links)-1].unread = state == Shadow
	}
}

// tie finds who reads whom.
func (c *chain) tie() {
	for _, l := range c.links {
		if l.upstream == nil {
			continue
		}
		for _, other := range c.links {
			if other.unread {
				continue
			}
			if other != l && l.upstream.Reads(other.doc) || other == l && l.upstream.ReadsItself(l.doc) {
				l.reads = append(l.reads, other)
				other.isRead = true
			}
		}
	}
}

// order returns the readers, each after those that it reads, and the circles
// among them, each from one rule back to it.
func (c *chain) order() (readers []*link, circles [][]*link) {
	var path []*link
	var visit func(l *link)
	visit = func(l *link) {
		if l.mark == 1 {
			circles = append(circles, append(slices.Clone(path[slices.Index(path, l):]), l))
		}
		if l.mark != 0 {
			return
		}
		l.mark = 1
		path = append(path, l)
		for _, other := range l.reads {
			visit(other)
		}
		path = path[:len(path)-1]
		l.mark = 2
		if l.upstream != nil {
			readers = append(readers, l)
		}
	}
	for _, l := range c.links {
		visit(l)
	}
	return readers, circles
}

// compileReaders compiles the readers, in their order, over streams and the
// stream of alerts, which it returns: first over the measures of the rules
// compiled so far, which gives the types of their own, then over all.
func (c *chain) compileReaders(readers []*link, env *prog.Env) (alerts *Stream, conflicts map[string]string) {
	for _, l := range readers {
		c.extend(env)
		l.prog = l.compile(env, false)
	}
	alerts, conflicts = c.extend(env)
	if c.final != nil {
		c.final(alerts)
	}
	for _, l := range readers {
		l.prog = l.compile(env, true)
	}
	return alerts, conflicts
}

// extend puts the stream of alerts, as the rules compiled so far make it, into
// env.
func (c *chain) extend(env *prog.Env) (*Stream, map[string]string) {
	var read []*prog.Rule
	for _, l := range c.links {
		if l.isRead && l.prog != nil {
			read = append(read, l.prog)
		}
	}
	fields, conflicts := prog.MeasureFields(read)
	over := c.stream
	if over == nil {
		over = alertsStream
	}
	alerts := over(fields)
	env.Streams[prog.AlertsStream], env.Schemas[prog.AlertsStream] = alerts.Doc, alerts.Schema
	return alerts, conflicts
}

// pathOf writes a circle of rules: a -> b -> a.
func pathOf(circle []*link) string {
	var names []string
	for _, l := range circle {
		names = append(names, l.doc.Name)
	}
	return strings.Join(names, " -> ")
}

// circular is the problem of the rules of a circle, at the place where the
// given one reads alerts.
func circular(d *syntax.Rule, circle []*link) syntax.Problem {
	at := alertsUse(d)
	return syntax.Problem{Line: at.pos.Line, Col: at.pos.Col, Pointer: at.pointer,
		Detail: "rules read each other's alerts in a circle: " + pathOf(circle),
		Hint:   fmt.Sprintf("say in where whose alerts the step takes: rule == %q", "NAME")}
}

// alertsUse is the first place where a rule names the stream of alerts; the
// zero use where it does not.
func alertsUse(d *syntax.Rule) use {
	for _, u := range usesOf(d) {
		if u.stream == prog.AlertsStream {
			return u
		}
	}
	return use{}
}

// Upstream lists the rules of the set whose alerts a rule reads, directly or
// by way of others.
func (s *Set) Upstream(r *Rule) []*Rule {
	var found []*Rule
	var visit func(r *Rule)
	visit = func(r *Rule) {
		if r.Prog.Upstream == nil {
			return
		}
		for _, other := range s.Rules {
			if r.Prog.Upstream.Reads(other.Doc) && !slices.Contains(found, other) {
				found = append(found, other)
				visit(other)
			}
		}
	}
	visit(r)
	return found
}

// misplacedReader lists why a rule over alerts cannot run live: an alert stays in
// the task that raised it, so its key must be what the task's partition is of,
// and all rules that are read must run in the tasks of one input.
func misplacedReader(r *Rule, set *Set) []syntax.Problem {
	var found []syntax.Problem
	refuse := func(pos syntax.Pos, pointer, format string, args ...any) {
		found = append(found, syntax.Problem{Line: pos.Line, Col: pos.Col, Pointer: pointer, Detail: fmt.Sprintf(format, args...),
			Hint: "it can be checked and matched over files"})
	}
	own := alertsUse(r.Doc)
	for _, u := range usesOf(r.Doc) {
		if u.stream != prog.AlertsStream {
			refuse(u.pos, u.pointer, "a live %s over alerts and a stream (%s) is not supported yet", r.kind(), u.stream)
			break
		}
	}
	key := r.Doc.Key
	if own.key != nil {
		key = *own.key
	}
	if !slices.Equal(key.Fields, []string{"key"}) {
		refuse(key.Pos, "/key", "a live %s over alerts with key %v is not supported yet: alerts lie where their own key is, as `key: key` says", r.kind(), key.Fields)
	}
	first := ""
	for _, up := range set.Upstream(r) {
		if up.Prog.Upstream != nil {
			continue
		}
		switch input := set.ownPath(up).Input; {
		case first == "":
			first = input
		case input != first:
			refuse(own.pos, own.pointer, "a live %s over the alerts of rules on several inputs (%s and %s, by rule %s) is not supported yet", r.kind(), first, input, up.Doc.Name)
			return found
		}
	}
	return found
}

// beside returns the set as it would be with a rule added or replaced.
func (s *Set) beside(r *Rule) *Set {
	next := *s
	next.Rules = slices.DeleteFunc(slices.Clone(s.Rules), func(was *Rule) bool { return was.Doc.Name == r.Doc.Name })
	next.Rules = append(next.Rules, r)
	next.sort()
	return &next
}

// displaced lists why a live rule over alerts could not go on beside a rule:
// the rule's alerts are read, and come from elsewhere.
func displaced(r *Rule, set *Set) []syntax.Problem {
	var found []syntax.Problem
	for _, reader := range set.runs() {
		if reader == r || !slices.Contains(set.Upstream(reader), r) {
			continue
		}
		for _, p := range misplacedReader(reader, set) {
			found = append(found, syntax.Problem{Line: r.Doc.Pos.Line, Col: r.Doc.Pos.Col, Pointer: "/name",
				Detail: fmt.Sprintf("the live %s %s reads the alerts of this one: %s", reader.kind(), reader.Doc.Name, p.Detail),
				Hint:   "let it say whose alerts it takes, as in where: rule == \"NAME\""})
		}
	}
	return found
}

// unneeded refuses to end a rule whose measures others read.
func (s *Set) unneeded(name string) error {
	if users, views := s.brokenWithout(name); len(users)+len(views) > 0 {
		return &InUseError{Rule: name, Rules: users, Views: views}
	}
	return nil
}

// brokenWithout names the live rules and views that read measures of a rule and
// could not go on without it.
func (s *Set) brokenWithout(name string) (broken, views []string) {
	next := *s
	next.Rules = slices.DeleteFunc(slices.Clone(s.Rules), func(r *Rule) bool { return r.Doc.Name == name })
	next.Shadows = slices.DeleteFunc(slices.Clone(s.Shadows), func(r *Rule) bool { return r.Doc.Name == name })
	tied := &chain{}
	for _, r := range next.AtWork() {
		link := tied.adder(r.State)
		if r.Prog.Upstream == nil {
			link(r.Doc, r.Prog, nil)
			continue
		}
		link(r.Doc, nil, func(env *prog.Env, final bool) *prog.Rule {
			p, _ := prog.Compile(r.Doc, env)
			if p == nil && final {
				broken = append(broken, r.Doc.Name)
			}
			return p
		})
	}
	for _, v := range next.Views {
		if v.Prog.Rule.Upstream == nil {
			continue
		}
		tied.addView(v.Doc, func(env *prog.Env, final bool) *prog.Rule {
			p, _ := prog.CompileView(v.Doc, env)
			if p == nil && final {
				views = append(views, v.Doc.Name)
			}
			return nil
		})
	}
	tied.tie()
	if readers, circles := tied.order(); len(readers) > 0 && len(circles) == 0 {
		tied.compileReaders(readers, next.env())
	}
	return broken, views
}
