package expr

import (
	"math"

	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/event"
)

// A kind is a type that has closures of its own. Inside an evaluation a time
// is µs since the epoch and a duration is ns, as CEL has it.
type kind uint8

const (
	noKind kind = iota
	isBool
	isInt
	isDouble
	isString
	isTime
	isDuration
	isList
)

// A node is a compiled subexpression: the one closure that its kind names is
// set. A closure's second result is false when the evaluation ended in an
// error. A closure of a list returns memory that is valid during one
// evaluation of the whole expression and is not to be changed.
type node struct {
	kind kind
	elem kind // of a list
	b    func(*Frame) (bool, bool)
	i    func(*Frame) (int64, bool) // int, time, duration
	d    func(*Frame) (float64, bool)
	s    func(*Frame) (string, bool)
	l    func(*Frame) ([]event.Value, bool)

	lit   bool // the value is known: in v, or in list
	v     event.Value
	list  []event.Value
	datum *datum // the node is nothing but this datum
}

func kindOf(t *types.Type) (k, elem kind) {
	switch t.Kind() {
	case types.BoolKind:
		return isBool, noKind
	case types.IntKind:
		return isInt, noKind
	case types.DoubleKind:
		return isDouble, noKind
	case types.StringKind:
		return isString, noKind
	case types.TimestampKind:
		return isTime, noKind
	case types.DurationKind:
		return isDuration, noKind
	case types.ListKind:
		elem, _ = kindOf(t.Parameters()[0])
		return isList, elem
	}
	return noKind, noKind
}

func boolNode(f func(*Frame) (bool, bool)) node { return node{kind: isBool, b: f} }

func doubleNode(f func(*Frame) (float64, bool)) node { return node{kind: isDouble, d: f} }

func stringNode(f func(*Frame) (string, bool)) node { return node{kind: isString, s: f} }

func intNode(k kind, f func(*Frame) (int64, bool)) node { return node{kind: k, i: f} }

// inner is how values of each kind lie in lists and locals: times in µs and
// durations in ns, both in Int.
func inner(k kind, v event.Value) event.Value {
	if k == isDouble && v.Type() != event.Double {
		return event.DoubleOf(v.Double())
	}
	return v
}

// literalNode is a node of a known value in inner form.
func literalNode(k kind, v event.Value) node {
	n := fromValue(k, func(*Frame) (event.Value, bool) { return v, true })
	switch k {
	case isBool:
		b := v.Bool()
		n.b = func(*Frame) (bool, bool) { return b, true }
	case isDouble:
		d := v.Double()
		n.d = func(*Frame) (float64, bool) { return d, true }
	case isString:
		s := v.Str()
		n.s = func(*Frame) (string, bool) { return s, true }
	case isInt, isTime, isDuration:
		i := v.Int()
		n.i = func(*Frame) (int64, bool) { return i, true }
	}
	n.lit, n.v = true, v
	return n
}

// fromValue is a node of kind k that reads a value in inner form.
func fromValue(k kind, get func(*Frame) (event.Value, bool)) node {
	n := node{kind: k}
	switch k {
	case isBool:
		n.b = func(f *Frame) (bool, bool) {
			v, ok := get(f)
			return v.Bool(), ok
		}
	case isInt, isTime, isDuration:
		n.i = func(f *Frame) (int64, bool) {
			v, ok := get(f)
			return v.Int(), ok
		}
	case isDouble:
		n.d = func(f *Frame) (float64, bool) {
			v, ok := get(f)
			return v.Double(), ok
		}
	case isString:
		n.s = func(f *Frame) (string, bool) {
			v, ok := get(f)
			return v.Str(), ok
		}
	}
	return n
}

// value reads any scalar node in inner form.
func (n node) value() func(*Frame) (event.Value, bool) {
	switch n.kind {
	case isBool:
		return func(f *Frame) (event.Value, bool) {
			b, ok := n.b(f)
			return event.BoolOf(b), ok
		}
	case isInt, isTime, isDuration:
		return func(f *Frame) (event.Value, bool) {
			i, ok := n.i(f)
			return event.IntOf(i), ok
		}
	case isDouble:
		return func(f *Frame) (event.Value, bool) {
			d, ok := n.d(f)
			return event.DoubleOf(d), ok
		}
	case isString:
		return func(f *Frame) (event.Value, bool) {
			s, ok := n.s(f)
			return event.StringOf(s), ok
		}
	}
	return nil
}

// result reads any scalar node as the value that an evaluation returns:
// durations in µs, rounded down.
func (n node) result() func(*Frame) (event.Value, bool) {
	get := n.value()
	switch n.kind {
	case isTime:
		return func(f *Frame) (event.Value, bool) {
			i, ok := n.i(f)
			return event.TimestampOf(i), ok
		}
	case isDuration:
		return func(f *Frame) (event.Value, bool) {
			i, ok := n.i(f)
			return event.DurationOf(floorDiv(i, 1000)), ok
		}
	}
	return get
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// data nodes

func datumNode(d *datum) node {
	n := readerNode(d)
	n.datum = d
	return n
}

func readerNode(d *datum) node {
	k, elem := kindOf(d.celType())
	switch {
	case d.list() && elem == isList:
		return node{} // a list of lists: cel-go evaluates it
	case d.list():
		return node{kind: isList, elem: elem, l: d.elements(elem)}
	case d.set:
		return node{kind: isList, elem: elem, l: d.readSet}
	case k == isList:
		return node{kind: isList, elem: isString, l: d.items}
	case d.kind == inEvent, d.kind == inStep:
		return fieldNode(d, k)
	case k == isDuration:
		return intNode(isDuration, func(f *Frame) (int64, bool) {
			v, ok := d.read(f)
			us := v.Int()
			if us > math.MaxInt64/1000 || us < math.MinInt64/1000 {
				return 0, false
			}
			return us * 1000, ok
		})
	}
	return fromValue(k, d.read)
}

// fieldNode reads a field of one event: the hot path.
func fieldNode(d *datum, k kind) node {
	switch {
	case d.typ == event.Decimal:
		unit := pow10(d.scale)
		return doubleNode(func(f *Frame) (float64, bool) {
			v := d.find(f)
			return float64(v.Int()) / unit, v.Present()
		})
	case k == isDouble:
		return doubleNode(func(f *Frame) (float64, bool) {
			v := d.find(f)
			return math.Float64frombits(uint64(v.Int())), v.Present()
		})
	case k == isString:
		return stringNode(func(f *Frame) (string, bool) {
			v := d.find(f)
			return v.Str(), v.Present()
		})
	case k == isBool:
		return boolNode(func(f *Frame) (bool, bool) {
			v := d.find(f)
			return v.Bool(), v.Present()
		})
	}
	return intNode(k, func(f *Frame) (int64, bool) {
		v := d.find(f)
		return v.Int(), v.Present()
	})
}

func pow10(scale uint8) float64 {
	p := 1.0
	for ; scale > 0; scale-- {
		p *= 10
	}
	return p
}

// elements reads a step's field of all its events, leaving out the events
// that lack it.
func (d *datum) elements(elem kind) func(*Frame) ([]event.Value, bool) {
	return func(f *Frame) ([]event.Value, bool) {
		start := len(f.arena)
		for i := range f.Match.Len(d.step.Index) {
			if v, ok := d.of1(f.Match.At(d.step.Index, i)); ok {
				f.arena = append(f.arena, inner(elem, v))
			}
		}
		return f.arena[start:len(f.arena):len(f.arena)], true
	}
}

// items reads a field that is a list of strings.
func (d *datum) items(f *Frame) ([]event.Value, bool) {
	v, ok := d.read(f)
	if !ok {
		return nil, false
	}
	return f.items(v), true
}

// items unpacks a list of strings into scratch space.
func (f *Frame) items(v event.Value) []event.Value {
	start := len(f.arena)
	for _, s := range v.List() {
		f.arena = append(f.arena, event.StringOf(s))
	}
	return f.arena[start:len(f.arena):len(f.arena)]
}
