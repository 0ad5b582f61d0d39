package syntax

import "fmt"

// A setting says what can stand around a node, over all matches of the whole
// pattern.
type setting struct {
	start         bool  // no event of the match stands before it: it begins the pattern
	follows       bool  // an event of the match can stand before it
	afterOptional bool  // the part right before it may be left out
	join          Join  // the operator before it
	ends          bool  // nothing needs to follow: it can be the last part
	optionalTail  bool  // parts follow, but all of them may be left out
	next          *Node // an optional part that can come right after it, or nil
	inside        *Node // the group around it that is optional or repeats, or nil
}

// shape refuses what the structure of the pattern does not allow and notes
// the roles of its steps.
func (c *checker) shape(root *Node) {
	switch {
	case onlyAbsences(root):
		c.inPattern(root.Pos, "the pattern matches no event: it has nothing but absences", "name a step whose event starts or ends the wait")
	case root.Nullable():
		c.inPattern(root.Pos, "the pattern can match no event: every part of it may be left out", "make at least one part required")
	}
	c.node(root, setting{start: true, ends: true})
}

func onlyAbsences(n *Node) bool {
	if n.Op != OpSeq {
		return n.Op == OpNot
	}
	for _, s := range n.Sub {
		if s.Op != OpNot {
			return false
		}
	}
	return true
}

func (c *checker) node(n *Node, at setting) {
	switch n.Op {
	case OpStep:
		c.step(n, at)
	case OpGroup:
		c.group(n, at)
	case OpAlt:
		for _, s := range n.Sub {
			c.node(s, at)
		}
	case OpAnd:
		for i, s := range n.Sub {
			c.node(s, among(n.Sub, i, at))
		}
	case OpSeq:
		for i, s := range n.Sub {
			if s.Op == OpNot {
				c.absence(n, i, within(n, i, at))
			} else {
				c.node(s, within(n, i, at))
			}
		}
	}
}

// absencesOnly refuses a part without an event, once.
func (c *checker) absencesOnly(n *Node, detail, hint string) {
	c.inPattern(n.Pos, detail, hint)
	n.Walk(func(s *Node) bool {
		if s.Op == OpNot {
			c.role(s.Name).between = true
		}
		return true
	})
}

func (c *checker) step(n *Node, at setting) {
	r := c.role(n.Name)
	if r.matched != nil {
		c.inPattern(n.Pos, fmt.Sprintf("step `%s` is matched at two places", n.Name), "define a second step with the same condition")
	} else {
		r.matched = n
	}
	r.mayFollow = r.mayFollow || at.follows || n.Quant.Loops()
	c.quantified(n, at)
}

func (c *checker) group(n *Node, at setting) {
	c.quantified(n, at)
	if n.Quant != nil && n.Quant.Greedy {
		c.inPattern(n.Quant.Pos, "`:greedy` has no meaning on a group", "put it on a step's own loop")
	}
	body := n.Sub[0]
	if onlyAbsences(body) && n.Quant != nil {
		c.absencesOnly(n, "a group of nothing but absences matches no event", "leave out the parentheses")
		return
	}
	if n.Quant.Loops() {
		if body.Nullable() {
			c.inPattern(n.Pos, "a loop over a group that can match no event", "make a part of the group required, or the group `?` instead of a loop")
		}
		at.follows = true
		if at.next == nil {
			at.next = firstOptional(body)
		}
	}
	if n.Quant != nil && (n.Quant.Loops() || n.Quant.Min == 0) {
		at.inside = n
	}
	c.node(body, at)
}

// quantified refuses what may not stand after a greedy loop, and notes until
// steps.
func (c *checker) quantified(n *Node, at setting) {
	if n.Quant == nil {
		return
	}
	if n.Quant.Until != "" {
		c.role(n.Quant.Until).until = true
	}
	if n.Quant.Greedy && n.Op == OpStep && at.next != nil {
		c.inPattern(at.next.Pos, fmt.Sprintf("an optional part right after the greedy loop of `%s`", n.Name),
			"what follows a greedy loop must be required, or leave out `:greedy`")
	}
}

// absence checks the i-th element of a sequence, a "!x".
func (c *checker) absence(seq *Node, i int, at setting) {
	n := seq.Sub[i]
	r := c.role(n.Name)
	last := i == len(seq.Sub)-1
	switch {
	case at.start:
		r.leading = true
		c.leading = append(c.leading, n)
	case at.ends && at.join == Relaxed && trailingRun(seq, i):
		r.trailing = true
		c.trailing = append(c.trailing, n)
	default:
		r.between = true
	}
	run := i > 0 && seq.Sub[i-1].Op == OpNot
	switch {
	case at.inside != nil:
		c.inPattern(n.Pos, fmt.Sprintf("`!%s` in a group that is optional or repeats", n.Name), "an absence stands where every match passes exactly once")
	case at.afterOptional && !run:
		c.inPattern(n.Pos, fmt.Sprintf("`!%s` right after an optional part", n.Name), "it is unclear from where on it holds; make the part before it required")
	case at.optionalTail:
		c.inPattern(n.Pos, fmt.Sprintf("`!%s` is followed only by optional parts", n.Name), "it is unclear when it ends; make a part after it required, or leave them out")
	}
	if at.join == Any && !at.start {
		c.inPattern(n.Pos, fmt.Sprintf("`!%s` after `->>`", n.Name), "write `-> !"+n.Name+"` or `, !"+n.Name+"`")
	}
	if at.start && !last && seq.Joins[i] != Relaxed {
		c.inPattern(seq.joinAt(i), fmt.Sprintf("`%s` after `!%s` at the start", seq.Joins[i], n.Name), "only `->` may follow a leading absence")
	}
}

// trailingRun reports whether the absences from i to the end of a sequence
// end in one that waits for a deadline.
func trailingRun(seq *Node, i int) bool {
	for _, s := range seq.Sub[i:] {
		if s.Op != OpNot {
			return false
		}
	}
	last := len(seq.Joins) - 1
	return i == len(seq.Sub)-1 || seq.Joins[last] == Relaxed
}

// within returns the setting of the i-th element of a sequence.
func within(seq *Node, i int, at setting) setting {
	in := at
	if i > 0 {
		in.join = seq.Joins[i-1]
	}
	if before := neighbour(seq.Sub[:i], true); before != nil {
		in.start, in.follows = false, true
		in.afterOptional = before.Nullable() || endsOptional(before)
	}
	after := neighbour(seq.Sub[i+1:], false)
	if after == nil {
		return in
	}
	in.next = after
	if !after.Nullable() {
		in.next = firstOptional(after)
	}
	required := false
	for _, s := range seq.Sub[i+1:] {
		required = required || s.Op != OpNot && !s.Nullable()
	}
	in.optionalTail = !required && (at.ends || at.optionalTail)
	in.ends = false
	return in
}

// neighbour returns the nearest element that is no absence.
func neighbour(elements []*Node, last bool) *Node {
	var found *Node
	for _, s := range elements {
		if s.Op == OpNot {
			continue
		}
		found = s
		if !last {
			break
		}
	}
	return found
}

// among returns the setting of the i-th term of an "&": each of the others
// can stand before or after it.
func among(terms []*Node, i int, at setting) setting {
	in := at
	in.follows = true
	for j, t := range terms {
		if j == i {
			continue
		}
		in.afterOptional = in.afterOptional || t.Nullable() || endsOptional(t)
		in.optionalTail = in.optionalTail || t.Nullable() && at.ends
		if in.next == nil && t.Nullable() {
			in.next = t
		}
		if in.next == nil {
			in.next = firstOptional(t)
		}
	}
	return in
}

// firstOptional returns a part that can come first in the node and may be
// left out, or nil.
func firstOptional(n *Node) *Node {
	if n.Quant != nil && n.Quant.Min == 0 {
		return n
	}
	switch n.Op {
	case OpGroup:
		return firstOptional(n.Sub[0])
	case OpAlt, OpAnd:
		for _, s := range n.Sub {
			if o := firstOptional(s); o != nil {
				return o
			}
		}
	case OpSeq:
		if s := neighbour(n.Sub, false); s != nil {
			return firstOptional(s)
		}
	}
	return nil
}

// endsOptional reports whether the part that comes last in the node may be
// left out.
func endsOptional(n *Node) bool {
	if n.Quant != nil && n.Quant.Min == 0 {
		return true
	}
	switch n.Op {
	case OpGroup:
		return endsOptional(n.Sub[0])
	case OpAlt, OpAnd:
		for _, s := range n.Sub {
			if endsOptional(s) {
				return true
			}
		}
	case OpSeq:
		if s := neighbour(n.Sub, true); s != nil {
			return endsOptional(s)
		}
	}
	return false
}
