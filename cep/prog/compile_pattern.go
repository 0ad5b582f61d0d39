package prog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

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
	root := b.tree(c.doc.Pattern, nil)
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
	c.preds = make(map[string]int)
	c.steps(b)
	if c.failed() {
		return
	}
	for _, l := range b.loops {
		p.Loops = append(p.Loops, Loop{Min: l.quant.Min, Max: l.quant.Max, Counted: l.quant.Max != syntax.Unbounded || l.quant.Min > 1})
		p.Links = p.Links || !l.single
	}
	r := &resolver{c: c, b: b, p: p, before: reach(follow), prior: prior(follow)}
	r.resolve(start, follow)
	sc := c.scope(nil, c.allSteps(), nil)
	sc.At = true
	c.having(sc)
	c.texts(sc)
	if !c.failed() {
		p.classify(c.rule)
	}
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
	sc := &expr.Scope{Event: schema, CostLists: c.doc.Limits.Evidence, Hidden: make(map[string]string)}
	for i, s := range c.rule.Pattern.Steps {
		if !visible[i] {
			sc.Hidden[s.Name] = "step " + s.Name + " is matched only later"
			continue
		}
		sc.Steps = append(sc.Steps, expr.Step{Name: s.Name, Index: i, Schema: c.rule.Streams[s.Stream], Many: s.Many || peers[s.Name]})
	}
	for _, s := range c.doc.Steps {
		if c.stepIndex(s.Name) < 0 {
			sc.Hidden[s.Name] = "step " + s.Name + " is never part of a match"
		}
	}
	return sc
}

// A resolver turns drafts into edges: it compiles each condition in the scope
// of the place where it is asked.
type resolver struct {
	c      *compiler
	b      *builder
	p      *Pattern
	before [][]bool // before[q][p]: p may come before q
	prior  [][]int  // prior[q]: the leaves that may come directly before q
}

func (r *resolver) resolve(start []draft, follow [][]draft) {
	for q, l := range r.b.leaves {
		r.p.Positions = append(r.p.Positions, Position{
			Step: r.c.stepIndex(l.step),
			Pred: r.pred(l.step, r.visibleTo(q), l.peers, r.prior[q]),
			Gap:  r.c.step(l.step).Gap.Microseconds(),
		})
	}
	r.p.Start = r.edges(start, -1)
	for q := range follow {
		r.p.Follow = append(r.p.Follow, r.edges(follow[q], q))
	}
}

// visibleTo lists the steps that the condition of leaf q may read: those
// bound before, and the other terms of its conjunction.
func (r *resolver) visibleTo(q int) map[int]bool {
	set := r.visibleAt(q)
	for s := range r.b.leaves[q].peers {
		set[r.c.stepIndex(s)] = true
	}
	return set
}

// visibleAt lists the steps that may be bound before leaf q.
func (r *resolver) visibleAt(q int) map[int]bool {
	set := make(map[int]bool)
	for p, ok := range r.before[q] {
		if ok {
			set[r.c.stepIndex(r.b.leaves[p].step)] = true
		}
	}
	return set
}

// pred returns the index of a step's condition compiled in one scope.
func (r *resolver) pred(step string, visible map[int]bool, peers map[string]bool, prior []int) int {
	c, s := r.c, r.c.step(step)
	stream, role := c.locate(step)
	if stream < 0 {
		return -1
	}
	sc := c.scope(c.rule.Streams[stream], visible, peers)
	sc.Prev = r.prevFields(prior)
	id := signature(step, sc)
	if i, ok := c.preds[id]; ok {
		return i
	}
	pred := Pred{Name: step, Stream: stream, Role: role, Unary: true}
	if s.Where != nil {
		cond, errs := expr.Compile(s.Where.Src, event.Bool, sc)
		c.exprErrors(s.Where, errs)
		if cond != nil {
			pred.Cond, pred.Unary = cond, len(cond.Reads.Steps) == 0 && !cond.Reads.Prev
		}
	}
	r.p.Preds = append(r.p.Preds, pred)
	c.preds[id] = len(r.p.Preds) - 1
	if pred.Unary { // whatever is visible, it is the same condition
		return r.sameUnary(len(r.p.Preds) - 1)
	}
	return len(r.p.Preds) - 1
}

// sameUnary merges a condition that reads no step with an earlier one of the
// same step.
func (r *resolver) sameUnary(i int) int {
	for j, p := range r.p.Preds[:i] {
		if p.Unary && p.Name == r.p.Preds[i].Name {
			r.p.Preds = r.p.Preds[:i]
			for id, k := range r.c.preds {
				if k == i {
					r.c.preds[id] = j
				}
			}
			return j
		}
	}
	return i
}

func signature(step string, sc *expr.Scope) string {
	var s strings.Builder
	s.WriteString(step)
	for _, v := range sc.Steps {
		fmt.Fprintf(&s, "|%d%v", v.Index, v.Many)
	}
	for _, f := range sc.Prev {
		s.WriteString("<" + f.Name)
	}
	return s.String()
}

// prevFields are the fields that all the leaves have with one type.
func (r *resolver) prevFields(prior []int) []event.Field {
	var fields []event.Field
	for n, p := range prior {
		schema := r.c.rule.Streams[r.p.Steps[r.c.stepIndex(r.b.leaves[p].step)].Stream]
		if n == 0 {
			fields = slices.Clone(schema.Fields)
			continue
		}
		fields = slices.DeleteFunc(fields, func(f event.Field) bool {
			i := schema.Index(f.Name)
			return i < 0 || schema.Fields[i].Type != f.Type
		})
	}
	return fields
}

// edges resolves the drafts that leave leaf from (-1: the start).
func (r *resolver) edges(drafts []draft, from int) []Edge {
	out := make([]Edge, 0, len(drafts))
	for i := range drafts {
		out = append(out, r.edge(&drafts[i], from))
	}
	return out
}

func (r *resolver) edge(d *draft, from int) Edge {
	e := Edge{Kind: d.kind, To: d.to, Join: d.join, Again: d.again, Guards: d.guards, Enter: d.enter, Cross: d.cross}
	visible, prior := map[int]bool{}, []int(nil)
	if from >= 0 {
		visible, prior = r.visibleAt(from), []int{from}
		visible[r.c.stepIndex(r.b.leaves[from].step)] = true
	}
	at := func(step string) int { return r.pred(step, visible, nil, prior) }
	for _, s := range d.lead {
		e.Leads = append(e.Leads, r.lead(s))
	}
	for _, n := range d.nots {
		r.absence(&e, n, at(n.step))
	}
	ends := func(step string) int { return r.pred(step, r.withBody(visible, step), nil, prior) }
	for _, u := range d.until {
		e.Until = append(e.Until, ends(u))
	}
	for _, u := range d.stop {
		e.Stop = append(e.Stop, ends(u))
	}
	for _, g := range d.greedy {
		gr := Greedy{Pred: r.p.Positions[g.leaf].Pred, Until: -1, Loop: g.loop}
		if g.until != "" {
			gr.Until = ends(g.until)
		}
		e.Greedy = append(e.Greedy, gr)
	}
	return e
}

// withBody adds the steps of the loops that `until step` ends: their events so
// far are visible to its condition, none before the first iteration.
func (r *resolver) withBody(visible map[int]bool, step string) map[int]bool {
	all := maps.Clone(visible)
	for _, l := range r.b.leaves {
		for _, i := range l.loops {
			if r.b.loops[i].quant.Until == step {
				all[r.c.stepIndex(l.step)] = true
			}
		}
	}
	return all
}

func (r *resolver) absence(e *Edge, n absence, pred int) {
	switch gap := r.c.step(n.step).Gap.Microseconds(); {
	case e.Kind == AcceptDeadline && gap > 0 && (e.Gap == 0 || gap < e.Gap):
		e.Gap = gap
	}
	switch {
	case n.next:
		e.Next = append(e.Next, NextNot{Pred: pred, Loop: n.after})
	case n.after == within:
		e.Through = append(e.Through, pred)
	default:
		e.Between = append(e.Between, pred)
	}
}

func (r *resolver) lead(step string) int {
	span := r.c.step(step).Gap.Microseconds()
	if span == 0 {
		span = r.c.rule.Within
	}
	l := Lead{Pred: r.pred(step, nil, nil, nil), Span: span}
	if i := slices.Index(r.p.Leads, l); i >= 0 {
		return i
	}
	r.p.Leads = append(r.p.Leads, l)
	return len(r.p.Leads) - 1
}

// reach computes which leaves may come before each leaf.
func reach(follow [][]draft) [][]bool {
	n := len(follow)
	before := make([][]bool, n)
	for q := range before {
		before[q] = make([]bool, n)
	}
	var visit func(from, p int)
	visit = func(from, p int) {
		for _, d := range follow[p] {
			if d.kind == Take && !before[d.to][from] {
				before[d.to][from] = true
				visit(from, d.to)
			}
		}
	}
	for p := range follow {
		visit(p, p)
	}
	return before
}

// prior computes which leaves may come directly before each leaf.
func prior(follow [][]draft) [][]int {
	out := make([][]int, len(follow))
	for p, edges := range follow {
		for _, d := range edges {
			if d.kind == Take && !slices.Contains(out[d.to], p) {
				out[d.to] = append(out[d.to], p)
			}
		}
	}
	return out
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
