package prog

import (
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// Inspect looks over a pattern rule whose text has problems already, so that
// an author sees those of its streams and conditions in the same run. It says
// nothing where the text's problems leave the meaning open: every step of the
// pattern is taken as visible.
func Inspect(doc *syntax.Rule, env *Env) []syntax.Problem {
	if doc.Pattern == nil {
		return nil
	}
	c := &compiler{doc: doc, env: env, rule: &Rule{}}
	c.streams()
	if c.failed() {
		return c.problems
	}
	steps := c.inspected()
	for _, s := range doc.Steps {
		schema := env.Schemas[s.Stream]
		if schema == nil || s.Where == nil {
			continue
		}
		sc := &expr.Scope{Event: schema, Steps: steps, Prev: schema.Fields, Lists: env.Lists, Profiles: c.profiles(), CostLists: doc.Limits.Evidence}
		_, errs := expr.Compile(s.Where.Src, event.Bool, sc)
		c.exprErrors(s.Where, errs)
	}
	return c.problems
}

// inspected lists the steps of the pattern as conditions see them.
func (c *compiler) inspected() (steps []expr.Step) {
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
