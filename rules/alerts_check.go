package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// addRunning adds the rules of the running set that the documents leave as
// they are: whose alerts the new ones read, and who reads theirs.
func (c *checker) addRunning(tied *chain, base *Set) {
	if base == nil {
		return
	}
	for _, r := range base.AtWork() {
		if _, own := c.seen[nameOf{KindRule.title(), r.Doc.Name}]; own {
			continue
		}
		link := tied.adder(r.State)
		if r.Prog.Upstream == nil {
			link(r.Doc, r.Prog, nil)
			continue
		}
		link(r.Doc, nil, func(env *prog.Env, final bool) *prog.Rule {
			p, problems := prog.Compile(r.Doc, env)
			if p == nil && final {
				c.reportBroken(r, problems[0])
			}
			return p
		})
	}
	for _, v := range base.Views {
		if _, own := c.seen[nameOf{KindView.title(), v.Doc.Name}]; own || v.Prog.Rule.Upstream == nil {
			continue
		}
		tied.addView(v.Doc, func(env *prog.Env, final bool) *prog.Rule {
			if _, problems := prog.CompileView(v.Doc, env); syntax.Failed(problems) && final {
				c.reportBroken(v.rule(), problems[0])
			}
			return nil
		})
	}
}

// reportBroken reports a running rule that could not go on beside the new
// documents, at the first of them whose alerts it reads.
func (c *checker) reportBroken(r *Rule, why syntax.Problem) {
	for _, own := range c.rules {
		if r.Prog.Upstream.Reads(own.doc) {
			c.report(own.file, syntax.Problem{Line: own.doc.Pos.Line, Col: own.doc.Pos.Col, Pointer: "/alert/measures",
				Detail: fmt.Sprintf("%s %s reads the alerts of this one, and could not go on: %s", r.kind(), r.Doc.Name, why.Detail),
				Hint:   "keep the measures that it reads, of the same types"})
			return
		}
	}
}

// reportCircle reports a circle at the first of its rules that is written
// here.
func (c *checker) reportCircle(circle []*link) {
	for _, l := range circle {
		at := slices.IndexFunc(c.rules, func(r sourced) bool { return r.doc == l.doc })
		if at >= 0 {
			c.report(c.rules[at].file, circular(l.doc, circle))
			return
		}
	}
}

// explainConflicts says of an unknown field of alerts why it is none.
func (c *checker) explainConflicts(_ *Stream, conflicts map[string]string) {
	for name, why := range conflicts {
		for i := range c.problems {
			if p := &c.problems[i]; strings.Contains(p.Detail, strconv.Quote(name)) {
				p.Hint = "the stream alerts has a measure only where all rules give it one type: " + why
			}
		}
	}
}
