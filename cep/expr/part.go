package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// A Part is an operand of a condition's top-level &&, or the condition where it
// has none. Where one part is false, and no error, the whole is.
type Part struct {
	Values []int // positions in Frame.Values that it reads
	Aggs   []int // in Frame.Aggs
	More   bool  // it reads something besides

	cond func(*Frame) (bool, bool)
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
