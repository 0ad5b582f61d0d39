package expr

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/agg"
)

// exactMax is the greatest whole number that a double holds exactly with all
// smaller ones.
const exactMax = 1 << 53

// constantOf reads a literal, one with a minus, a duration("…") or a
// timestamp("…").
func constantOf(e ast.Expr) (fixed, bool) {
	switch {
	case e.Kind() == ast.LiteralKind:
		return literalOf(e)
	case isCall(e, operators.Negate):
		c, ok := constantOf(e.AsCall().Args()[0])
		c.number = -c.number
		return c, ok && !c.isText
	case isCall(e, overloads.TypeConvertDuration), isCall(e, overloads.TypeConvertTimestamp):
		if args := e.AsCall().Args(); len(args) == 1 && args[0].Kind() == ast.LiteralKind {
			if text, ok := args[0].AsLiteral().(types.String); ok {
				return instantOf(e.AsCall().FunctionName(), string(text))
			}
		}
	}
	return fixed{}, false
}

func literalOf(e ast.Expr) (fixed, bool) {
	switch v := e.AsLiteral().(type) {
	case types.Int:
		return fixed{number: float64(v)}, v > -exactMax && v < exactMax
	case types.Double:
		return fixed{number: float64(v)}, !math.IsNaN(float64(v))
	case types.Bool:
		return fixed{number: truthNumber(bool(v))}, true
	case types.String:
		return fixed{text: string(v), isText: true}, true
	}
	return fixed{}, false
}

// instantOf reads a duration or a time, in µs, as events have them.
func instantOf(fn, text string) (fixed, bool) {
	if fn == overloads.TypeConvertDuration {
		d, err := time.ParseDuration(text)
		return fixed{number: float64(d.Microseconds())}, err == nil && d%time.Microsecond == 0
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return fixed{number: float64(t.UnixMicro())}, err == nil && t.Nanosecond()%1000 == 0
}

func constantWords(e ast.Expr) string {
	if e.Kind() == ast.CallKind {
		args := e.AsCall().Args()
		if isCall(e, operators.Negate) {
			return "-" + constantWords(args[0])
		}
		return e.AsCall().FunctionName() + "(" + constantWords(args[0]) + ")"
	}
	switch v := e.AsLiteral().(type) {
	case types.String:
		return strconv.Quote(string(v))
	case types.Double:
		return strconv.FormatFloat(float64(v), 'g', -1, 64)
	}
	return fmt.Sprint(e.AsLiteral().Value())
}

// term makes a term of an operand, with its words. False means that two of
// its evaluations could not be compared.
func (j *judge) term(e ast.Expr) (t term, words string, ok bool) {
	if inner, isCount := j.counted(e); isCount {
		e = inner // double(n) is n
	}
	key, ok := j.key(e)
	if !ok {
		return term{}, "", false
	}
	t = unlimited(key)
	switch j.checked.GetType(e.ID()).Kind() {
	case types.IntKind:
		t.whole = true
	case types.BoolKind:
		t.least, t.most, t.whole = 0, 1, true
	case types.DoubleKind:
		t.nan = true
	}
	j.limit(e, &t)
	return t, slot.ReplaceAllString(key, ""), true
}

// slot is what tells equal-looking aggregates of a window apart.
var slot = regexp.MustCompile(` #\d+`)

// counted finds n in double(n), n a whole number.
func (j *judge) counted(e ast.Expr) (ast.Expr, bool) {
	if !isCall(e, overloads.TypeConvertDouble) {
		return nil, false
	}
	n := e.AsCall().Args()[0]
	return n, j.checked.GetType(n.ID()).Kind() == types.IntKind
}

// limit notes what is known of a term beforehand.
func (j *judge) limit(e ast.Expr, t *term) {
	if e.Kind() == ast.CallKind {
		switch j.name(e) {
		case "geo.km", "math.abs", "size":
			t.least = 0
		}
		return
	}
	if e.Kind() != ast.IdentKind {
		return
	}
	d := j.data[e.AsIdent()]
	if d == nil {
		return
	}
	if c := d.counts(); c != nil {
		t.least = float64(c.Least)
		if c.Most > 0 {
			t.most = float64(c.Most)
		}
	}
	if (d.kind == stepAgg || d.kind == windowAgg) && d.fn() == agg.Stddev {
		t.least = 0
	}
}

// A Count bounds a number of events or of distinct values. The zero Count is
// any.
type Count struct {
	Least, Most int  // Most 0: no bound
	Partial     bool // of no values it is an error
}

// counts returns the bounds of a datum that is a number of events or of
// distinct values; nil for others.
func (d *datum) counts() *Count {
	switch d.kind {
	case windowValue, windowAgg:
		return d.count
	case stepAgg:
		c := d.of.step.Count
		switch fn := d.fn(); {
		case fn == agg.Count && d.of.kind == wholeStep:
			return &c
		case fn == agg.Count: // events without the field are left out
			return &Count{Most: c.Most}
		case fn == agg.Distinct:
			return &Count{Least: 1, Most: c.Most, Partial: true}
		}
	}
	return nil
}

// windowCount bounds an aggregate of a window, which has at least one event;
// nil when it is no number of events.
func windowCount(fn agg.Func, bare bool) *Count {
	switch {
	case fn == agg.Count && bare:
		return &Count{Least: 1}
	case fn == agg.Count:
		return &Count{}
	case fn == agg.Distinct:
		return &Count{Least: 1, Partial: true}
	}
	return nil
}

// fn is the function of an aggregate.
func (d *datum) fn() agg.Func { return d.agg.Spec.Func }

// name is a called function with its namespace.
func (j *judge) name(e ast.Expr) string {
	c := e.AsCall()
	if c.IsMemberFunction() && c.Target().Kind() == ast.IdentKind && j.data[c.Target().AsIdent()] == nil {
		return c.Target().AsIdent() + "." + c.FunctionName()
	}
	return c.FunctionName()
}

// key prints an operand so that equal texts mean equal values; false for what
// has variables of its own.
func (j *judge) key(e ast.Expr) (string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		if d := j.data[e.AsIdent()]; d != nil {
			return d.text, true
		}
		return "", false
	case ast.LiteralKind:
		return constantWords(e), true
	case ast.ListKind:
		parts, ok := j.keys(e.AsList().Elements())
		return "[" + strings.Join(parts, ", ") + "]", ok
	case ast.CallKind:
		return j.callKey(e)
	}
	return "", false
}

func (j *judge) keys(list []ast.Expr) ([]string, bool) {
	parts := make([]string, len(list))
	for i, x := range list {
		p, ok := j.key(x)
		if !ok {
			return nil, false
		}
		parts[i] = p
	}
	return parts, true
}

func (j *judge) callKey(e ast.Expr) (string, bool) {
	c := e.AsCall()
	args := c.Args()
	name := j.name(e)
	if c.IsMemberFunction() && !strings.Contains(name, ".") {
		args = append([]ast.Expr{c.Target()}, args...)
	}
	parts, ok := j.keys(args)
	if !ok {
		return "", false
	}
	if sign, binary := operators.FindReverseBinaryOperator(name); binary && len(parts) == 2 {
		return "(" + parts[0] + " " + sign + " " + parts[1] + ")", true
	}
	if list, isList := strings.CutPrefix(name, inListPrefix); isList && list != "" {
		name = "in_list"
	}
	return strings.TrimPrefix(name, "_") + "(" + strings.Join(parts, ", ") + ")", true
}

// total reports whether e never ends in an error, as far as can be seen.
func (j *judge) total(e ast.Expr) bool {
	switch e.Kind() {
	case ast.LiteralKind:
		return true
	case ast.IdentKind:
		d := j.data[e.AsIdent()]
		return d != nil && d.total()
	case ast.ListKind:
		return j.totals(e.AsList().Elements())
	case ast.CallKind:
		switch name := e.AsCall().FunctionName(); name {
		case operators.LogicalNot, operators.LogicalAnd, operators.LogicalOr, operators.Conditional, operators.In:
			return j.totals(e.AsCall().Args())
		default:
			_, comparison := relations[name]
			_, count := j.counted(e)
			return (comparison || count) && j.totals(e.AsCall().Args())
		}
	}
	return false
}

func (j *judge) totals(list []ast.Expr) bool {
	for _, x := range list {
		if !j.total(x) {
			return false
		}
	}
	return true
}

// total reports whether a datum is always there.
func (d *datum) total() bool {
	if c := d.counts(); c != nil {
		return !c.Partial
	}
	switch d.kind {
	case inEvent:
		return d.needed
	case eventTime, alertTime:
		return d.stream == ""
	case presence:
		return true
	}
	return false
}
