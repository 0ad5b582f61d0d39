package syntax

import (
	"fmt"
	"slices"
)

// Bounds of language §3 on a pattern.
const (
	MaxPositions   = 64
	MaxLoop        = 1000
	MaxLoopProduct = 10_000
)

// Check refuses what is wrong with a rule beyond its single keys and needs no
// types: the structure of the pattern and what steps, gaps, skips and limits
// say about it (language §3). Parse calls it; so may whoever builds a rule by
// hand. The problems have neither file nor source line.
func Check(d *Rule) []Problem {
	c := &checker{rule: d, roles: map[string]*roles{}}
	if d.Window != nil {
		c.windowTiming()
	}
	if d.Pattern == nil {
		return c.problems
	}
	c.shape(d.Pattern)
	c.bounds(d.Pattern)
	c.steps()
	c.gaps()
	c.afterMatch()
	c.absences()
	c.anyLimits(d.Pattern)
	Sort(c.problems)
	return c.problems
}

// Saved refuses what may be checked, tested and matched but not saved: a
// pattern without `within`, whose runs would never end.
func Saved(d *Rule) []Problem {
	if d.Pattern == nil || d.Within > 0 {
		return nil
	}
	return []Problem{problemAt(d.PatternText.Pos, "/pattern", "a pattern that is saved needs `within`: without it unfinished matches never end",
		"add the time from the first to the last event of a match: within: 10m")}
}

// A checker collects the problems of one rule.
type checker struct {
	rule     *Rule
	roles    map[string]*roles
	problems []Problem
	trailing []*Node // the absences that a deadline ends
	leading  []*Node
}

// roles says how the pattern uses one step.
type roles struct {
	matched   *Node // its first place as an event of the match
	mayFollow bool  // an event of the match can come before it
	leading   bool
	trailing  bool
	between   bool // an absence with events on both sides, or `, !x` at the end
	until     bool
}

func (c *checker) refuse(at Pos, pointer, detail, hint string) {
	c.problems = append(c.problems, problemAt(at, pointer, detail, hint))
}

func (c *checker) warn(at Pos, pointer, detail, hint string) {
	p := problemAt(at, pointer, detail, hint)
	p.Warning = true
	c.problems = append(c.problems, p)
}

func (c *checker) inPattern(at Pos, detail, hint string) { c.refuse(at, "/pattern", detail, hint) }

func (c *checker) role(name string) *roles {
	if c.roles[name] == nil {
		c.roles[name] = &roles{}
	}
	return c.roles[name]
}

// steps compares the steps that are named with those that are defined.
func (c *checker) steps() {
	var names []string
	for _, s := range c.rule.Steps {
		names = append(names, s.Name)
		if c.roles[s.Name] == nil {
			c.refuse(s.Pos, "/steps/"+s.Name, fmt.Sprintf("step `%s` is defined but not used in the pattern", s.Name), "name it in the pattern, or delete it")
		}
	}
	if len(names) == 0 {
		return
	}
	undefined := func(name string, at Pos) {
		if slices.Contains(names, name) {
			return
		}
		hint := fmt.Sprintf("define it: steps: {%s: {stream: …, where: …}}", name)
		if s := Closest(name, names); s != "" {
			hint = fmt.Sprintf("did you mean `%s`?", s)
		}
		c.inPattern(at, fmt.Sprintf("step `%s` is not defined", name), hint)
	}
	c.rule.Pattern.Walk(func(n *Node) bool {
		if n.Op == OpStep || n.Op == OpNot {
			undefined(n.Name, n.Pos)
		}
		if n.Quant != nil && n.Quant.Until != "" {
			undefined(n.Quant.Until, n.Quant.untilAt())
		}
		return true
	})
}

func (q *Quant) untilAt() Pos {
	if q.untilPos == (Pos{}) {
		return q.Pos
	}
	return q.untilPos
}

// gaps refuses gaps that bound nothing or more than the whole match.
func (c *checker) gaps() {
	for _, s := range c.rule.Steps {
		r := c.roles[s.Name]
		if r == nil || s.Gap == 0 {
			continue
		}
		pointer := "/steps/" + s.Name + "/gap"
		timed := r.matched != nil || r.trailing
		switch {
		case r.matched != nil && !r.mayFollow && !r.leading && !r.trailing:
			c.refuse(s.GapPos, pointer, fmt.Sprintf("`gap` of `%s` bounds nothing: the step is the first and cannot repeat", s.Name),
				"a gap is the time since the previous event of the match; put it on the step that follows")
		case !timed && !r.leading:
			c.warn(s.GapPos, pointer, fmt.Sprintf("`gap` of `%s` bounds nothing: the step is no event of the match", s.Name),
				"of an absence only the first and the last of a pattern take a gap")
		case timed && c.rule.Within > 0 && s.Gap > c.rule.Within:
			c.refuse(s.GapPos, pointer, fmt.Sprintf("`gap: %s` of `%s` is longer than `within: %s`", FormatDuration(s.Gap), s.Name, FormatDuration(c.rule.Within)),
				"the whole match must fit into `within`")
		}
	}
}

// afterMatch refuses skips that lead nowhere.
func (c *checker) afterMatch() {
	a := c.rule.AfterMatch
	if !a.Set {
		return
	}
	if c.rule.Emit == "first" && a.Kind != "skip_past_last" && a.Kind != "no_skip" {
		c.refuse(a.Pos, "/after_match", fmt.Sprintf("`%s` goes with `emit: all`", a.Kind),
			"with `emit: first`, after_match is skip_past_last or no_skip")
		return
	}
	if a.Step == "" {
		return
	}
	if r := c.roles[a.Step]; r == nil || r.matched == nil {
		c.refuse(a.Pos, "/after_match/"+a.Kind, fmt.Sprintf("`%s` leads to step `%s`, which the pattern never matches", a.Kind, a.Step), c.skipHint(a.Step))
	}
}

func (c *checker) skipHint(name string) string {
	var names []string
	for _, s := range c.rule.Steps {
		if r := c.roles[s.Name]; r != nil && r.matched != nil {
			names = append(names, s.Name)
		}
	}
	if s := Closest(name, names); s != "" {
		return fmt.Sprintf("did you mean `%s`?", s)
	}
	return "the steps it matches are " + joined(names)
}

// absences refuses absences whose span or deadline is not given.
func (c *checker) absences() {
	if len(c.trailing) > 0 && c.rule.Timing == "early" {
		c.refuse(c.rule.TimingPos, "/timing", fmt.Sprintf("`timing: early` cannot be kept: nothing is known of `!%s` before its deadline", c.trailing[0].Name),
			"leave out `timing`")
	}
	if c.rule.WithinPos != (Pos{}) || c.rule.Within > 0 {
		return
	}
	if len(c.trailing) > 0 && !slices.ContainsFunc(c.trailing, c.hasGap) {
		n := c.trailing[0]
		c.inPattern(n.Pos, fmt.Sprintf("`!%s` at the end has no deadline", n.Name),
			fmt.Sprintf("give the rule `within`, or step `%s` a `gap`", n.Name))
	}
	for _, n := range c.leading {
		if !c.hasGap(n) {
			c.inPattern(n.Pos, fmt.Sprintf("`!%s` at the start does not say how far back it looks", n.Name),
				fmt.Sprintf("give step `%s` a `gap`, or the rule `within`", n.Name))
		}
	}
}

func (c *checker) hasGap(n *Node) bool {
	s := c.rule.step(n.Name)
	return s == nil || s.Gap > 0 || s.GapPos != (Pos{})
}

// windowTiming refuses early alerts of windows that are evaluated at their end.
func (c *checker) windowTiming() {
	kind := c.rule.Window.Kind
	if c.rule.Timing == "early" && kind != "" && kind != "rolling" {
		c.refuse(c.rule.TimingPos, "/timing", fmt.Sprintf("`timing: early` cannot be kept: a %s window is evaluated at its end", kind), "leave out `timing`")
	}
}

// anyLimits asks for an explicit bound where runs multiply.
func (c *checker) anyLimits(root *Node) {
	if c.rule.Limits.RunsPerKeySet {
		return
	}
	hint := "say how many unfinished matches a key may hold: limits: {runs_per_key: 100}"
	found := false
	root.Walk(func(n *Node) bool {
		for i, j := range n.Joins {
			if j == Any && !found {
				c.inPattern(n.joinAt(i), "`->>` multiplies unfinished matches and needs an explicit `limits.runs_per_key`", hint)
				found = true
			}
		}
		if n.Quant != nil && n.Quant.Join == Any && !found {
			c.inPattern(n.Quant.Pos, "`:any` multiplies unfinished matches and needs an explicit `limits.runs_per_key`", hint)
			found = true
		}
		return !found
	})
}

func (n *Node) joinAt(i int) Pos {
	if i < len(n.joinPos) {
		return n.joinPos[i]
	}
	return n.Sub[i+1].Pos
}

// bounds refuses patterns and loops that are too large.
func (c *checker) bounds(root *Node) {
	if n := root.Positions(); n > MaxPositions {
		c.inPattern(root.Pos, fmt.Sprintf("the pattern has %d positions; the limit is %d", n, MaxPositions),
			"a position is a step in the text; `&` of n terms counts each term 2^(n-1) times")
	}
	c.loops(root, 1)
}

func (c *checker) loops(n *Node, product int) {
	if q := n.Quant; q != nil {
		bound := max(q.Min, q.Max, 1)
		switch {
		case q.Max == 0:
			c.inPattern(q.Pos, fmt.Sprintf("`%s` allows no event at all", q.counts()), "leave the part out, or forbid it with `!`")
		case q.Max != Unbounded && q.Min > q.Max:
			c.inPattern(q.Pos, fmt.Sprintf("`%s` asks for at least %d and at most %d", q.counts(), q.Min, q.Max), fmt.Sprintf("did you mean {%d,%d}?", q.Max, q.Min))
		case bound > MaxLoop:
			c.inPattern(q.Pos, fmt.Sprintf("a loop of %s iterations; the limit is %d", plenty(bound), MaxLoop), "count in a window instead: window: {stream: …, rolling: …} with having: n >= …")
			bound = 1
		case product*bound > MaxLoopProduct:
			c.inPattern(q.Pos, fmt.Sprintf("nested loops multiply to %d iterations; the limit is %d", product*bound, MaxLoopProduct), "lower one of the bounds")
			bound = 1
		}
		product = min(product*bound, MaxLoopProduct)
		if q.Until != "" && q.Max != Unbounded {
			c.inPattern(q.untilAt(), fmt.Sprintf("`until %s` on a loop with an upper bound", q.Until), "until goes with *, + and {n,}")
		}
	}
	for _, s := range n.Sub {
		c.loops(s, product)
	}
}

func plenty(n int) string {
	if n == numberMax {
		return "more than a billion"
	}
	return fmt.Sprint(n)
}

// Positions counts the positions of a pattern: one a matched step of the
// text; an "&" of n terms counts its terms 2^(n-1) times. It saturates far
// above MaxPositions.
func (n *Node) Positions() int {
	const enough = 1 << 40
	if n.Op == OpStep {
		return 1
	}
	sum := 0
	for _, s := range n.Sub {
		sum = min(sum+s.Positions(), enough)
	}
	if n.Op == OpAnd {
		sum = min(sum<<min(len(n.Sub)-1, 20), enough)
	}
	return sum
}
