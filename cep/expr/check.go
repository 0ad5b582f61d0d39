package expr

import (
	"fmt"
	"sort"
	"strings"

	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/event"
)

// Compile parses, checks and compiles src. want is the type the result must
// have; event.Invalid accepts any scalar. On failure the program is nil and
// there is at least one error.
func Compile(src string, want event.Type, sc *Scope) (*Program, []Error) {
	p, errs := compileAt(src, 0, want, sc)
	if p != nil {
		p.Text = strings.TrimSpace(src)
	}
	return p, errs
}

// compileAt compiles an expression that starts at offset base of a larger
// text.
func compileAt(text string, base int, want event.Type, sc *Scope) (*Program, []Error) {
	if len(text) > textMax {
		return nil, []Error{{Offset: base, Detail: fmt.Sprintf("the expression has %d bytes; the limit is %d", len(text), textMax)}}
	}
	parsed, iss := caltrop.env.Parse(text)
	if iss.Err() != nil {
		return nil, syntaxErrors(text, base, iss.Errors())
	}
	tree := parsed.NativeRep()
	src := newSource(text, base, tree.SourceInfo())
	return compileTree(tree, want, sc, src, false)
}

// compileArgument compiles the argument of a window's aggregate. A bare
// decimal field keeps its exact value: the program's type is then Decimal.
func compileArgument(e ast.Expr, sc *Scope, src *source, info *ast.SourceInfo) (*Program, []Error) {
	return compileTree(ast.NewAST(e, ast.CopySourceInfo(info)), event.Invalid, sc, src, true)
}

func compileTree(tree *ast.AST, want event.Type, sc *Scope, src *source, exact bool) (*Program, []Error) {
	r := newResolver(sc, src, tree.SourceInfo())
	r.walk(tree.Expr())
	if len(r.errs) > 0 {
		return nil, tidy(r.errs)
	}
	c := &check{tree: tree, src: src, data: r.data, want: want}
	checked, errs := c.run()
	if len(errs) > 0 {
		return nil, tidy(errs)
	}
	cost, err := estimate(checked, sc.CostLists)
	if err != nil {
		return nil, []Error{{Offset: src.first(tree.Expr()), Detail: err.Error()}}
	}
	if cost > CostLimit {
		return nil, []Error{costError(cost, src.first(tree.Expr()))}
	}
	p, err := assemble(checked, r.data, exact)
	if err != nil {
		return nil, []Error{{Offset: src.first(tree.Expr()), Detail: err.Error()}}
	}
	p.Reads, p.Cost = r.reads, cost
	shapeOf(p, checked, r.data)
	return p, nil
}

// tidy orders errors by place and drops repetitions.
func tidy(errs []Error) []Error {
	sort.SliceStable(errs, func(i, j int) bool { return errs[i].Offset < errs[j].Offset })
	kept := errs[:0]
	for i, e := range errs {
		if i == 0 || e != kept[len(kept)-1] {
			kept = append(kept, e)
		}
	}
	return kept
}

// A check types one resolved expression, turning integer literals beside
// doubles into doubles as it goes.
type check struct {
	tree *ast.AST
	src  *source
	data []*datum
	want event.Type
	fac  ast.ExprFactory

	promoted map[int64]bool // nodes that this pass made doubles
}

func (c *check) run() (*ast.AST, []Error) {
	env, err := caltrop.checkerFor(c.data)
	if err != nil {
		return nil, []Error{{Offset: c.src.base, Detail: err.Error()}}
	}
	c.fac = ast.NewExprFactory()
	source := common.NewTextSource(c.src.text)
	for {
		checked, faults := checker.Check(c.tree, source, env)
		if c.promoteAll(checked) {
			continue
		}
		if list := faults.GetErrors(); len(list) > 0 {
			return nil, c.explain(checked, list)
		}
		if e := c.result(checked); e != nil {
			return nil, []Error{*e}
		}
		return checked, c.constants()
	}
}

// result compares the type of the whole expression with the wanted one.
func (c *check) result(checked *ast.AST) *Error {
	got, ok := scalarType(checked.GetType(c.tree.Expr().ID()))
	at := c.src.first(c.tree.Expr())
	words := typeWords(checked.GetType(c.tree.Expr().ID()))
	switch {
	case c.want == event.Invalid && !ok:
		return &Error{Offset: at, Detail: fmt.Sprintf("the result must be a single value; this is %s", words), Hint: resultHint(checked.GetType(c.tree.Expr().ID()))}
	case c.want != event.Invalid && (!ok || got != c.want):
		return &Error{Offset: at, Detail: fmt.Sprintf("this must be %s; it is %s", wantWords(c.want), words), Hint: wantHint(c.want, got)}
	}
	return nil
}

// scalarType is the event type of an expression's result.
func scalarType(t *types.Type) (event.Type, bool) {
	switch t.Kind() {
	case types.BoolKind:
		return event.Bool, true
	case types.IntKind:
		return event.Int, true
	case types.DoubleKind:
		return event.Double, true
	case types.StringKind:
		return event.String, true
	case types.TimestampKind:
		return event.Timestamp, true
	case types.DurationKind:
		return event.Duration, true
	}
	return event.Invalid, false
}
