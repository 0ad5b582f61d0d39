package expr

import (
	"fmt"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/caltrop/caltrop/cep/event"
)

// An assembler turns a checked expression into closures. What it has no
// closures for makes it give up: cel-go then evaluates the whole expression.
type assembler struct {
	checked *ast.AST
	data    map[string]*datum // by identifier
	locals  []variable        // macros' variables in sight, innermost last
	depth   int               // most locals at once
	giveUp  bool
}

// A variable is one of a macro.
type variable struct {
	name       string
	slot       int
	kind, elem kind
}

// assemble makes the program of a checked expression.
func assemble(checked *ast.AST, data []*datum, exact bool) (*Program, error) {
	a := &assembler{checked: checked, data: make(map[string]*datum, len(data))}
	for _, d := range data {
		a.data[d.ident()] = d
	}
	root := checked.Expr()
	typ, _ := scalarType(checked.GetType(root.ID()))
	p := &Program{Type: typ}
	n := a.node(root)
	if a.giveUp {
		if err := interpret(p, checked, data); err != nil {
			return nil, err
		}
		return p, nil
	}
	p.eval, p.locals = n.result(), a.depth
	p.lists = a.usesLists(root)
	if n.kind == isBool {
		p.cond = n.b
		if !p.lists {
			p.Parts = a.parts(root, nil)
		}
	}
	if exact && n.datum != nil && n.datum.typ == event.Decimal {
		p.Type, p.Scale, p.eval = event.Decimal, n.datum.scale, n.datum.read
	}
	if n.datum != nil && n.datum.kind == windowAgg {
		p.alone = n.datum
	}
	if n.datum != nil && n.datum.kind == inEvent && n.datum.typ == p.Type {
		p.field = n.datum
	}
	if n.lit && n.kind == isBool {
		truth := n.v.Bool()
		p.Const = &truth
	}
	return p, nil
}

// usesLists reports whether evaluating e needs the frame's scratch space.
func (a *assembler) usesLists(e ast.Expr) bool {
	found := a.depth > 0
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		found = found || isKind(a.checked, e, types.ListKind)
	}))
	return found
}

func (a *assembler) fail() node {
	a.giveUp = true
	return node{}
}

// node compiles e. After giving up it returns a node without closures.
func (a *assembler) node(e ast.Expr) node {
	if a.giveUp {
		return node{}
	}
	n := a.compile(e)
	if n.kind == noKind || n.kind == isList && n.elem == isList {
		return a.fail()
	}
	return n
}

func (a *assembler) compile(e ast.Expr) node {
	switch e.Kind() {
	case ast.LiteralKind:
		return constant(e)
	case ast.IdentKind:
		return a.identifier(e.AsIdent())
	case ast.CallKind:
		return a.call(e)
	case ast.ListKind:
		return a.listLiteral(e)
	case ast.ComprehensionKind:
		return a.comprehension(e)
	}
	return node{}
}

func constant(e ast.Expr) node {
	switch v := e.AsLiteral().(type) {
	case types.Bool:
		return literalNode(isBool, event.BoolOf(bool(v)))
	case types.Int:
		return literalNode(isInt, event.IntOf(int64(v)))
	case types.Double:
		return literalNode(isDouble, event.DoubleOf(float64(v)))
	case types.String:
		return literalNode(isString, event.StringOf(string(v)))
	}
	return node{}
}

func (a *assembler) identifier(name string) node {
	for i := len(a.locals) - 1; i >= 0; i-- {
		if v := a.locals[i]; v.name == name {
			return localNode(v)
		}
	}
	if d, ok := a.data[name]; ok {
		return datumNode(d)
	}
	return node{}
}

func localNode(v variable) node {
	slot := v.slot
	if v.kind == isList {
		return node{kind: isList, elem: v.elem, l: func(f *Frame) ([]event.Value, bool) {
			return f.locals[slot].list, f.locals[slot].ok
		}}
	}
	return fromValue(v.kind, func(f *Frame) (event.Value, bool) {
		return f.locals[slot].v, f.locals[slot].ok
	})
}

// call compiles operators and functions.
func (a *assembler) call(e ast.Expr) node {
	c := e.AsCall()
	var operands []ast.Expr
	if c.IsMemberFunction() {
		operands = append(operands, c.Target())
	}
	operands = append(operands, c.Args()...)
	args := make([]node, len(operands))
	for i, x := range operands {
		if args[i] = a.node(x); a.giveUp {
			return node{}
		}
	}
	n := a.apply(e, c.FunctionName(), args)
	if n.kind == noKind {
		n = a.bridge(e, c.FunctionName(), args)
	}
	return fold(n, args)
}

// apply compiles what has closures of its own; the zero node means that
// cel-go's implementation must serve.
func (a *assembler) apply(e ast.Expr, name string, args []node) node {
	switch name {
	case operators.LogicalAnd:
		return and(args[0], args[1])
	case operators.LogicalOr:
		return or(args[0], args[1])
	case operators.LogicalNot:
		return not(args[0])
	case operators.NotStrictlyFalse:
		x := args[0].b
		return boolNode(func(f *Frame) (bool, bool) {
			v, ok := x(f)
			return v || !ok, true
		})
	case operators.Conditional:
		return conditional(args[0], args[1], args[2])
	case operators.Equals, operators.NotEquals:
		return equality(args[0], args[1], name == operators.Equals)
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return order(name, args[0], args[1])
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate:
		return arithmetic(name, args)
	case operators.In:
		return membership(args[0], args[1])
	case operators.Index:
		return index(args)
	case "size":
		return size(args)
	}
	if isListCall(name) {
		return listNode(name, args[0], args[1])
	}
	return function(name, args)
}

// fold evaluates a call of known values once, when it is not an error.
func fold(n node, args []node) node {
	if n.lit || n.kind == noKind || n.kind == isList {
		return n
	}
	for _, a := range args {
		if !a.lit {
			return n
		}
	}
	if v, ok := n.value()(&Frame{}); ok {
		return literalNode(n.kind, v)
	}
	return n
}

// toCEL boxes a value in inner form for cel-go.
func toCEL(k kind, v event.Value) ref.Val {
	switch k {
	case isBool:
		return types.Bool(v.Bool())
	case isInt:
		return types.Int(v.Int())
	case isDouble:
		return types.Double(v.Double())
	case isString:
		return types.String(v.Str())
	case isTime:
		return types.Timestamp{Time: time.UnixMicro(v.Int()).UTC()}
	case isDuration:
		return types.Duration{Duration: time.Duration(v.Int())}
	}
	panic(fmt.Sprintf("expr: boxing kind %d", k))
}
