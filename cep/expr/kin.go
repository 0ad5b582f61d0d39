package expr

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/parser"
)

// A Kin is a family of conditions that differ in one number only, with which
// they compare a field of the current event. Of two that have one Text, in one
// stream, all that they say of an event changes at most once as Bound grows:
// where the field passes it.
type Kin struct {
	Text  string // "": the condition has no such number
	Bound float64
}

// kin reads the operands of the top-level &&: the first that compares a field
// with a number gives the bound, the text of the others names the family.
func (s *shape) kin(e ast.Expr) (k Kin) {
	var text strings.Builder
	for _, part := range operands(e, nil) {
		if n, ok := s.compared(part); ok && k.Text == "" {
			k = Kin{Text: fmt.Sprintf("%d %s ?", n.Field, part.AsCall().FunctionName()), Bound: n.Limit}
			continue
		}
		written, err := parser.Unparse(part, s.checked.SourceInfo())
		if err != nil {
			return Kin{}
		}
		text.WriteString(" && ")
		text.WriteString(written)
	}
	if k.Text != "" {
		k.Text += text.String() + s.legend()
	}
	return k
}

// legend tells what the identifiers of the syntax tree stand for.
func (s *shape) legend() string {
	data := make([]string, 0, len(s.data))
	for ident, d := range s.data {
		data = append(data, fmt.Sprintf("; %s is %q", ident, d.text))
	}
	slices.Sort(data)
	return strings.Join(data, "")
}

func operands(e ast.Expr, to []ast.Expr) []ast.Expr {
	if isCall(e, operators.LogicalAnd) {
		args := e.AsCall().Args()
		return operands(args[1], operands(args[0], to))
	}
	return append(to, e)
}

// compared reads `field < number` and the like.
func (s *shape) compared(e ast.Expr) (Need, bool) {
	if e.Kind() != ast.CallKind {
		return Need{}, false
	}
	switch op := e.AsCall().FunctionName(); op {
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		n, ok := s.need(op, e.AsCall().Args()[0], e.AsCall().Args()[1])
		return n, ok && math.Abs(n.Limit) < exactMax
	}
	return Need{}, false
}
