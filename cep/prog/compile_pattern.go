package prog

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// Bounds of one automaton; language §3 refuses more positions before.
const (
	edgesMax = 256 // a position
	loopsMax = 64
)

// pattern compiles a pattern rule.
func (c *compiler) pattern() {
	b := &builder{}
	root := b.tree(c.doc.Pattern)
	if len(b.loops) > loopsMax {
		c.errorf(c.doc.PatternText.Pos, "/pattern", "use fewer quantified groups", "the pattern repeats %d terms; the limit is %d", len(b.loops), loopsMax)
		return
	}
	start, follow := b.build(root)
	for _, edges := range append(follow, start) {
		if len(edges) > edgesMax {
			c.errorf(c.doc.PatternText.Pos, "/pattern", "use fewer optional or alternative parts", "one step can be followed in %d ways; the limit is %d", len(edges), edgesMax)
			return
		}
	}
	p := &Pattern{}
	c.rule.Pattern = p
	c.counts = countsOf(c.doc.Pattern)
	c.preds = make(map[string]int)
	c.steps(b)
	if c.failed() {
		c.inspect()
		return
	}
	for _, l := range b.loops {
		p.Loops = append(p.Loops, Loop{Min: l.quant.Min, Max: l.quant.Max, Counted: l.quant.Max != syntax.Unbounded || l.quant.Min > 1})
		p.Links = p.Links || !l.single
	}
	r := &resolver{c: c, b: b, p: p, before: reach(follow), prior: prior(follow), peers: peersOf(c.doc.Pattern)}
	r.resolve(start, follow)
	c.deadlines()
	sc := c.scope(nil, c.allSteps(), nil)
	sc.At = true
	sc.Aggs = &c.aggs
	for i := range sc.Steps {
		sc.Steps[i].Count.Least = c.counts[sc.Steps[i].Name].Least // the match is whole
	}
	c.having(sc)
	sc.Aggs = nil // measures and summary use what is kept
	c.texts(sc)
	p.Aggs = c.aggs.List
	if !c.failed() {
		p.classify(c.rule)
	}
}

// deadlines refuses a way to the end whose absence nothing ends.
func (c *compiler) deadlines() {
	for _, edges := range c.rule.Pattern.Follow {
		for _, e := range edges {
			if e.Kind == AcceptDeadline && e.Gap == 0 && c.rule.Within == 0 {
				step := c.rule.Pattern.Preds[e.Between[len(e.Between)-1]].Name
				c.errorf(c.absencePos(step), "/pattern", "give the rule `within`, or step "+step+" a gap", "`!%s` at the end has no deadline", step)
			}
		}
	}
}

func (c *compiler) absencePos(step string) (pos syntax.Pos) {
	c.doc.Pattern.Walk(func(n *syntax.Node) bool {
		if n.Op == syntax.OpNot && n.Name == step {
			pos = n.Pos
		}
		return true
	})
	return pos
}

// steps lists the steps that events take, in the order of the text, and keys
// every step's stream.
func (c *compiler) steps(b *builder) {
	p := c.rule.Pattern
	many := manySteps(c.doc.Pattern)
	c.doc.Pattern.Walk(func(n *syntax.Node) bool {
		if n.Op == syntax.OpStep && c.stepIndex(n.Name) < 0 {
			stream, role := c.locate(n.Name)
			p.Steps = append(p.Steps, Step{Name: n.Name, Stream: stream, Role: role, Many: many[n.Name], Gap: c.step(n.Name).Gap.Microseconds()})
		}
		return true
	})
	for _, s := range c.doc.Steps {
		c.locate(s.Name)
		if i := c.streamIndex(s.Stream); c.rule.Streams[i].Index(s.Name) >= 0 {
			c.errorf(s.Pos, "/steps/"+s.Name, "rename the step, or the field with path:", "step %s has the name of a field of its stream %s", s.Name, s.Stream)
		}
	}
}

func (c *compiler) stepIndex(name string) int {
	return slices.IndexFunc(c.rule.Pattern.Steps, func(s Step) bool { return s.Name == name })
}

func (c *compiler) step(name string) *syntax.Step {
	for _, s := range c.doc.Steps {
		if s.Name == name {
			return s
		}
	}
	return &syntax.Step{Name: name}
}

// locate returns a step's stream and role.
func (c *compiler) locate(name string) (stream, role int) {
	s := c.step(name)
	stream = c.streamIndex(s.Stream)
	if stream < 0 {
		return -1, -1
	}
	if s.Key != nil {
		return stream, c.role(stream, s.Key, "/steps/"+name+"/key", "name a field of that stream")
	}
	key := c.doc.Key
	if len(key.Fields) > 0 && c.rule.Streams[stream].Index(key.Fields[0]) < 0 {
		key.Pos = s.Pos
	}
	return stream, c.role(stream, &key, "/steps/"+name, fmt.Sprintf("give step %s its own key: FIELD", name))
}

// manySteps finds the steps that are lists in expressions: with a quantifier
// on them or on a group around them, or in a branch of "|".
func manySteps(root *syntax.Node) map[string]bool {
	many := make(map[string]bool)
	var visit func(n *syntax.Node, in bool)
	visit = func(n *syntax.Node, in bool) {
		in = in || n.Quant != nil || n.Op == syntax.OpAlt
		if n.Op == syntax.OpStep && in {
			many[n.Name] = true
		}
		for _, s := range n.Sub {
			visit(s, in)
		}
	}
	visit(root, false)
	return many
}

// countsOf bounds how many events each step has in a whole match.
func countsOf(root *syntax.Node) map[string]expr.Count {
	counts := make(map[string]expr.Count)
	var visit func(n *syntax.Node, c expr.Count)
	visit = func(n *syntax.Node, c expr.Count) {
		if q := n.Quant; q != nil {
			c.Least *= q.Min
			if c.Most *= q.Max; q.Max == syntax.Unbounded {
				c.Most = 0
			}
		}
		if n.Op == syntax.OpAlt {
			c.Least = 0
		}
		if n.Op == syntax.OpStep {
			counts[n.Name] = c
		}
		for _, s := range n.Sub {
			visit(s, c)
		}
	}
	visit(root, expr.Count{Least: 1, Most: 1})
	return counts
}

func (c *compiler) allSteps() map[int]bool {
	all := make(map[int]bool)
	for i := range c.rule.Pattern.Steps {
		all[i] = true
	}
	return all
}

// scope makes the names visible to a condition: the event's own fields, the
// steps that may be bound, and those forced to lists.
func (c *compiler) scope(schema *event.Schema, visible map[int]bool, peers map[string]bool) *expr.Scope {
	sc := &expr.Scope{Event: schema, Lists: c.env.Lists, Profiles: c.profiles(), Outside: &c.rule.Outside, CostLists: c.doc.Limits.Evidence, Hidden: make(map[string]string)}
	for i, s := range c.rule.Pattern.Steps {
		if !visible[i] {
			sc.Hidden[s.Name] = "step " + s.Name + " is matched only later"
			continue
		}
		sc.Steps = append(sc.Steps, expr.Step{Name: s.Name, Index: i, Schema: c.rule.Streams[s.Stream], Many: s.Many || peers[s.Name],
			Count: expr.Count{Most: c.counts[s.Name].Most}})
	}
	for _, s := range c.doc.Steps {
		if c.stepIndex(s.Name) < 0 {
			sc.Hidden[s.Name] = "step " + s.Name + " is never part of a match"
		}
	}
	return sc
}

// classify notes what the evaluators and the dump ask of the whole pattern.
func (p *Pattern) classify(r *Rule) {
	for _, edges := range append(slices.Clone(p.Follow), p.Start) {
		for _, e := range edges {
			p.Adjacent = p.Adjacent || len(e.Next) > 0 || e.Kind == AcceptNext || (e.Kind == Take && e.Join == syntax.Strict)
			p.Trailing = p.Trailing || e.Kind == AcceptDeadline
		}
	}
	p.Why = p.statefulBecause(r)
	p.Stateful = p.Why != ""
}

func (p *Pattern) statefulBecause(r *Rule) string {
	for _, pred := range p.Preds {
		if !pred.Unary {
			return "the condition of " + pred.Name + " reads other events of the match"
		}
		if pred.Cond != nil && pred.Cond.Reads.Outside {
			return "the condition of " + pred.Name + " reads what changes with time, a list or a profile"
		}
	}
	for _, pos := range p.Positions {
		if pos.Gap > 0 {
			return "step " + p.Steps[pos.Step].Name + " has a gap"
		}
	}
	switch {
	case p.Trailing:
		return "it ends with an absence"
	case r.Having != nil:
		return "it has a having"
	case !r.First:
		return "emit: all asks for every match"
	case p.Links:
		return "it repeats a group"
	case len(p.Leads) > 0:
		return "it begins with an absence"
	}
	return ""
}
