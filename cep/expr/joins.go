package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/caltrop/caltrop/cep/event"
)

// A Join is an equality of a field of the current event with a field of the one
// event of a step, without which a condition does not hold: where both are there
// and differ, the condition is false, and no error.
type Join struct {
	Field int // position in the schema of the event
	Step  int // Step.Index
	Of    int // position in the schema of the step
}

// joins collects the joins among the operands of the top-level &&.
func (s *shape) joins(e ast.Expr, to []Join) []Join {
	if e.Kind() != ast.CallKind {
		return to
	}
	args := e.AsCall().Args()
	switch e.AsCall().FunctionName() {
	case operators.LogicalAnd:
		return s.joins(args[1], s.joins(args[0], to))
	case operators.Equals:
		if j, ok := s.join(args[0], args[1]); ok {
			return append(to, j)
		}
		if j, ok := s.join(args[1], args[0]); ok {
			return append(to, j)
		}
	}
	return to
}

// join reads `field == step.field`, of texts, whole numbers or truths.
func (s *shape) join(here, there ast.Expr) (Join, bool) {
	if here.Kind() != ast.IdentKind || there.Kind() != ast.IdentKind {
		return Join{}, false
	}
	d, of := s.data[here.AsIdent()], s.data[there.AsIdent()]
	if d == nil || of == nil || d.kind != inEvent || of.kind != inStep || of.step.Many || d.typ != of.typ {
		return Join{}, false
	}
	j := Join{Field: d.pos, Step: of.step.Index, Of: of.pos}
	return j, d.typ == event.String || d.typ == event.Int || d.typ == event.Bool
}
