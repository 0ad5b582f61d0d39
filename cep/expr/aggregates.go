package expr

import (
	"fmt"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/debug"
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

// aggregates are the aggregate functions by name.
var aggregates = map[string]agg.Func{
	"count": agg.Count, "sum": agg.Sum, "avg": agg.Avg, "min": agg.Min, "max": agg.Max,
	"stddev": agg.Stddev, "distinct": agg.Distinct, "first": agg.First, "last": agg.Last,
	"percentile": agg.Percentile,
}

// aggResult is the type of an aggregate over values of type t; false when the
// aggregate does not take them.
func aggResult(fn agg.Func, t event.Type) (event.Type, bool) {
	number := t == event.Int || t == event.Double || t == event.Decimal
	scalar := t != event.StringList && t != event.Invalid
	same := t
	if t == event.Decimal {
		same = event.Double
	}
	switch fn {
	case agg.Count:
		return event.Int, true
	case agg.Distinct:
		return event.Int, scalar
	case agg.Avg, agg.Stddev:
		return event.Double, number
	case agg.Sum, agg.Percentile:
		return same, number
	case agg.Min, agg.Max:
		return same, scalar && t != event.Bool
	case agg.First, agg.Last:
		return same, scalar
	}
	return event.Invalid, false
}

// aggTakes says in words what an aggregate takes.
func aggTakes(fn agg.Func) string {
	switch fn {
	case agg.Sum, agg.Avg, agg.Stddev, agg.Percentile:
		return "numbers"
	case agg.Min, agg.Max:
		return "numbers, texts or times"
	}
	return "single values"
}

// stepCall resolves an aggregate over a step: count(probe), avg(probe.amount).
// It returns false when the argument is another list, for the type checker.
func (r *resolver) stepCall(e ast.Expr, name string, fn agg.Func, args []ast.Expr) bool {
	at := r.src.callee(e)
	switch {
	case r.sc.inWindow:
		r.failf(at, "", "%s() cannot stand inside another aggregate: its argument is an expression over one event", name)
		return true
	case fn == agg.Percentile:
		r.fail(at, "percentile() is for windows only", "")
		return true
	case len(args) != 1:
		r.failf(at, name+"(step.field)", "%s() takes one list", name)
		return true
	}
	d := r.stepOperand(args[0])
	if d == nil {
		return false
	}
	switch {
	case !d.step.Many && d.kind == inStep && d.typ == event.StringList:
		return false // the list that the one event has
	case !d.step.Many:
		r.failf(r.src.first(args[0]), "use it as it is", "step %s is matched exactly once: %s is no list", d.step.Name, d.text)
	case d.kind == wholeStep && fn != agg.Count:
		r.failf(r.src.first(args[0]), fmt.Sprintf("%s(%s.FIELD)", name, d.text), "%s() needs a field of the step", name)
	default:
		r.stepAggregate(e, name, fn, d, r.src.first(args[0]))
	}
	return true
}

// stepOperand is the step or field of a step that e names, nil for all else.
func (r *resolver) stepOperand(e ast.Expr) *datum {
	switch e.Kind() {
	case ast.IdentKind:
		name := e.AsIdent()
		if s := r.step(name); s != nil && !r.local(name) {
			return &datum{kind: wholeStep, text: name, step: *s}
		}
	case ast.SelectKind:
		sel := e.AsSelect()
		if sel.Operand().Kind() != ast.IdentKind || r.local(sel.Operand().AsIdent()) {
			return nil
		}
		if s := r.step(sel.Operand().AsIdent()); s != nil {
			d, _ := r.stepField(s, sel.FieldName())
			return d
		}
	}
	return nil
}

func (r *resolver) stepAggregate(e ast.Expr, name string, fn agg.Func, of *datum, at int) {
	typ, ok := aggResult(fn, of.typ)
	if !ok {
		r.failf(at, aggregateTypeHint(fn, of.text), "%s() is of %s; %s is %s", name, aggTakes(fn), of.text, typeWords(celType(of.typ)))
		return
	}
	a := Agg{Step: of.step.Index, Field: of.pos, Spec: agg.Spec{Func: fn, Type: of.typ, Scale: of.scale}}
	if of.kind != inStep {
		a.Field, a.Time = -1, of.kind == stepTime
	}
	d := &datum{kind: stepAgg, text: name + "(" + of.text + ")", typ: typ, agg: a, of: of}
	if r.sc.Aggs != nil {
		d.pos, d.slots = r.sc.Aggs.slot(a), true
	}
	r.put(e, d)
}

func (a *Aggs) slot(want Agg) int {
	for i := range a.List {
		if a.List[i] == want {
			return i
		}
	}
	a.List = append(a.List, want)
	return len(a.List) - 1
}

// windowCall resolves an aggregate over a window's events and compiles its
// argument, an expression over one of them.
func (r *resolver) windowCall(e ast.Expr, name string, fn agg.Func, args []ast.Expr) {
	want := 1
	if fn == agg.Percentile {
		want = 2
	}
	if len(args) != want && !(fn == agg.Count && len(args) == 0) {
		r.fail(r.src.callee(e), windowUsage(name, fn), "")
		return
	}
	w := WindowAgg{Spec: agg.Spec{Func: fn}, text: debug.ToDebugString(e)}
	if fn == agg.Percentile && !r.percent(args[1], &w.Spec.P) {
		return
	}
	if i := r.sc.Window.find(w.text); i >= 0 {
		r.putWindow(e, name, i)
		return
	}
	if len(args) > 0 && !r.windowArgument(name, args[0], &w) {
		return
	}
	r.sc.Window.List = append(r.sc.Window.List, w)
	r.putWindow(e, name, len(r.sc.Window.List)-1)
}

func windowUsage(name string, fn agg.Func) string {
	switch fn {
	case agg.Count:
		return "count() takes nothing or one condition: count(status == \"declined\")"
	case agg.Percentile:
		return "percentile() takes a number of the event and a fraction: percentile(amount, 0.95)"
	}
	return name + "() takes one expression over an event: " + name + "(amount)"
}

// percent reads the second argument of percentile.
func (r *resolver) percent(e ast.Expr, p *float64) bool {
	if e.Kind() == ast.LiteralKind {
		if v, ok := e.AsLiteral().(types.Double); ok && v > 0 && v < 1 {
			*p = float64(v)
			return true
		}
	}
	r.fail(r.src.first(e), "the fraction of percentile() is a number written out, between 0 and 1", "percentile(amount, 0.95)")
	return false
}

func (r *resolver) windowArgument(name string, e ast.Expr, w *WindowAgg) bool {
	inner := r.sc.argument()
	at := r.src.first(e)
	var errs []Error
	w.Arg, errs = compileArgument(e, &inner, r.src, r.info)
	if len(errs) > 0 {
		r.errs = append(r.errs, errs...)
		return false
	}
	w.Spec.Type, w.Spec.Scale = w.Arg.Type, w.Arg.Scale
	r.reads.Outside = r.reads.Outside || w.Arg.Reads.Outside
	if w.Spec.Func == agg.Count && w.Arg.Type != event.Bool {
		r.failf(at, "count() is the number of events", "count() takes a condition; this is %s", typeWords(celType(w.Arg.Type)))
		return false
	}
	if _, ok := aggResult(w.Spec.Func, w.Spec.Type); !ok {
		r.failf(at, aggregateTypeHint(w.Spec.Func, "…"), "%s() is of %s; this is %s", name, aggTakes(w.Spec.Func), typeWords(celType(w.Spec.Type)))
		return false
	}
	return true
}

func (r *resolver) putWindow(e ast.Expr, name string, slot int) {
	call := &r.sc.Window.List[slot]
	spec := call.Spec
	typ, _ := aggResult(spec.Func, spec.Type)
	r.put(e, &datum{kind: windowAgg, text: fmt.Sprintf("%s() #%d", name, slot), typ: typ, pos: slot, agg: Agg{Spec: spec}, grows: growing(spec.Func), count: windowCount(spec.Func, call.Arg == nil)})
}

func (w *WindowAggs) find(text string) int {
	for i := range w.List {
		if w.List[i].text == text {
			return i
		}
	}
	return -1
}

func (r *resolver) bareStep(d *datum) string {
	if d.step.Many {
		return "step " + d.text + " is a list of events"
	}
	return "step " + d.text + " is a whole event"
}

func (r *resolver) bareStepHint(d *datum) string {
	if d.step.Many {
		return fmt.Sprintf("count(%s), or a field of it: %s.FIELD", d.text, d.text)
	}
	return "name one of its fields: " + d.text + ".FIELD"
}
