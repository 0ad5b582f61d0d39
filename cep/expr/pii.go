package expr

import (
	"fmt"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/event"
)

// An expression sees a field as its stream's policy on personal data leaves it.

// dropped explains a field that is not there because its stream drops it; nil
// when it is not so.
func dropped(s *event.Schema, field string) *Error {
	if s == nil || !s.Drops(field) {
		return nil
	}
	return &Error{
		Detail: fmt.Sprintf("field %s of stream %s is dropped where events enter: nothing reads it", field, s.Stream),
		Hint:   "with pii: hash it can be compared with fields, with pii: mask its end can be read",
	}
}

// droppedHere is dropped of the streams whose fields a bare name may mean.
func (r *resolver) droppedHere(name string) *Error {
	if err := dropped(r.sc.Event, name); err != nil {
		return err
	}
	for _, s := range r.sc.Streams {
		if err := dropped(s, name); err != nil {
			return err
		}
	}
	return nil
}

const hashedHint = "compare it with a field that is hashed too, or with a hash: the first 32 hex digits of the text's HMAC-SHA-256"

// treated refuses comparisons that the policies of fields make pointless: of a
// hashed or masked field with a text that the policy leaves of none, and of a
// hashed field with one that is not. The arguments are resolved.
func (r *resolver) treated(function string, args []ast.Expr) {
	switch {
	case len(args) != 2:
	case function == operators.Equals || function == operators.NotEquals:
		r.compared(args[0], args[1])
	case function == operators.In && args[1].Kind() == ast.ListKind:
		for _, item := range args[1].AsList().Elements() {
			r.compared(args[0], item)
		}
	}
}

func (r *resolver) compared(a, b ast.Expr) {
	x, y := r.datumAt(a), r.datumAt(b)
	switch {
	case x != nil && y != nil:
		if (x.pii == event.PIIHash) != (y.pii == event.PIIHash) {
			r.failf(r.src.first(a), hashedHint, "%s and %s are never equal: one is hashed, the other is not", x.text, y.text)
		}
	case x != nil:
		r.comparedWithText(x, b)
	case y != nil:
		r.comparedWithText(y, a)
	}
}

func (r *resolver) comparedWithText(d *datum, e ast.Expr) {
	if e.Kind() != ast.LiteralKind || e.AsLiteral().Type() != types.StringType {
		return
	}
	text := string(e.AsLiteral().(types.String))
	switch {
	case d.pii.Leaves(text):
	case d.pii == event.PIIHash:
		r.failf(r.src.first(e), hashedHint, "%s is hashed where events enter: it never is this text", d.text)
	default:
		r.failf(r.src.first(e), fmt.Sprintf("as %q, or %s.endsWith(…) with at most four characters", event.Mask(text), d.text), "%s is masked where events enter: it never is this text", d.text)
	}
}

// datumAt returns the field that stands at a resolved expression, nil for
// anything else.
func (r *resolver) datumAt(e ast.Expr) *datum {
	if e.Kind() != ast.IdentKind {
		return nil
	}
	for _, d := range r.data {
		if d.ident() == e.AsIdent() && d.field() {
			return d
		}
	}
	return nil
}

// field reports whether the datum is a field of one event.
func (d *datum) field() bool {
	switch d.kind {
	case inEvent, inPrev, inStream:
		return true
	case inStep:
		return !d.step.Many
	}
	return false
}
