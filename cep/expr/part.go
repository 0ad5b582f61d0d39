package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
)

// A Part is an operand of a condition's top-level &&, or the condition where it
// has none. Where one part is false, and no error, the whole is.
type Part struct {
	Values []int   // positions in Frame.Values that it reads
	Aggs   []int   // in Frame.Aggs
	More   bool    // it reads something besides
	Bounds []Bound // the part, where it is nothing but comparisons like these in && and ||; else none

	cond func(*Frame) (bool, bool)
}

// A Bound is a comparison of a part: whether what it reads lies above a constant,
// or below it.
type Bound struct {
	Value bool // it reads Frame.Values, else Frame.Aggs
	Pos   int
	Above bool
}

// Denies reports whether the part alone makes the condition false.
func (p *Part) Denies(f *Frame) bool {
	truth, ok := p.cond(f)
	return ok && !truth
}

// parts splits a condition that needs no scratch space.
func (a *assembler) parts(e ast.Expr, to []Part) []Part {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.LogicalAnd {
		args := e.AsCall().Args()
		return a.parts(args[1], a.parts(args[0], to))
	}
	p := Part{cond: a.node(e).b}
	if bounds, ok := a.bounds(e, nil); ok {
		p.Bounds = bounds
	}
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.IdentKind && a.data[e.AsIdent()] != nil {
			p.read(a.data[e.AsIdent()])
		}
	}))
	return append(to, p)
}

func (p *Part) read(d *datum) {
	switch d.kind {
	case windowValue:
		p.Values = append(p.Values, d.pos)
	case windowAgg:
		p.Aggs = append(p.Aggs, d.pos)
	case presence:
		p.read(d.of)
	default:
		p.More = true
	}
}

// bounds lists the comparisons that e is made of; false where it is more.
func (a *assembler) bounds(e ast.Expr, to []Bound) ([]Bound, bool) {
	if e.Kind() != ast.CallKind {
		return nil, false
	}
	call := e.AsCall()
	name, args := call.FunctionName(), call.Args()
	switch name {
	case operators.LogicalAnd, operators.LogicalOr:
		to, ok := a.bounds(args[0], to)
		if !ok {
			return nil, false
		}
		return a.bounds(args[1], to)
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
	default:
		return nil, false
	}
	read, limit := args[0], args[1]
	if read.Kind() == ast.LiteralKind {
		read, limit, name = limit, read, mirrored(name)
	}
	d := a.windowDatum(read)
	if d == nil || limit.Kind() != ast.LiteralKind {
		return nil, false
	}
	above := name == operators.Greater || name == operators.GreaterEquals
	return append(to, Bound{Value: d.kind == windowValue, Pos: d.pos, Above: above}), true
}

// windowDatum returns the value or aggregate of a window that e is, as it is or
// as a double; nil where it is something else.
func (a *assembler) windowDatum(e ast.Expr) *datum {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == overloads.TypeConvertDouble {
		e = e.AsCall().Args()[0]
	}
	if e.Kind() != ast.IdentKind {
		return nil
	}
	if d := a.data[e.AsIdent()]; d != nil && (d.kind == windowValue || d.kind == windowAgg) {
		return d
	}
	return nil
}
