package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

// promoteAll makes doubles of the integer literals and counts that stand beside
// doubles (language §2) and reports whether it changed anything. The checker's
// types decide; a field never changes.
func (c *check) promoteAll(checked *ast.AST) bool {
	changed := false
	c.promoted = make(map[int64]bool)
	ast.PostOrderVisit(c.tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.CallKind:
			changed = c.promoteCall(checked, e) || changed
		case ast.ListKind:
			changed = c.beside(checked, e.AsList().Elements()) || changed
		}
	}))
	if c.want == event.Double && isKind(checked, c.tree.Expr(), types.IntKind) {
		changed = c.promote(c.tree.Expr()) || changed
	}
	return changed
}

func (c *check) promoteCall(checked *ast.AST, e ast.Expr) bool {
	call := e.AsCall()
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide:
		return c.besideIn(checked, e, args)
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
		operators.Equals, operators.NotEquals, "math.@max", "math.@min":
		return c.beside(checked, args)
	case operators.Conditional:
		return c.besideIn(checked, e, args[1:])
	case operators.In:
		return c.promoteIn(checked, args)
	default:
		if checked.GetType(e.ID()).Kind() != types.ErrorKind {
			return false
		}
		return c.promoteArguments(checked, name, args)
	}
}

// besideIn is beside for operands whose type is the result's: what became a
// double makes e one for the rest of the pass.
func (c *check) besideIn(checked *ast.AST, e ast.Expr, operands []ast.Expr) bool {
	changed := c.beside(checked, operands)
	c.promoted[e.ID()] = c.double(checked, operands[0]) && c.double(checked, operands[1])
	return changed
}

// double reports whether e is a double, or will be when checked again.
func (c *check) double(checked *ast.AST, e ast.Expr) bool {
	return c.promoted[e.ID()] || isKind(checked, e, types.DoubleKind)
}

// beside promotes the integer literals among es when one of es is a double.
func (c *check) beside(checked *ast.AST, es []ast.Expr) bool {
	double := false
	for _, e := range es {
		double = double || c.double(checked, e)
	}
	if !double {
		return false
	}
	changed := false
	for _, e := range es {
		if isKind(checked, e, types.IntKind) && !c.double(checked, e) {
			changed = c.promote(e) || changed
		}
	}
	return changed
}

func (c *check) promoteIn(checked *ast.AST, args []ast.Expr) bool {
	list := checked.GetType(args[1].ID())
	if list == nil || list.Kind() != types.ListKind {
		return false
	}
	elem := list.Parameters()[0].Kind()
	switch {
	case elem == types.DoubleKind && isKind(checked, args[0], types.IntKind):
		return c.promote(args[0])
	case elem == types.IntKind && isKind(checked, args[0], types.DoubleKind) && args[1].Kind() == ast.ListKind:
		changed := false
		for _, e := range args[1].AsList().Elements() {
			changed = c.promote(e) || changed
		}
		return changed
	}
	return false
}

// promoteArguments promotes literals of a failed call where the function has
// an overload that takes a double there.
func (c *check) promoteArguments(checked *ast.AST, name string, args []ast.Expr) bool {
	fn := caltrop.env.Functions()[name]
	if fn == nil {
		return false
	}
	changed := false
	for i, e := range args {
		if !isKind(checked, e, types.IntKind) {
			continue
		}
		for _, o := range fn.OverloadDecls() {
			params := o.ArgTypes()
			if o.IsMemberFunction() {
				params = params[1:]
			}
			if len(params) == len(args) && params[i].Kind() == types.DoubleKind {
				changed = c.promote(e) || changed
				break
			}
		}
	}
	return changed
}

// literal reports whether e is an integer literal, or sums, differences and
// products of literals, or a choice between them: it has the same value
// computed in doubles.
func literal(e ast.Expr) bool {
	switch e.Kind() {
	case ast.LiteralKind:
		_, ok := e.AsLiteral().(types.Int)
		return ok
	case ast.CallKind:
		args := e.AsCall().Args()
		switch e.AsCall().FunctionName() {
		case operators.Add, operators.Subtract, operators.Multiply:
			return literal(args[0]) && literal(args[1])
		case operators.Negate:
			return literal(args[0])
		case operators.Conditional:
			return literal(args[1]) && literal(args[2])
		}
	}
	return false
}

// promote makes e a double if it is made of integer literals, or is a count.
func (c *check) promote(e ast.Expr) bool {
	if c.counts(e) {
		c.promoted[e.ID()] = true
		inner := c.fac.NewIdent(c.copyID(e), e.AsIdent())
		e.SetKindCase(c.fac.NewCall(e.ID(), overloads.TypeConvertDouble, inner))
		return true
	}
	if !literal(e) {
		return false
	}
	c.promoted[e.ID()] = true
	if e.Kind() == ast.LiteralKind {
		n := e.AsLiteral().(types.Int)
		e.SetKindCase(c.fac.NewLiteral(e.ID(), types.Double(n)))
		return true
	}
	args := e.AsCall().Args()
	if e.AsCall().FunctionName() == operators.Conditional {
		args = args[1:]
	}
	for _, a := range args {
		c.promote(a)
	}
	return true
}

// counts reports whether e is a count over a step or a window, or a window's
// value that is a whole number: in `bad > 0.8 * n` no field loses its type.
func (c *check) counts(e ast.Expr) bool {
	if e.Kind() != ast.IdentKind {
		return false
	}
	for _, d := range c.data {
		if d.ident() == e.AsIdent() {
			return d.typ == event.Int && (d.kind == windowValue || d.kind == inProfile && !d.set || d.kind == windowAgg && d.count != nil || d.kind == stepAgg && growing(d.agg.Spec.Func) && d.agg.Spec.Func != agg.Max)
		}
	}
	return false
}

// copyID numbers a node that is put below e and stands at its place.
func (c *check) copyID(e ast.Expr) int64 {
	id := -e.ID()
	c.src.start[id] = c.src.start[e.ID()]
	return id
}

func isKind(checked *ast.AST, e ast.Expr, k types.Kind) bool {
	t := checked.GetType(e.ID())
	return t != nil && t.Kind() == k
}
