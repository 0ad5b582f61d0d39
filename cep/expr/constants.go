package expr

import (
	"fmt"
	"regexp"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// constants finds the literals that could only ever be errors: patterns that
// are none, times and durations that cannot be read.
func (c *check) constants() []Error {
	var errs []Error
	ast.PostOrderVisit(c.tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		call := e.AsCall()
		args := call.Args()
		if len(args) == 0 || args[len(args)-1].Kind() != ast.LiteralKind {
			return
		}
		text, ok := args[len(args)-1].AsLiteral().(types.String)
		if !ok {
			return
		}
		detail, hint := constantFault(call.FunctionName(), text)
		if detail != "" {
			errs = append(errs, Error{Offset: c.src.at(args[len(args)-1]), Detail: detail, Hint: hint})
		}
	}))
	return errs
}

func constantFault(function string, text types.String) (detail, hint string) {
	switch function {
	case "matches":
		if _, err := regexp.Compile(string(text)); err != nil {
			return fmt.Sprintf("%q is no regular expression: %v", string(text), err), "RE2 syntax, as Go's regexp"
		}
	case "duration":
		if types.IsUnknownOrError(text.ConvertToType(types.DurationType)) {
			return fmt.Sprintf("%q is no duration", string(text)), `"90s", "5m", "1h30m"`
		}
	case "timestamp":
		if types.IsUnknownOrError(text.ConvertToType(types.TimestampType)) {
			return fmt.Sprintf("%q is no time", string(text)), `RFC 3339: "2026-01-01T00:00:00Z"`
		}
	}
	return "", ""
}
