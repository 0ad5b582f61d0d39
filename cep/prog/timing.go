package prog

import (
	"github.com/caltrop/caltrop/cep/syntax"
)

// timing decides the rule's timing and its default (language §6), and refuses
// early where it cannot be kept: a document's check has seen some of that, not
// a timing that was given from outside.
func (c *compiler) timing() {
	why := c.finalBecause()
	c.rule.DefaultTiming, c.rule.TimingBy = "early", "a late event may add or move alerts but never leave a caught incident without one"
	if why != "" {
		c.rule.DefaultTiming, c.rule.TimingBy = "final", why
	}
	c.rule.Early = c.doc.Timing == "early" || c.doc.Timing == "" && why == ""
	if never := c.neverEarly(); c.rule.Early && never != "" {
		pos := c.doc.TimingPos
		if pos == (syntax.Pos{}) {
			pos = c.doc.Pos
		}
		c.errorf(pos, "/timing", "leave out `timing`", "`timing: early` cannot be kept: %s", never)
	}
}

// neverEarly says why the rule's alerts cannot be early, or "".
func (c *compiler) neverEarly() string {
	switch p, w := c.rule.Pattern, c.rule.Window; {
	case w != nil && w.Kind != "rolling":
		return "a " + w.Kind + " window is evaluated at its end"
	case p != nil && p.Trailing:
		return "nothing is known of the absence at the end before its deadline"
	case c.rule.Upstream != nil:
		return "the alerts that the rule reads are final"
	case p != nil && len(p.Leads) > 0:
		return "the absence at the start is known when the watermark has passed it"
	}
	return ""
}

// finalBecause says why a late event might take an alert away, or "".
func (c *compiler) finalBecause() string {
	if c.rule.Upstream != nil {
		return "the alerts that it reads are final"
	}
	if len(c.rule.Profiles) > 0 {
		return "a late event may change the profile that it reads"
	}
	if w := c.rule.Window; w != nil {
		if w.Kind != "rolling" {
			return "the window is evaluated at its end"
		}
		if c.rule.Having != nil && !c.rule.Having.Monotone {
			return "having may turn false again when an event is added"
		}
		return ""
	}
	if why := patternFinal(c.doc.Pattern); why != "" {
		return why
	}
	for _, p := range c.rule.Pattern.Preds {
		if p.Cond != nil && !p.Cond.Monotone {
			return "the condition of " + p.Name + " reads an aggregate that may turn it false"
		}
	}
	if c.rule.Having != nil && !c.rule.Having.Monotone {
		return "having reads an aggregate that may turn it false"
	}
	return ""
}

// patternFinal names the first operator that makes final the default.
func patternFinal(root *syntax.Node) (why string) {
	root.Walk(func(n *syntax.Node) bool {
		switch q := n.Quant; {
		case why != "":
		case n.Op == syntax.OpNot:
			why = "the absence !" + n.Name
		case q != nil && q.Join == syntax.Strict:
			why = "the contiguity :strict"
		case q != nil && q.Greedy:
			why = "the flag :greedy"
		case q != nil && q.Until != "":
			why = "until " + q.Until
		case q != nil && q.Max > 1:
			why = "the upper count of a loop"
		}
		for _, j := range n.Joins {
			if why == "" && j == syntax.Strict {
				why = "the contiguity ,"
			}
		}
		return true
	})
	return why
}
