package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// A Verdict is what can be said of a condition without an event. It is for
// warnings: the zero Verdict says nothing, and what it says is certain.
type Verdict struct {
	Never   bool   // it is true of nothing
	Always  bool   // it is true of everything, and never an error
	Because string // with Never: which parts contradict each other
}

// alternativesMax bounds the ways to make a condition true that are looked
// at; past it nothing is said.
const alternativesMax = 64

// A judge decides about one checked expression by intervals: it writes the
// condition as alternatives of bounds and drops those that contradict
// themselves.
type judge struct {
	checked *ast.AST
	data    map[string]*datum
	because string
	lost    bool // too many alternatives: nothing is known
}

// verdictOf judges a condition.
func verdictOf(checked *ast.AST, data map[string]*datum) Verdict {
	e := checked.Expr()
	j := judge{checked: checked, data: data}
	ways := j.ways(e, true)
	if !j.lost && len(ways) == 0 {
		return Verdict{Never: true, Because: j.because}
	}
	j = judge{checked: checked, data: data}
	ways = j.ways(e, false)
	return Verdict{Always: !j.lost && len(ways) == 0 && j.total(e)}
}

// always is the one way that asks for nothing.
func always() [][]bound { return [][]bound{nil} }

// ways are alternatives of bounds, one of which must hold for e to be truth.
// None left means that e never is. An operand that ends in an error makes
// neither: so what holds of bounds holds of the condition.
func (j *judge) ways(e ast.Expr, truth bool) [][]bound {
	if e.Kind() == ast.LiteralKind {
		if b, ok := e.AsLiteral().(types.Bool); ok && bool(b) != truth {
			j.reason("false never holds")
			return nil
		}
		return always()
	}
	if e.Kind() != ast.CallKind {
		return j.flag(e, truth)
	}
	args := e.AsCall().Args()
	switch fn := e.AsCall().FunctionName(); fn {
	case operators.LogicalNot:
		return j.ways(args[0], !truth)
	case operators.LogicalAnd, operators.LogicalOr:
		a, b := j.ways(args[0], truth), j.ways(args[1], truth)
		if (fn == operators.LogicalAnd) == truth {
			return j.both(a, b)
		}
		return j.either(a, b)
	case operators.Conditional:
		yes := j.both(j.ways(args[0], true), j.ways(args[1], truth))
		return j.either(yes, j.both(j.ways(args[0], false), j.ways(args[2], truth)))
	case operators.In:
		return j.member(e, truth)
	default:
		if op, ok := relations[fn]; ok {
			return j.compare(e, op, truth)
		}
	}
	return j.flag(e, truth)
}

var relations = map[string]relation{
	operators.Equals: isEqual, operators.NotEquals: isUnequal, operators.Less: isLess,
	operators.LessEquals: isAtMost, operators.Greater: isMore, operators.GreaterEquals: isAtLeast,
}

func (j *judge) reason(words string) {
	if j.because == "" {
		j.because = words
	}
}

func (j *judge) either(a, b [][]bound) [][]bound {
	if len(a)+len(b) > alternativesMax {
		j.lost = true
		return always()
	}
	return append(a[:len(a):len(a)], b...)
}

// both joins each way of a with each of b, leaving out those that contradict
// themselves.
func (j *judge) both(a, b [][]bound) [][]bound {
	if len(a)*len(b) > alternativesMax {
		j.lost = true
		return always()
	}
	var out [][]bound
	for _, x := range a {
		for _, y := range b {
			way := append(x[:len(x):len(x)], y...)
			if words := conflict(way); words != "" {
				j.reason(words)
				continue
			}
			out = append(out, way)
		}
	}
	return out
}

// one is a single way, or none if its bounds contradict what is known.
func (j *judge) one(bounds ...bound) [][]bound {
	if words := conflict(bounds); words != "" {
		j.reason(words)
		return nil
	}
	return [][]bound{bounds}
}

// flag is a bool that is not looked into.
func (j *judge) flag(e ast.Expr, truth bool) [][]bound {
	key, ok := j.key(e)
	if !ok {
		return always()
	}
	words := key
	if !truth {
		words = "!" + key
	}
	t := unlimited(key)
	t.least, t.most, t.whole = 0, 1, true
	bounds := []bound{{term: t, op: isEqual, value: fixed{number: truthNumber(truth)}, words: words}}
	return j.one(append(bounds, j.presences(e)...)...)
}

func truthNumber(truth bool) float64 {
	if truth {
		return 1
	}
	return 0
}

// compare is a comparison of a term with a constant or of two terms.
func (j *judge) compare(e ast.Expr, op relation, truth bool) [][]bound {
	if !truth {
		op = op.opposite()
	}
	args := e.AsCall().Args()
	left, right := args[0], args[1]
	value, ok := constantOf(right)
	if !ok {
		if value, ok = constantOf(left); ok {
			left, right, op = right, left, op.mirrored()
		}
	}
	if !ok {
		return j.relate(left, right, op, truth)
	}
	if value.isText && op != isEqual && op != isUnequal {
		return always()
	}
	t, words, ok := j.term(left)
	if !ok {
		return always()
	}
	b := bound{term: t, op: op, value: value, words: words + " " + op.sign() + " " + constantWords(right), nan: !truth || op == isUnequal}
	return j.one(append([]bound{b}, j.presences(left)...)...)
}

// relate is a comparison of two terms: their order is a number, -1, 0 or 1.
func (j *judge) relate(left, right ast.Expr, op relation, truth bool) [][]bound {
	a, leftWords, ok := j.term(left)
	b, rightWords, fine := j.term(right)
	if !ok || !fine {
		return always()
	}
	words := leftWords + " " + op.sign() + " " + rightWords
	t := term{least: -1, most: 1, whole: true, nan: a.nan || b.nan}
	switch {
	case a.key == b.key:
		t.least, t.most = 0, 0
	case a.key > b.key:
		a, b, op = b, a, op.mirrored()
	}
	t.key = a.key + " ? " + b.key
	bounds := []bound{{term: t, op: op, words: words, nan: !truth || op == isUnequal}}
	return j.one(append(append(bounds, j.presences(left)...), j.presences(right)...)...)
}

// member is `x in [constants]`.
func (j *judge) member(e ast.Expr, truth bool) [][]bound {
	args := e.AsCall().Args()
	t, words, ok := j.term(args[0])
	if !ok || args[1].Kind() != ast.ListKind {
		return j.flag(e, truth)
	}
	var all []bound
	for _, x := range args[1].AsList().Elements() {
		value, ok := constantOf(x)
		if !ok {
			return j.flag(e, truth)
		}
		op := isEqual
		if !truth {
			op = isUnequal
		}
		all = append(all, bound{term: t, op: op, value: value, words: words + " " + op.sign() + " " + constantWords(x), nan: !truth})
	}
	if !truth {
		return j.one(append(all, j.presences(args[0])...)...)
	}
	var ways [][]bound
	for i := range all {
		ways = j.either(ways, j.one(append([]bound{all[i]}, j.presences(args[0])...)...))
	}
	return ways
}

// presences are the optional fields without which the operand is an error.
func (j *judge) presences(e ast.Expr) []bound {
	if e.Kind() != ast.IdentKind {
		return nil
	}
	d := j.data[e.AsIdent()]
	if d == nil || d.kind == presence || d.list() {
		return nil
	}
	t := unlimited("has(" + d.text + ")")
	t.least, t.most, t.whole = 0, 1, true
	return []bound{{term: t, op: isEqual, value: fixed{number: 1}, words: "the use of " + d.text}}
}
