package expr

import (
	"cmp"

	"cel.dev/cel-go/common/operators"

	"github.com/caltrop/caltrop/cep/event"
)

// and is CEL's: false if either side is false, even if the other is an error.
func and(x, y node) node {
	switch {
	case x.lit && !x.v.Bool(), y.lit && !y.v.Bool():
		return literalNode(isBool, event.BoolOf(false))
	case x.lit:
		return y
	case y.lit:
		return x
	}
	p, q := x.b, y.b
	return boolNode(func(f *Frame) (bool, bool) {
		a, ok := p(f)
		if ok && !a {
			return false, true
		}
		b, sure := q(f)
		if sure && !b {
			return false, true
		}
		return ok && sure, ok && sure
	})
}

// or is CEL's: true if either side is true, even if the other is an error.
func or(x, y node) node {
	switch {
	case x.lit && x.v.Bool(), y.lit && y.v.Bool():
		return literalNode(isBool, event.BoolOf(true))
	case x.lit:
		return y
	case y.lit:
		return x
	}
	p, q := x.b, y.b
	return boolNode(func(f *Frame) (bool, bool) {
		a, ok := p(f)
		if ok && a {
			return true, true
		}
		b, sure := q(f)
		if sure && b {
			return true, true
		}
		return false, ok && sure
	})
}

func not(x node) node {
	p := x.b
	return boolNode(func(f *Frame) (bool, bool) {
		a, ok := p(f)
		return !a, ok
	})
}

// conditional evaluates only the chosen side.
func conditional(c, x, y node) node {
	if c.lit {
		if c.v.Bool() {
			return x
		}
		return y
	}
	p := c.b
	switch x.kind {
	case isBool:
		return boolNode(choose(p, x.b, y.b))
	case isDouble:
		return doubleNode(choose(p, x.d, y.d))
	case isString:
		return stringNode(choose(p, x.s, y.s))
	case isList:
		elem := x.elem
		if elem == noKind {
			elem = y.elem
		}
		return node{kind: isList, elem: elem, l: choose(p, x.l, y.l)}
	}
	return intNode(x.kind, choose(p, x.i, y.i))
}

func choose[T any](p func(*Frame) (bool, bool), x, y func(*Frame) (T, bool)) func(*Frame) (T, bool) {
	return func(f *Frame) (T, bool) {
		truth, ok := p(f)
		switch {
		case !ok:
			var none T
			return none, false
		case truth:
			return x(f)
		}
		return y(f)
	}
}

// equality compiles == and !=. NaN equals nothing.
func equality(x, y node, want bool) node {
	if x.lit && !y.lit {
		x, y = y, x
	}
	switch x.kind {
	case isBool:
		return boolNode(equal(x.b, y.b, want))
	case isDouble:
		if y.lit {
			return boolNode(equalTo(x.d, y.v.Double(), want))
		}
		return boolNode(equal(x.d, y.d, want))
	case isString:
		if y.lit {
			return boolNode(equalTo(x.s, y.v.Str(), want))
		}
		return boolNode(equal(x.s, y.s, want))
	case isInt, isTime, isDuration:
		if y.lit {
			return boolNode(equalTo(x.i, y.v.Int(), want))
		}
		return boolNode(equal(x.i, y.i, want))
	case isList:
		return boolNode(equalLists(x, y, want))
	}
	return node{}
}

func equal[T comparable](x, y func(*Frame) (T, bool), want bool) func(*Frame) (bool, bool) {
	return func(f *Frame) (bool, bool) {
		a, ok := x(f)
		if !ok {
			return false, false
		}
		b, ok := y(f)
		return (a == b) == want, ok
	}
}

func equalTo[T comparable](x func(*Frame) (T, bool), b T, want bool) func(*Frame) (bool, bool) {
	return func(f *Frame) (bool, bool) {
		a, ok := x(f)
		return (a == b) == want, ok
	}
}

// order compiles the comparisons; those of NaN are false, as in CEL.
func order(op string, x, y node) node {
	if x.lit && !y.lit {
		return order(mirrored(op), y, x)
	}
	switch x.kind {
	case isDouble:
		if y.lit {
			return boolNode(compareTo(op, x.d, y.v.Double()))
		}
		return boolNode(compare(op, x.d, y.d))
	case isString:
		if y.lit {
			return boolNode(compareTo(op, x.s, y.v.Str()))
		}
		return boolNode(compare(op, x.s, y.s))
	case isInt, isTime, isDuration:
		if y.lit {
			return boolNode(compareTo(op, x.i, y.v.Int()))
		}
		return boolNode(compare(op, x.i, y.i))
	case isBool:
		return boolNode(compare(op, asInt(x.b), asInt(y.b)))
	}
	return node{}
}

func asInt(x func(*Frame) (bool, bool)) func(*Frame) (int64, bool) {
	return func(f *Frame) (int64, bool) {
		b, ok := x(f)
		if b {
			return 1, ok
		}
		return 0, ok
	}
}

// mirrored is the operator for swapped operands.
func mirrored(op string) string {
	switch op {
	case operators.Less:
		return operators.Greater
	case operators.LessEquals:
		return operators.GreaterEquals
	case operators.Greater:
		return operators.Less
	}
	return operators.LessEquals
}

func compare[T cmp.Ordered](op string, x, y func(*Frame) (T, bool)) func(*Frame) (bool, bool) {
	both := func(f *Frame) (a, b T, ok bool) {
		a, ok = x(f)
		if !ok {
			return a, b, false
		}
		b, ok = y(f)
		return a, b, ok
	}
	switch op {
	case operators.Less:
		return func(f *Frame) (bool, bool) { a, b, ok := both(f); return a < b, ok }
	case operators.LessEquals:
		return func(f *Frame) (bool, bool) { a, b, ok := both(f); return a <= b, ok }
	case operators.Greater:
		return func(f *Frame) (bool, bool) { a, b, ok := both(f); return a > b, ok }
	}
	return func(f *Frame) (bool, bool) { a, b, ok := both(f); return a >= b, ok }
}

func compareTo[T cmp.Ordered](op string, x func(*Frame) (T, bool), b T) func(*Frame) (bool, bool) {
	switch op {
	case operators.Less:
		return func(f *Frame) (bool, bool) { a, ok := x(f); return a < b, ok }
	case operators.LessEquals:
		return func(f *Frame) (bool, bool) { a, ok := x(f); return a <= b, ok }
	case operators.Greater:
		return func(f *Frame) (bool, bool) { a, ok := x(f); return a > b, ok }
	}
	return func(f *Frame) (bool, bool) { a, ok := x(f); return a >= b, ok }
}
