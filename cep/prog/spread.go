package prog

import (
	"slices"

	"github.com/caltrop/caltrop/cep/syntax"
)

// spread writes a sequence in which a loop is followed by a "|" with an absence
// at the start of a branch as the union that it is, `b+ -> (!x -> c | d)` as
// `(b+ -> !x -> c | b+ -> d)`: what stays in a loop watches the absences that
// follow it, and must not watch those of one branch for another. It returns nil
// where there is nothing of the kind.
func spread(seq *syntax.Node) *syntax.Node {
	flat := inlined(seq)
	for i, el := range flat.Sub {
		branches := branchesOf(el)
		if len(branches) < 2 || !slices.ContainsFunc(branches, absentFirst) || !endsInLoop(flat.Sub[:i]) {
			continue
		}
		alt := &syntax.Node{Op: syntax.OpAlt, Pos: seq.Pos}
		for _, branch := range branches {
			one := &syntax.Node{Op: syntax.OpSeq, Pos: seq.Pos, Sub: slices.Clone(flat.Sub), Joins: flat.Joins}
			one.Sub[i] = branch
			alt.Sub = append(alt.Sub, one)
		}
		return alt
	}
	return nil
}

// inlined is a sequence without groups in it that only hold a sequence.
func inlined(seq *syntax.Node) *syntax.Node {
	flat := &syntax.Node{Op: syntax.OpSeq, Pos: seq.Pos}
	for i, el := range seq.Sub {
		if i > 0 {
			flat.Joins = append(flat.Joins, seq.Joins[i-1])
		}
		if in := bare(el); in.Op == syntax.OpSeq {
			in = inlined(in)
			flat.Sub, flat.Joins = append(flat.Sub, in.Sub...), append(flat.Joins, in.Joins...)
			continue
		}
		flat.Sub = append(flat.Sub, el)
	}
	return flat
}

// bare is what stands in groups without a quantifier.
func bare(n *syntax.Node) *syntax.Node {
	for n.Op == syntax.OpGroup && (n.Quant == nil || n.Quant.Min == 1 && n.Quant.Max == 1) {
		n = n.Sub[0]
	}
	return n
}

// branchesOf are the patterns whose union n is.
func branchesOf(n *syntax.Node) (all []*syntax.Node) {
	switch in := bare(n); in.Op {
	case syntax.OpAlt:
		for _, s := range in.Sub {
			all = append(all, branchesOf(s)...)
		}
		return all
	case syntax.OpAnd:
		if absentFirst(in) {
			return orders(in)
		}
	}
	return []*syntax.Node{n}
}

// absentFirst reports whether n may begin with an absence.
func absentFirst(n *syntax.Node) bool {
	switch in := bare(n); in.Op {
	case syntax.OpNot:
		return true
	case syntax.OpSeq:
		return absentFirst(in.Sub[0])
	case syntax.OpAlt, syntax.OpAnd:
		return slices.ContainsFunc(in.Sub, absentFirst)
	}
	return false
}

// endsInLoop reports whether the last event of a sequence may be one of a loop.
func endsInLoop(elements []*syntax.Node) bool {
	for _, el := range slices.Backward(elements) {
		if mayLoop(el) {
			return true
		}
		if !el.Nullable() {
			return false
		}
	}
	return false
}

func mayLoop(n *syntax.Node) bool {
	switch {
	case n.Quant.Loops():
		return true
	case n.Op == syntax.OpSeq:
		return endsInLoop(n.Sub)
	}
	return slices.ContainsFunc(n.Sub, mayLoop)
}
