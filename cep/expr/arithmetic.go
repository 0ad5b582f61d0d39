package expr

import (
	"math"

	"cel.dev/cel-go/common/operators"

	"github.com/caltrop/caltrop/cep/event"
)

// arithmetic compiles + - * / % and the sign. Ints, times and durations that
// leave their range are errors, and so is an int divided by zero.
func arithmetic(op string, args []node) node {
	x := args[0]
	if op == operators.Negate {
		return negate(x)
	}
	y := args[1]
	switch {
	case x.kind == isDouble && y.kind == isDouble:
		return doubleNode(doubles(op, x.d, y.d))
	case x.kind == isInt && y.kind == isInt:
		return intNode(isInt, ints(op, x.i, y.i))
	case op == operators.Add && x.kind == isString:
		return stringNode(concat(x.s, y.s))
	case op == operators.Add && x.kind == isList:
		return concatLists(x, y)
	}
	return clock(op, x, y)
}

func negate(x node) node {
	switch x.kind {
	case isDouble:
		p := x.d
		return doubleNode(func(f *Frame) (float64, bool) { a, ok := p(f); return -a, ok })
	case isInt, isDuration:
		p := x.i
		return intNode(x.kind, func(f *Frame) (int64, bool) {
			a, ok := p(f)
			return -a, ok && a != math.MinInt64
		})
	}
	return node{}
}

func doubles(op string, x, y func(*Frame) (float64, bool)) func(*Frame) (float64, bool) {
	both := func(f *Frame) (a, b float64, ok bool) {
		a, ok = x(f)
		if !ok {
			return 0, 0, false
		}
		b, ok = y(f)
		return a, b, ok
	}
	switch op {
	case operators.Add:
		return func(f *Frame) (float64, bool) { a, b, ok := both(f); return a + b, ok }
	case operators.Subtract:
		return func(f *Frame) (float64, bool) { a, b, ok := both(f); return a - b, ok }
	case operators.Multiply:
		return func(f *Frame) (float64, bool) { a, b, ok := both(f); return a * b, ok }
	}
	return func(f *Frame) (float64, bool) { a, b, ok := both(f); return a / b, ok }
}

func ints(op string, x, y func(*Frame) (int64, bool)) func(*Frame) (int64, bool) {
	var do func(a, b int64) (int64, bool)
	switch op {
	case operators.Add:
		do = addInts
	case operators.Subtract:
		do = subtractInts
	case operators.Multiply:
		do = multiplyInts
	case operators.Divide:
		do = divideInts
	default:
		do = remainder
	}
	return pair(x, y, do)
}

func addInts(a, b int64) (int64, bool) {
	c := a + b
	return c, (c > a) == (b > 0)
}

func subtractInts(a, b int64) (int64, bool) {
	c := a - b
	return c, (c < a) == (b > 0)
}

func multiplyInts(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	c := a * b
	if (c < 0) != ((a < 0) != (b < 0)) || c/b != a || a == -1 && b == math.MinInt64 || b == -1 && a == math.MinInt64 {
		return 0, false
	}
	return c, true
}

func divideInts(a, b int64) (int64, bool) {
	if b == 0 || a == math.MinInt64 && b == -1 {
		return 0, false
	}
	return a / b, true
}

func remainder(a, b int64) (int64, bool) {
	if b == 0 || a == math.MinInt64 && b == -1 {
		return 0, false
	}
	return a % b, true
}

func concat(x, y func(*Frame) (string, bool)) func(*Frame) (string, bool) {
	return func(f *Frame) (string, bool) {
		a, ok := x(f)
		if !ok {
			return "", false
		}
		b, ok := y(f)
		return a + b, ok
	}
}

// The first and last instants of CEL, in µs: years 1 to 9999.
const (
	timeMin = -62135596800_000_000
	timeMax = 253402300799_999_999
)

// clock compiles the arithmetic of times and durations.
func clock(op string, x, y node) node {
	if x.i == nil || y.i == nil {
		return node{}
	}
	p, q := x.i, y.i
	switch {
	case op == operators.Subtract && x.kind == isTime && y.kind == isTime:
		return intNode(isDuration, pair(p, q, func(a, b int64) (int64, bool) {
			d := a - b // both are within timeMin and timeMax, or nearly
			return d * 1000, d <= math.MaxInt64/1000 && d >= math.MinInt64/1000
		}))
	case op == operators.Subtract && x.kind == isTime:
		return intNode(isTime, pair(p, q, func(a, b int64) (int64, bool) { return shift(a, b, -1) }))
	case op == operators.Add && x.kind == isTime:
		return intNode(isTime, pair(p, q, func(a, b int64) (int64, bool) { return shift(a, b, 1) }))
	case op == operators.Add && y.kind == isTime:
		return intNode(isTime, pair(p, q, func(a, b int64) (int64, bool) { return shift(b, a, 1) }))
	case op == operators.Add:
		return intNode(isDuration, pair(p, q, addInts))
	case op == operators.Subtract:
		return intNode(isDuration, pair(p, q, subtractInts))
	}
	return node{}
}

// shift moves a time (µs) by a duration (ns); the result is rounded down to
// whole µs.
func shift(us, ns, sign int64) (int64, bool) {
	if ns == math.MinInt64 {
		return 0, false
	}
	t, ok := addInts(us, floorDiv(sign*ns, 1000))
	return t, ok && t >= timeMin && t <= timeMax
}

func pair(x, y func(*Frame) (int64, bool), do func(a, b int64) (int64, bool)) func(*Frame) (int64, bool) {
	return func(f *Frame) (int64, bool) {
		a, ok := x(f)
		if !ok {
			return 0, false
		}
		b, ok := y(f)
		if !ok {
			return 0, false
		}
		return do(a, b)
	}
}

func concatLists(x, y node) node {
	elem := x.elem
	if elem == noKind {
		elem = y.elem
	}
	p, q := x.l, y.l
	return node{kind: isList, elem: elem, l: func(f *Frame) ([]event.Value, bool) {
		a, ok := p(f)
		if !ok {
			return nil, false
		}
		b, ok := q(f)
		if !ok {
			return nil, false
		}
		start := len(f.arena)
		f.arena = append(append(f.arena, a...), b...)
		return f.arena[start:len(f.arena):len(f.arena)], true
	}}
}
