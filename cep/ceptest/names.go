package ceptest

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A naming is what language §2 says of the names in a rule's conditions: which
// steps a condition sees, as records or as lists, and what `prev` has.
type naming struct {
	many    map[string]bool            // a quantifier on it or around it, or in a branch
	before  map[string]map[string]bool // what may be bound when the condition is asked
	prev    map[string]map[string]bool // what may be the event before
	sibling map[[2]string]bool         // terms of one "&" see each other as lists
}

// A bound is what may be bound at one point of the pattern.
type bound struct {
	before map[string]bool
	last   map[string]bool // steps that may hold the last event
}

func nameSteps(pattern *syntax.Node) *naming {
	n := &naming{many: map[string]bool{}, before: map[string]map[string]bool{}, prev: map[string]map[string]bool{}, sibling: map[[2]string]bool{}}
	n.walk(pattern, bound{}, false)
	return n
}

// walk visits node from what is bound before it and returns what is bound
// after it.
func (n *naming) walk(node *syntax.Node, in bound, many bool) bound {
	switch node.Op {
	case syntax.OpStep, syntax.OpGroup:
		return n.walkTerm(node, in, many || node.Quant != nil)
	case syntax.OpNot:
		n.see(node.Name, in)
		return in
	case syntax.OpAlt:
		var out bound
		for _, sub := range node.Sub {
			out = union(out, n.walk(sub, in, true))
		}
		return out
	case syntax.OpAnd:
		return n.walkTerms(node, in, many)
	}
	for _, sub := range node.Sub {
		in = n.walk(sub, in, many)
	}
	return in
}

func (n *naming) walkTerm(node *syntax.Node, in bound, many bool) bound {
	q := quantOf(node)
	out := n.walkOnce(node, in, many)
	if q.Max != 1 {
		out = union(out, n.walkOnce(node, bound{out.before, merge(in.last, out.last)}, many))
	}
	if q.Until != "" {
		n.see(q.Until, union(in, out))
	}
	if q.Min == 0 {
		out = union(in, out)
	}
	return out
}

func (n *naming) walkOnce(node *syntax.Node, in bound, many bool) bound {
	if node.Op == syntax.OpGroup {
		return n.walk(node.Sub[0], in, many)
	}
	n.many[node.Name] = many
	n.see(node.Name, in)
	return bound{merge(in.before, map[string]bool{node.Name: true}), map[string]bool{node.Name: true}}
}

func (n *naming) walkTerms(node *syntax.Node, in bound, many bool) bound {
	out := in
	for _, sub := range node.Sub {
		out = union(out, n.walk(sub, in, many))
	}
	after := bound{before: out.before}
	for i, sub := range node.Sub {
		others := in
		for j, other := range node.Sub {
			if i == j {
				continue
			}
			others = union(others, n.walk(other, in, many))
			for _, a := range allNames(sub, nil) {
				for _, b := range evidenceNames(other, nil) {
					n.sibling[[2]string{a, b}] = true
				}
			}
		}
		after.last = merge(after.last, n.walk(sub, others, many).last)
	}
	return after
}

func (n *naming) see(name string, in bound) {
	n.before[name] = merge(n.before[name], in.before)
	n.prev[name] = merge(n.prev[name], in.last)
}

func union(a, b bound) bound { return bound{merge(a.before, b.before), merge(a.last, b.last)} }

func merge(a, b map[string]bool) map[string]bool {
	m := map[string]bool{}
	for k := range a {
		m[k] = true
	}
	for k := range b {
		m[k] = true
	}
	return m
}

// allNames appends every step that a pattern names, negated and until ones
// included.
func allNames(n *syntax.Node, to []string) []string {
	if n.Name != "" {
		to = append(to, n.Name)
	}
	if n.Quant != nil && n.Quant.Until != "" {
		to = append(to, n.Quant.Until)
	}
	for _, sub := range n.Sub {
		to = allNames(sub, to)
	}
	return to
}

func quantOf(n *syntax.Node) syntax.Quant {
	if n.Quant == nil {
		return syntax.Quant{Min: 1, Max: 1}
	}
	return *n.Quant
}

func (o *Oracle) compilePattern() error {
	o.names = nameSteps(o.rule.Pattern)
	for i, s := range o.steps {
		text := whereOf(o.rule, s.name)
		if text == nil {
			s.alone = true
			continue
		}
		p, err := compile(text.Src, event.Bool, o.scopeOf(i))
		if err != nil {
			return fmt.Errorf("step %s: %w", s.name, err)
		}
		s.where, s.alone = p, len(p.Reads.Steps) == 0 && !p.Reads.Prev
	}
	return o.compileTexts(&expr.Scope{Steps: o.visible("", nil), At: true, Lists: o.lists, Profiles: o.decls, Outside: &o.outside, CostLists: o.rule.Limits.Evidence})
}

func whereOf(rule *syntax.Rule, name string) *syntax.Text {
	for _, s := range rule.Steps {
		if s.Name == name {
			return s.Where
		}
	}
	return nil
}

// compileTexts compiles having and the measures, which see the same names.
func (o *Oracle) compileTexts(sc *expr.Scope) error {
	var err error
	if o.rule.Having != nil {
		if o.having, err = compile(o.rule.Having.Src, event.Bool, sc); err != nil {
			return fmt.Errorf("having: %w", err)
		}
	}
	for _, m := range o.rule.Alert.Measures {
		p, err := compile(m.Text.Src, event.Invalid, sc)
		if err != nil {
			return fmt.Errorf("measure %s: %w", m.Name, err)
		}
		o.measures = append(o.measures, measure{m.Name, p})
	}
	return o.compileSummary(sc)
}

func compile(src string, want event.Type, sc *expr.Scope) (*expr.Program, error) {
	p, errs := expr.Compile(src, want, sc)
	if len(errs) > 0 {
		return nil, fmt.Errorf("%q at byte %d: %s", src, errs[0].Offset, errs[0].Detail)
	}
	return p, nil
}

func (o *Oracle) scopeOf(i int) *expr.Scope {
	s := o.steps[i]
	seen := o.names.before[s.name]
	if !o.names.many[s.name] {
		delete(seen, s.name)
	}
	return &expr.Scope{Event: s.schema, Steps: o.visible(s.name, seen), Prev: o.prevFields(s.name), Lists: o.lists, Profiles: o.decls, Outside: &o.outside, CostLists: o.rule.Limits.Evidence}
}

// visible lists the steps that the condition of one step sees; with "" those
// that having and measures see.
func (o *Oracle) visible(by string, seen map[string]bool) []expr.Step {
	var steps []expr.Step
	for i, s := range o.steps[:o.evidence] {
		if by == "" || seen[s.name] {
			many := o.names.many[s.name] || o.names.sibling[[2]string{by, s.name}]
			steps = append(steps, expr.Step{Name: s.name, Index: i, Schema: s.schema, Many: many})
		}
	}
	return steps
}

// prevFields are the fields that every step which can come before has with one
// type; nil when no step can.
func (o *Oracle) prevFields(name string) []event.Field {
	var fields []event.Field
	first := true
	for _, s := range o.steps[:o.evidence] {
		if !o.names.prev[name][s.name] {
			continue
		}
		if first {
			fields, first = slices.Clone(s.schema.Fields), false
			continue
		}
		fields = slices.DeleteFunc(fields, func(f event.Field) bool {
			at := s.schema.Index(f.Name)
			return at < 0 || s.schema.Fields[at].Type != f.Type || s.schema.Fields[at].Scale != f.Scale
		})
	}
	return fields
}
