package prog

import (
	"fmt"

	"github.com/caltrop/caltrop/cep/syntax"
)

// A node is one node of the normalised pattern: conjunctions are expanded
// into alternatives of their orders, quantifiers are loops around their body.
type node struct {
	op     nodeOp
	pos    int    // opLeaf: index in builder.leaves
	step   string // opNot
	sub    []*node
	joins  []syntax.Join // opSeq: joins[i] stands before sub[i]; joins[0] is unused
	quant  *syntax.Quant // opLoop
	loop   int           // opLoop: index in builder.loops, or -1 when it cannot repeat
	single bool          // opLoop: the quantifier stands on a step, not on a group
	parent *node
	index  int // in the parent's sub
}

type nodeOp uint8

const (
	opLeaf nodeOp = iota
	opNot
	opSeq
	opAlt
	opLoop
)

// A leaf is one occurrence of a step that an event may take.
type leaf struct {
	step  string
	order string // of the terms of the conjunctions around it
	loops []int  // the loops around it, outermost first
}

// tree normalises a parsed pattern.
func (b *builder) tree(n *syntax.Node) *node {
	var t *node
	switch n.Op {
	case syntax.OpStep:
		b.leaves = append(b.leaves, leaf{step: n.Name, order: b.order})
		t = &node{op: opLeaf, pos: len(b.leaves) - 1}
		return b.quantified(t, n.Quant, true)
	case syntax.OpNot:
		return &node{op: opNot, step: n.Name}
	case syntax.OpGroup:
		return b.quantified(b.tree(n.Sub[0]), n.Quant, false)
	case syntax.OpAlt:
		t = &node{op: opAlt}
		for _, s := range n.Sub {
			t.add(b.tree(s), syntax.Relaxed)
		}
	case syntax.OpAnd:
		return b.orders(n)
	default:
		if all := spread(n); all != nil {
			return b.tree(all)
		}
		t = &node{op: opSeq}
		for i, s := range n.Sub {
			join := syntax.Relaxed
			if i > 0 {
				join = n.Joins[i-1]
			}
			t.add(b.tree(s), join)
		}
	}
	return t
}

func (t *node) add(s *node, join syntax.Join) {
	s.parent, s.index = t, len(t.sub)
	t.sub = append(t.sub, s)
	t.joins = append(t.joins, join)
}

func (b *builder) quantified(body *node, q *syntax.Quant, single bool) *node {
	if q == nil || (q.Min == 1 && q.Max == 1 && !q.Greedy) {
		return body
	}
	t := &node{op: opLoop, quant: q, loop: -1, single: single}
	if q.Max != 1 {
		t.loop = len(b.loops)
		b.loops = append(b.loops, t)
	}
	t.add(body, syntax.Relaxed)
	return t
}

// orders expands a conjunction: `a & b` is `(a -> b | b -> a)`.
func (b *builder) orders(n *syntax.Node) *node {
	alt, outer := &node{op: opAlt}, b.order
	for i, seq := range orders(n) {
		b.order = fmt.Sprintf("%s/%d", outer, i)
		alt.add(b.tree(seq), syntax.Relaxed)
	}
	b.order = outer
	return alt
}

func orders(n *syntax.Node) (all []*syntax.Node) {
	permute(len(n.Sub), func(order []int) {
		seq := &syntax.Node{Op: syntax.OpSeq, Pos: n.Pos, Joins: make([]syntax.Join, len(order)-1)} // relaxed
		for _, i := range order {
			seq.Sub = append(seq.Sub, n.Sub[i])
		}
		all = append(all, seq)
	})
	return all
}

// peersOf returns, by step, the steps of the other terms of the conjunctions
// around it.
func peersOf(root *syntax.Node) map[string]map[string]bool {
	peers := map[string]map[string]bool{}
	root.Walk(func(n *syntax.Node) bool {
		if n.Op != syntax.OpAnd {
			return true
		}
		for i, term := range n.Sub {
			for j, other := range n.Sub {
				for _, s := range matched(term) {
					if i != j {
						add(peers, s, matched(other))
					}
				}
			}
		}
		return true
	})
	return peers
}

func add(peers map[string]map[string]bool, step string, others []string) {
	if peers[step] == nil {
		peers[step] = map[string]bool{}
	}
	for _, o := range others {
		peers[step][o] = true
	}
}

// matched lists the steps below n that events take.
func matched(n *syntax.Node) (steps []string) {
	n.Walk(func(n *syntax.Node) bool {
		if n.Op == syntax.OpStep {
			steps = append(steps, n.Name)
		}
		return true
	})
	return steps
}

// permute calls f with each order of 0..n-1, in lexical order.
func permute(n int, f func([]int)) {
	order, used := make([]int, 0, n), make([]bool, n)
	var next func()
	next = func() {
		if len(order) == n {
			f(order)
			return
		}
		for i := range n {
			if used[i] {
				continue
			}
			used[i], order = true, append(order, i)
			next()
			used[i], order = false, order[:len(order)-1]
		}
	}
	next()
}

// setLoops records, for every leaf, the loops around it.
func (b *builder) setLoops(t *node, loops []int) {
	switch t.op {
	case opLeaf:
		b.leaves[t.pos].loops = append([]int(nil), loops...)
	case opLoop:
		if t.loop >= 0 {
			loops = append(loops[:len(loops):len(loops)], t.loop)
		}
	}
	for _, s := range t.sub {
		b.setLoops(s, loops)
	}
}
