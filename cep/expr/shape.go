package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/agg"
)

// shape finds what the compiler of rules asks of a condition: whether it is
// monotone, and its filter.
type shape struct {
	checked *ast.AST
	data    map[string]*datum
}

func shapeOf(p *Program, checked *ast.AST, data []*datum) {
	s := &shape{checked: checked, data: make(map[string]*datum, len(data))}
	for _, d := range data {
		s.data[d.ident()] = d
	}
	p.Monotone, p.Grows = s.monotone(checked.Expr()), s.grows(checked.Expr())
	p.Count = s.count(checked.Expr())
	if isKind(checked, checked.Expr(), types.BoolKind) {
		p.Filter, p.Verdict = s.filter(p), verdictOf(checked, s.data)
		p.Needs, p.Kin = s.needs(checked.Expr(), nil), s.kin(checked.Expr())
		p.Joins = s.joins(checked.Expr(), nil)
	}
}

// any reports whether e reads a datum that test accepts.
func (s *shape) any(e ast.Expr, test func(*datum) bool) bool {
	found := false
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind {
			if d, ok := s.data[e.AsIdent()]; ok {
				found = found || test(d)
			}
		}
	}))
	return found
}

// overMany reports whether a datum changes as events join the match.
func overMany(d *datum) bool {
	switch d.kind {
	case stepAgg, windowAgg, windowValue, inProfile:
		return true
	case presence:
		return d.of.step.Many
	}
	return d.list()
}

// monotone reports whether e reads no aggregate but in lower bounds on count,
// distinct and max, alone or under && and ||.
func (s *shape) monotone(e ast.Expr) bool {
	if !s.any(e, overMany) {
		return true
	}
	if e.Kind() != ast.CallKind {
		return false
	}
	args := e.AsCall().Args()
	switch e.AsCall().FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr:
		return s.monotone(args[0]) && s.monotone(args[1])
	case operators.Greater, operators.GreaterEquals:
		return s.grows(args[0]) && !s.any(args[1], overMany)
	case operators.Less, operators.LessEquals:
		return s.grows(args[1]) && !s.any(args[0], overMany)
	}
	return false
}

// grows reports whether e is an aggregate that one more event cannot lessen.
func (s *shape) grows(e ast.Expr) bool {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == overloads.TypeConvertDouble {
		e = e.AsCall().Args()[0]
	}
	if e.Kind() != ast.IdentKind {
		return false
	}
	d := s.data[e.AsIdent()]
	return d != nil && (d.grows || d.kind == stepAgg && growing(d.agg.Spec.Func))
}

func growing(fn agg.Func) bool { return fn == agg.Count || fn == agg.Distinct || fn == agg.Max }

// count returns the bounds of a number of events, nil for all else.
func (s *shape) count(e ast.Expr) *Count {
	if e.Kind() != ast.IdentKind || s.data[e.AsIdent()] == nil {
		return nil
	}
	return s.data[e.AsIdent()].counts()
}

// early reports whether a datum is known from the current event alone.
func early(d *datum) bool {
	switch d.kind {
	case inEvent, inStream, eventTime:
		return true
	case presence:
		return early(d.of)
	}
	return false
}

// filter is the program of the conjuncts that read the current event only.
func (s *shape) filter(p *Program) *Program {
	var kept []ast.Expr
	all := s.conjuncts(s.checked.Expr(), &kept)
	switch {
	case len(kept) == 0:
		return nil
	case all:
		return p
	}
	a := &assembler{checked: s.checked, data: s.data}
	n := a.node(kept[0])
	for _, e := range kept[1:] {
		if m := a.node(e); !a.giveUp {
			n = and(n, m)
		}
	}
	if a.giveUp {
		return nil
	}
	f := &Program{Type: p.Type, Reads: Reads{Event: true}, Cost: p.Cost, Monotone: true, eval: n.result(), cond: n.b, locals: a.depth}
	f.Filter = f
	for _, e := range kept {
		f.lists = f.lists || a.usesLists(e)
	}
	return f
}

// conjuncts collects the operands of the top-level && that read the current
// event and nothing else; true when these are all.
func (s *shape) conjuncts(e ast.Expr, kept *[]ast.Expr) bool {
	if isCall(e, operators.LogicalAnd) {
		args := e.AsCall().Args()
		left, right := s.conjuncts(args[0], kept), s.conjuncts(args[1], kept)
		return left && right
	}
	if s.any(e, func(d *datum) bool { return !early(d) }) || !s.any(e, early) {
		return false
	}
	*kept = append(*kept, e)
	return true
}
