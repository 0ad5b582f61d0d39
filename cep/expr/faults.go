package expr

import (
	"cmp"
	"fmt"
	"strings"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// verbs are what the operators do, for "cannot …".
var verbs = map[string]string{
	operators.Add: "add", operators.Subtract: "subtract", operators.Multiply: "multiply",
	operators.Divide: "divide", operators.Modulo: "take the remainder of",
	operators.Less: "compare", operators.LessEquals: "compare", operators.Greater: "compare",
	operators.GreaterEquals: "compare", operators.Equals: "compare", operators.NotEquals: "compare",
	operators.LogicalAnd: "combine with &&", operators.LogicalOr: "combine with ||",
	operators.LogicalNot: "negate with !", operators.Negate: "negate",
	operators.In: "look for", operators.Index: "index",
}

// explain turns the checker's faults into errors in an author's words.
func (c *check) explain(checked *ast.AST, faults []*common.Error) []Error {
	nodes := make(map[int64]ast.Expr)
	ast.PostOrderVisit(c.tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) { nodes[e.ID()] = e }))
	var errs []Error
	for _, f := range faults {
		e, ok := nodes[f.ExprID]
		switch {
		case !ok:
			errs = append(errs, Error{Offset: c.src.base + c.src.start[f.ExprID], Detail: f.Message})
		case e.Kind() == ast.CallKind:
			errs = append(errs, c.callFault(checked, e))
		case e.Kind() == ast.SelectKind:
			sel := e.AsSelect()
			errs = append(errs, Error{
				Offset: c.src.field(e),
				Detail: fmt.Sprintf("%s has no %q: it is %s", c.say(sel.Operand()), sel.FieldName(), typeWords(checked.GetType(sel.Operand().ID()))),
			})
		default:
			errs = append(errs, c.otherFault(checked, nodes, f, e))
		}
	}
	return errs
}

func (c *check) otherFault(checked *ast.AST, nodes map[int64]ast.Expr, f *common.Error, e ast.Expr) Error {
	at := c.src.first(e)
	t := checked.GetType(e.ID())
	switch {
	case strings.Contains(f.Message, "comprehension"):
		return Error{Offset: at, Detail: fmt.Sprintf("a list is needed here; %s is %s", c.say(e), typeWords(t))}
	case strings.Contains(f.Message, "expected type 'bool'"):
		return Error{Offset: at, Detail: fmt.Sprintf("a condition is needed here; %s is %s", c.say(e), typeWords(t))}
	}
	return Error{Offset: at, Detail: f.Message}
}

// callFault explains a call that no overload fits.
func (c *check) callFault(checked *ast.AST, e ast.Expr) Error {
	call := e.AsCall()
	name := call.FunctionName()
	if _, operator := operators.FindReverse(name); !operator && !caltrop.has(name) {
		return noFunction(name, c.src.callee(e))
	}
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	if verb, ok := verbs[name]; ok && len(args) > 0 {
		return Error{Offset: c.src.at(e), Detail: c.operatorFault(checked, verb, args), Hint: c.operatorHint(checked, name, args)}
	}
	if name == operators.Conditional {
		return c.conditionalFault(checked, e)
	}
	if isListCall(name) {
		return c.listFault(checked, e)
	}
	at := c.src.callee(e)
	if fn, ok := aggregates[name]; ok {
		return Error{
			Offset: at,
			Detail: fmt.Sprintf("%s() needs a list of %s; %s", name, aggTakes(fn), c.are(checked, args)),
			Hint:   name + "(step.field)",
		}
	}
	return Error{Offset: at, Detail: fmt.Sprintf("%s() does not take that: %s", name, c.are(checked, args)), Hint: signatures(name)}
}

// macros are the functions that bring a variable of their own.
var macros = []string{"exists", "all", "exists_one", "map", "filter"}

func noFunction(name string, at int) Error {
	for _, m := range macros {
		if m == name {
			return Error{Offset: at, Detail: fmt.Sprintf("%s() is asked of a list", name), Hint: fmt.Sprintf("LIST.%s(x, …)", name)}
		}
	}
	var names []string
	for known := range caltrop.env.Functions() {
		if isName(known[0]) && !strings.Contains(known, "@") {
			names = append(names, known)
		}
	}
	names = append(names, "has", "in_list", "lookup", "math.greatest", "math.least")
	names = append(names, macros...)
	for known := range aggregates {
		names = append(names, known)
	}
	return Error{Offset: at, Detail: fmt.Sprintf("there is no function %q", name), Hint: cmp.Or(elsewhere[name], nearest(name, names), aggregateHint)}
}

func (c *check) operatorFault(checked *ast.AST, verb string, args []ast.Expr) string {
	if len(args) == 1 {
		return fmt.Sprintf("cannot %s this: %s", verb, c.are(checked, args))
	}
	return fmt.Sprintf("cannot %s these: %s", verb, c.are(checked, args))
}

func (c *check) conditionalFault(checked *ast.AST, e ast.Expr) Error {
	args := e.AsCall().Args()
	if !isKind(checked, args[0], types.BoolKind) {
		return Error{Offset: c.src.first(args[0]), Detail: "what stands before ? must be true or false: " + c.are(checked, args[:1])}
	}
	return Error{
		Offset: c.src.at(e),
		Detail: "both sides of : must have one type: " + c.are(checked, args[1:]),
		Hint:   c.operatorHint(checked, operators.Conditional, args[1:]),
	}
}

// are says what each of the operands is.
func (c *check) are(checked *ast.AST, args []ast.Expr) string {
	if len(args) == 0 {
		return "nothing is given"
	}
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s is %s", c.say(a), typeWords(checked.GetType(a.ID())))
	}
	return b.String()
}

// say names an operand in a sentence.
func (c *check) say(e ast.Expr) string {
	if s := c.brief(e); s != "…" {
		return s
	}
	switch e.Kind() {
	case ast.CallKind:
		name := e.AsCall().FunctionName()
		if op, ok := operators.FindReverse(name); ok && op != "" {
			return "the result of " + op
		}
		if isName(name[0]) {
			plain, _, _ := strings.Cut(name, "@")
			return "the result of " + plain + "()"
		}
	case ast.ListKind:
		return "the list"
	}
	return "the expression"
}

// brief is an operand as written, "…" when it is not a single word.
func (c *check) brief(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		for _, d := range c.data {
			if d.ident() == e.AsIdent() {
				return slot.ReplaceAllString(d.text, "")
			}
		}
		return e.AsIdent()
	case ast.LiteralKind:
		if s, ok := e.AsLiteral().(types.String); ok {
			return fmt.Sprintf("%q", string(s))
		}
		if e.AsLiteral() == types.NullValue {
			return "null"
		}
		return fmt.Sprint(e.AsLiteral().Value())
	}
	return "…"
}

// signatures lists what a function takes.
func signatures(name string) string {
	fn := caltrop.env.Functions()[name]
	if fn == nil {
		return ""
	}
	var forms []string
	for _, o := range fn.OverloadDecls() {
		var b strings.Builder
		params := o.ArgTypes()
		if o.IsMemberFunction() {
			b.WriteString(celWord(params[0]) + ".")
			params = params[1:]
		}
		b.WriteString(name + "(")
		for i, p := range params {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(celWord(p))
		}
		b.WriteString(")")
		forms = append(forms, b.String())
		if len(forms) == 4 {
			break
		}
	}
	return "it is " + strings.Join(forms, " or ")
}
