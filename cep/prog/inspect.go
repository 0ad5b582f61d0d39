package prog

import (
	"regexp"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// Inspect looks over a pattern rule whose text has problems already, so that
// an author sees those of its streams and conditions in the same run. It says
// nothing where the text's problems leave the meaning open: every step of the
// pattern is taken as visible.
func Inspect(doc *syntax.Rule, env *Env) []syntax.Problem {
	if doc.Window != nil {
		return nil
	}
	c := &compiler{doc: doc, env: env, rule: &Rule{}}
	c.streams()
	c.inspect()
	return c.problems
}

// inspect reports what is wrong with the conditions of a rule that cannot be
// compiled. Those that read a step of which nothing is known are passed over.
func (c *compiler) inspect() {
	steps := c.inspected()
	for _, s := range c.doc.Steps {
		schema := c.env.Schemas[s.Stream]
		if schema == nil || s.Where == nil || c.readsOthers(s.Where.Src, steps) {
			continue
		}
		sc := &expr.Scope{Event: schema, Steps: steps, Prev: schema.Fields, Lists: c.env.Lists, Profiles: c.profiles(), CostLists: c.doc.Limits.Evidence}
		_, errs := expr.Compile(s.Where.Src, event.Bool, sc)
		c.exprErrors(s.Where, errs)
	}
}

var words = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)

// readsOthers reports whether a condition has the name of a step that is not
// among those listed.
func (c *compiler) readsOthers(src string, listed []expr.Step) bool {
	return slices.ContainsFunc(words.FindAllString(src, -1), func(word string) bool {
		return slices.ContainsFunc(c.doc.Steps, func(s *syntax.Step) bool { return s.Name == word }) &&
			!slices.ContainsFunc(listed, func(s expr.Step) bool { return s.Name == word })
	})
}

// inspected lists the steps of the pattern as conditions see them; none when
// the pattern could not be read.
func (c *compiler) inspected() (steps []expr.Step) {
	if c.doc.Pattern == nil {
		return nil
	}
	many, listed := manySteps(c.doc.Pattern), map[string]bool{}
	c.doc.Pattern.Walk(func(n *syntax.Node) bool {
		schema := c.env.Schemas[c.step(n.Name).Stream]
		if n.Op == syntax.OpStep && schema != nil && !listed[n.Name] {
			listed[n.Name] = true
			steps = append(steps, expr.Step{Name: n.Name, Index: len(steps), Schema: schema, Many: many[n.Name]})
		}
		return true
	})
	return steps
}
