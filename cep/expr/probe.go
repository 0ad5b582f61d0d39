package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/event"
)

// A Probe is what a condition demands of a few known fields, whatever its
// other parts say. It is immutable and safe for concurrent use.
type Probe struct {
	program  *Program // of a part that reads known fields only; nil: of an operator
	any      bool     // the parts are joined by ||, else by &&
	parts    []*Probe
	literals []string
}

// NewProbe splits a condition at its && and || and keeps the parts that read
// no name but the fields of known. A condition that does not compile demands
// nothing.
func NewProbe(condition string, known *event.Schema) *Probe {
	if len(condition) > textMax {
		return &Probe{}
	}
	parsed, iss := caltrop.env.Parse(condition)
	if iss.Err() != nil {
		return &Probe{}
	}
	tree := parsed.NativeRep()
	b := &prober{known: known, info: tree.SourceInfo(), src: newSource(condition, 0, tree.SourceInfo())}
	return b.probe(tree.Expr())
}

// Excludes reports whether the condition is false for every event that has
// ev's known fields. ev is of a schema that begins with the known fields.
func (p *Probe) Excludes(ev *event.Event) bool {
	if p.program != nil {
		truth, ok := p.program.Holds(&Frame{Event: ev})
		return ok && !truth
	}
	if len(p.parts) == 0 {
		return false
	}
	for _, part := range p.parts {
		if part.Excludes(ev) != p.any {
			return !p.any
		}
	}
	return p.any
}

// Names reports whether a part over the known fields holds the text as a
// literal.
func (p *Probe) Names(text string) bool {
	for _, l := range p.literals {
		if l == text {
			return true
		}
	}
	for _, part := range p.parts {
		if part.Names(text) {
			return true
		}
	}
	return false
}

// A prober makes the probe of one condition.
type prober struct {
	known *event.Schema
	info  *ast.SourceInfo
	src   *source
}

func (b *prober) probe(e ast.Expr) *Probe {
	if isCall(e, operators.LogicalAnd) || isCall(e, operators.LogicalOr) {
		p := &Probe{any: isCall(e, operators.LogicalOr)}
		for _, arg := range e.AsCall().Args() {
			p.parts = append(p.parts, b.probe(arg))
		}
		return p
	}
	if !b.isKnown(e) {
		return &Probe{}
	}
	part := ast.NewAST(ast.NewExprFactory().CopyExpr(e), ast.CopySourceInfo(b.info))
	program, errs := compileTree(part, event.Bool, &Scope{Event: b.known}, b.src, false)
	if len(errs) > 0 {
		return &Probe{}
	}
	return &Probe{program: program, literals: literalsOf(e)}
}

// isKnown reports whether e reads known fields and nothing else.
func (b *prober) isKnown(e ast.Expr) bool {
	known := true
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.IdentKind:
			known = known && b.known.Index(e.AsIdent()) >= 0
		case ast.SelectKind, ast.ComprehensionKind:
			known = false
		}
	}))
	return known
}

func literalsOf(e ast.Expr) (texts []string) {
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.LiteralKind {
			return
		}
		if s, ok := e.AsLiteral().(types.String); ok {
			texts = append(texts, string(s))
		}
	}))
	return texts
}
