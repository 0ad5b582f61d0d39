package expr

import (
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/caltrop/caltrop/cep/event"
)

// sameInner compares two values of one kind in inner form, as == does.
func sameInner(k kind, a, b event.Value) bool {
	switch k {
	case isString:
		return a.Str() == b.Str()
	case isDouble:
		return a.Double() == b.Double()
	case isBool:
		return a.Bool() == b.Bool()
	}
	return a.Int() == b.Int()
}

func literalList(elem kind, list []event.Value) node {
	return node{kind: isList, elem: elem, lit: true, list: list,
		l: func(*Frame) ([]event.Value, bool) { return list, true }}
}

func (a *assembler) listLiteral(e ast.Expr) node {
	elements := e.AsList().Elements()
	_, elem := kindOf(a.checked.GetType(e.ID()))
	if len(elements) == 0 {
		return literalList(elem, nil)
	}
	if elem == noKind || elem == isList || len(e.AsList().OptionalIndices()) > 0 {
		return a.fail()
	}
	get := make([]func(*Frame) (event.Value, bool), len(elements))
	known := make([]event.Value, 0, len(elements))
	for i, x := range elements {
		n := a.node(x)
		if a.giveUp {
			return node{}
		}
		get[i] = n.value()
		if n.lit {
			known = append(known, n.v)
		}
	}
	if len(known) == len(elements) {
		return literalList(elem, known)
	}
	return node{kind: isList, elem: elem, l: func(f *Frame) ([]event.Value, bool) {
		start := len(f.arena)
		for range get {
			f.arena = append(f.arena, event.Value{})
		}
		for i, g := range get {
			v, ok := g(f) // may move the arena
			if !ok {
				return nil, false
			}
			f.arena[start+i] = v
		}
		return f.arena[start : start+len(get) : start+len(get)], true
	}}
}

// membershipSet is the length from which a list of known values is searched
// through a map.
const membershipSet = 8

// membership compiles `in`.
func membership(x, y node) node {
	if y.kind != isList {
		return node{}
	}
	k := x.kind
	if y.lit && len(y.list) >= membershipSet && k == isString {
		set := make(map[string]bool, len(y.list))
		for _, v := range y.list {
			set[v.Str()] = true
		}
		p := x.s
		return boolNode(func(f *Frame) (bool, bool) {
			s, ok := p(f)
			return ok && set[s], ok
		})
	}
	p, q := x.value(), y.l
	return boolNode(func(f *Frame) (bool, bool) {
		v, ok := p(f)
		if !ok {
			return false, false
		}
		list, ok := q(f)
		for _, item := range list {
			if sameInner(k, v, item) {
				return true, ok
			}
		}
		return false, ok
	})
}

func index(args []node) node {
	list, i := args[0], args[1]
	if list.kind != isList || i.kind != isInt {
		return node{}
	}
	p, q := list.l, i.i
	return fromValue(list.elem, func(f *Frame) (event.Value, bool) {
		items, ok := p(f)
		if !ok {
			return event.Value{}, false
		}
		at, ok := q(f)
		if !ok || at < 0 || at >= int64(len(items)) {
			return event.Value{}, false
		}
		return items[at], true
	})
}

func size(args []node) node {
	switch x := args[0]; x.kind {
	case isString:
		p := x.s
		return intNode(isInt, func(f *Frame) (int64, bool) {
			s, ok := p(f)
			return int64(utf8.RuneCountInString(s)), ok
		})
	case isList:
		p := x.l
		return intNode(isInt, func(f *Frame) (int64, bool) {
			list, ok := p(f)
			return int64(len(list)), ok
		})
	}
	return node{}
}

func equalLists(x, y node, want bool) func(*Frame) (bool, bool) {
	p, q, k := x.l, y.l, x.elem
	return func(f *Frame) (bool, bool) {
		a, ok := p(f)
		if !ok {
			return false, false
		}
		b, ok := q(f)
		if !ok {
			return false, false
		}
		same := len(a) == len(b)
		for i := 0; same && i < len(a); i++ {
			same = sameInner(k, a[i], b[i])
		}
		return same == want, true
	}
}

// comprehension compiles what the macros exists, all, exists_one, map and
// filter expand to.
func (a *assembler) comprehension(e ast.Expr) node {
	c := e.AsComprehension()
	list := a.node(c.IterRange())
	if a.giveUp || list.kind != isList || c.HasIterVar2() {
		return a.fail()
	}
	k, elem := kindOf(a.checked.GetType(c.AccuInit().ID()))
	if list.elem == noKind && !list.lit {
		return a.fail()
	}
	depth := len(a.locals)
	iter := variable{name: c.IterVar(), slot: depth, kind: list.elem}
	if k == isList {
		a.enter(iter)
		defer func() { a.locals = a.locals[:depth] }()
		return a.collect(c, list, elem)
	}
	accu := variable{name: c.AccuVar(), slot: depth + 1, kind: k}
	a.enter(iter, accu)
	defer func() { a.locals = a.locals[:depth] }()
	return a.loop(c, list, iter.slot, accu.slot)
}

func (a *assembler) enter(vars ...variable) {
	a.locals = append(a.locals, vars...)
	a.depth = max(a.depth, len(a.locals))
}

// loop runs a fold whose result is a scalar. An error in a step is the
// accumulator's value, so that && and || can absorb it.
func (a *assembler) loop(c ast.ComprehensionExpr, list node, iter, accu int) node {
	init, more, step, result := a.node(c.AccuInit()), a.node(c.LoopCondition()), a.node(c.LoopStep()), a.node(c.Result())
	if a.giveUp || step.kind == isList {
		return a.fail()
	}
	items, start, goOn, next := list.l, init.value(), more.b, step.value()
	run := func(f *Frame) bool {
		values, ok := items(f)
		if !ok {
			return false
		}
		v, ok := start(f)
		f.locals[accu] = local{v: v, ok: ok}
		for _, item := range values {
			f.locals[iter] = local{v: item, ok: true}
			if on, ok := goOn(f); !ok || !on {
				break
			}
			v, ok := next(f)
			f.locals[accu] = local{v: v, ok: ok}
		}
		return true
	}
	get := result.value()
	return fromValue(result.kind, func(f *Frame) (event.Value, bool) {
		if !run(f) {
			return event.Value{}, false
		}
		return get(f)
	})
}

// collect builds the list that map or filter makes.
func (a *assembler) collect(c ast.ComprehensionExpr, list node, elem kind) node {
	keep, item, ok := collected(c)
	if !ok {
		return a.fail()
	}
	test := literalNode(isBool, event.BoolOf(true))
	if keep != nil {
		test = a.node(keep)
	}
	made := a.node(item)
	if a.giveUp || made.kind == isList {
		return a.fail()
	}
	iter := a.locals[len(a.locals)-1].slot
	items, get, holds := list.l, made.value(), test.b
	return node{kind: isList, elem: elem, l: func(f *Frame) ([]event.Value, bool) {
		values, ok := items(f)
		if !ok {
			return nil, false
		}
		out := make([]event.Value, 0, len(values))
		for _, x := range values {
			f.locals[iter] = local{v: x, ok: true}
			on, ok := holds(f)
			if !ok {
				return nil, false
			}
			if !on {
				continue
			}
			v, ok := get(f)
			if !ok {
				return nil, false
			}
			out = append(out, v)
		}
		return out, true
	}}
}

// collected recognizes the step of map and filter: accu + [item], perhaps
// under a condition.
func collected(c ast.ComprehensionExpr) (keep, item ast.Expr, ok bool) {
	step := c.LoopStep()
	if isCall(step, operators.Conditional) {
		args := step.AsCall().Args()
		if args[2].Kind() != ast.IdentKind || args[2].AsIdent() != c.AccuVar() {
			return nil, nil, false
		}
		keep, step = args[0], args[1]
	}
	if !isCall(step, operators.Add) || c.Result().Kind() != ast.IdentKind || c.LoopCondition().Kind() != ast.LiteralKind {
		return nil, nil, false
	}
	args := step.AsCall().Args()
	if args[0].Kind() != ast.IdentKind || args[0].AsIdent() != c.AccuVar() || args[1].Kind() != ast.ListKind || args[1].AsList().Size() != 1 {
		return nil, nil, false
	}
	return keep, args[1].AsList().Elements()[0], true
}

func isCall(e ast.Expr, name string) bool {
	return e.Kind() == ast.CallKind && e.AsCall().FunctionName() == name
}
