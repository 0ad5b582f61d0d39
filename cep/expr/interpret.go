package expr

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/caltrop/caltrop/cep/event"
)

// interpret makes p run the whole expression by cel-go: slow, and complete.
func interpret(p *Program, checked *ast.AST, data []*datum) error {
	if readsLists(checked) {
		return errors.New("a list cannot be read beside lists of lists and maps")
	}
	program, err := caltrop.env.PlanProgram(checked)
	if err != nil {
		return fmt.Errorf("planning the evaluation: %w", err)
	}
	names := make(map[string]*datum, len(data))
	for _, d := range data {
		names[d.ident()] = d
	}
	k, _ := kindOf(checked.GetType(checked.Expr().ID()))
	n := fromValue(k, func(f *Frame) (event.Value, bool) {
		out, _, err := program.Eval(&activation{frame: f, names: names})
		if err != nil || types.IsUnknownOrError(out) {
			return event.Value{}, false
		}
		return fromCEL(k, out)
	})
	p.eval, p.lists = n.result(), true
	if k == isBool {
		p.cond = n.b
	}
	return nil
}

// readsLists reports whether in_list or lookup stands in the expression: they
// need the frame, which cel-go's functions do not see.
func readsLists(checked *ast.AST) bool {
	found := false
	ast.PostOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		found = found || e.Kind() == ast.CallKind && isListCall(e.AsCall().FunctionName())
	}))
	return found
}

// An activation shows a frame to cel-go.
type activation struct {
	frame *Frame
	names map[string]*datum
}

var _ cel.Activation = (*activation)(nil)

// ResolveName returns a datum's value; false, an error to CEL, when it is
// missing.
func (a *activation) ResolveName(name string) (any, bool) {
	d, ok := a.names[name]
	if !ok {
		return nil, false
	}
	return boxDatum(d, a.frame)
}

// Parent returns nil: there are no outer names.
func (a *activation) Parent() cel.Activation { return nil }

func boxDatum(d *datum, f *Frame) (ref.Val, bool) {
	if d.list() && d.typ == event.StringList {
		return boxNested(d, f), true
	}
	return box(readerNode(d))(f)
}

// boxNested boxes a step's lists of strings: a list of lists.
func boxNested(d *datum, f *Frame) ref.Val {
	lists := []ref.Val{}
	for i := range f.Match.Len(d.step.Index) {
		if v, ok := d.of1(f.Match.At(d.step.Index, i)); ok {
			lists = append(lists, types.NewStringList(types.DefaultTypeAdapter, v.List()))
		}
	}
	return types.NewRefValList(types.DefaultTypeAdapter, lists)
}
