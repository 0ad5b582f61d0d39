package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/event"
)

// A Need is a comparison of a field of the current event with a constant,
// without which a condition does not hold: where the field is there and lies
// outside, the condition is false, and no error. An index finds conditions by
// their needs. It is wider than the comparison it comes from: a need of
// numbers takes in its limit.
type Need struct {
	Field int // position in the schema of the event
	Op    NeedOp
	Text  string  // of a string field
	Limit float64 // of a number
}

// NeedOp says on which side of the constant the field lies.
type NeedOp uint8

// The sides.
const (
	Is      NeedOp = iota // equal to Text
	AtMost                // not above Limit
	AtLeast               // not below Limit
)

// needs collects the needs among the operands of the top-level &&.
func (s *shape) needs(e ast.Expr, to []Need) []Need {
	if e.Kind() != ast.CallKind {
		return to
	}
	args := e.AsCall().Args()
	switch op := e.AsCall().FunctionName(); op {
	case operators.LogicalAnd:
		return s.needs(args[1], s.needs(args[0], to))
	case operators.Equals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		if b, ok := s.need(op, args[0], args[1]); ok {
			return append(to, b)
		}
		if op != operators.Equals {
			op = mirrored(op)
		}
		if b, ok := s.need(op, args[1], args[0]); ok {
			return append(to, b)
		}
	}
	return to
}

// need reads `field op literal`.
func (s *shape) need(op string, field, literal ast.Expr) (Need, bool) {
	if field.Kind() != ast.IdentKind || literal.Kind() != ast.LiteralKind {
		return Need{}, false
	}
	d := s.data[field.AsIdent()]
	if d == nil || d.kind != inEvent {
		return Need{}, false
	}
	b := Need{Field: d.pos}
	switch v := literal.AsLiteral().(type) {
	case types.String:
		b.Text = string(v)
		return b, d.typ == event.String && op == operators.Equals
	case types.Double:
		b.Limit = float64(v)
	case types.Int:
		b.Limit = float64(v)
	default:
		return Need{}, false
	}
	switch op {
	case operators.Less, operators.LessEquals:
		b.Op = AtMost
	case operators.Greater, operators.GreaterEquals:
		b.Op = AtLeast
	default:
		return Need{}, false
	}
	return b, d.typ == event.Double || d.typ == event.Decimal || d.typ == event.Int
}
