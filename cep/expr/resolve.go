package expr

import (
	"fmt"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/containers"
)

// A resolver replaces the names of a parsed expression by numbered data, and
// has() and aggregates by data too, so that the type checker meets plain
// variables only. It finds all unknown names.
type resolver struct {
	sc     *Scope
	src    *source
	fac    ast.ExprFactory
	info   *ast.SourceInfo
	data   []*datum
	known  map[string]*datum
	locals []string // variables of the macros around, innermost last
	errs   []Error
	reads  Reads
}

func newResolver(sc *Scope, src *source, info *ast.SourceInfo) *resolver {
	return &resolver{sc: sc, src: src, info: info, fac: ast.NewExprFactory(), known: make(map[string]*datum)}
}

func (r *resolver) fail(offset int, detail, hint string) {
	r.errs = append(r.errs, Error{Offset: offset, Detail: detail, Hint: hint})
}

func (r *resolver) failf(offset int, hint, format string, args ...any) {
	r.fail(offset, fmt.Sprintf(format, args...), hint)
}

func (r *resolver) local(name string) bool {
	for _, l := range r.locals {
		if l == name {
			return true
		}
	}
	return false
}

// put replaces e by a datum and notes what the expression reads.
func (r *resolver) put(e ast.Expr, d *datum) {
	d = r.intern(d)
	r.note(d)
	r.src.start[e.ID()] = r.src.first(e) - r.src.base
	e.SetKindCase(r.fac.NewIdent(e.ID(), d.ident()))
}

// intern gives equal data one number. The text tells data apart: it is made
// by the resolver and names one thing in one scope.
func (r *resolver) intern(d *datum) *datum {
	if old, ok := r.known[d.text]; ok {
		return old
	}
	d.id = len(r.data)
	r.data = append(r.data, d)
	r.known[d.text] = d
	return d
}

func (r *resolver) note(d *datum) {
	switch d.kind {
	case inEvent, eventTime, inStream:
		r.reads.Event = true
	case inPrev, prevTime, wholePrev:
		r.reads.Prev = true
		if d.kind == inPrev {
			r.notePast(d.name)
		}
	case inProfile:
		r.reads.Outside = true
	case wholeStep, inStep, stepTime:
		if r.reads.Steps == nil {
			r.reads.Steps = make(map[int]bool)
		}
		r.reads.Steps[d.step.Index] = true
		if d.kind == inStep {
			r.notePast(d.step.Schema.Fields[d.pos].Name)
		}
	case stepAgg, presence:
		r.note(d.of)
	}
}

func (r *resolver) notePast(field string) {
	if r.reads.Past == nil {
		r.reads.Past = make(map[string]bool)
	}
	r.reads.Past[field] = true
}

func (r *resolver) walk(e ast.Expr) {
	switch e.Kind() {
	case ast.IdentKind:
		r.ident(e)
	case ast.SelectKind:
		r.selection(e)
	case ast.CallKind:
		r.call(e)
	case ast.ListKind:
		for _, x := range e.AsList().Elements() {
			r.walk(x)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			r.walk(entry.AsMapEntry().Key())
			r.walk(entry.AsMapEntry().Value())
		}
	case ast.StructKind:
		for _, f := range e.AsStruct().Fields() {
			r.walk(f.AsStructField().Value())
		}
	case ast.ComprehensionKind:
		r.comprehension(e.AsComprehension())
	}
}

func (r *resolver) comprehension(c ast.ComprehensionExpr) {
	r.walk(c.IterRange())
	r.walk(c.AccuInit())
	depth := len(r.locals)
	r.locals = append(r.locals, c.AccuVar(), c.IterVar())
	if c.HasIterVar2() {
		r.locals = append(r.locals, c.IterVar2())
	}
	r.walk(c.LoopCondition())
	r.walk(c.LoopStep())
	r.locals = r.locals[:depth+1]
	r.walk(c.Result())
	r.locals = r.locals[:depth]
}

func (r *resolver) ident(e ast.Expr) {
	name := e.AsIdent()
	if r.local(name) {
		return
	}
	d, err := r.name(name)
	switch {
	case d == nil && err == nil: // a type of CEL, such as int
	case d == nil:
		err.Offset = r.src.at(e)
		r.errs = append(r.errs, *err)
	case d.kind == wholeStep:
		r.fail(r.src.at(e), r.bareStep(d), r.bareStepHint(d))
	case d.kind == wholePrev:
		r.fail(r.src.at(e), "prev is a whole event", "name one of its fields: prev.FIELD")
	default:
		r.put(e, d)
	}
}

// selection resolves step.field, prev.field, stream.field; anything else is
// left to the type checker.
func (r *resolver) selection(e ast.Expr) {
	sel := e.AsSelect()
	if isCall(sel.Operand(), "lookup") {
		r.lookup(e, sel.Operand())
		return
	}
	if inner, ok := r.ofProfile(e); ok {
		if d := r.profileValue(e, inner); d != nil {
			r.put(e, d)
		}
		return
	}
	if sel.Operand().Kind() != ast.IdentKind || r.local(sel.Operand().AsIdent()) {
		r.walk(sel.Operand())
		return
	}
	d, err := r.dotted(sel.Operand().AsIdent(), sel.FieldName())
	switch {
	case d != nil:
		r.put(e, d)
	case err != nil:
		r.dottedFault(e, err)
	default:
		r.walk(sel.Operand())
	}
}

// dottedFault reports what dotted found wrong with the selection e: the name
// after the point or the one before it.
func (r *resolver) dottedFault(e ast.Expr, err *Error) {
	if err.Offset == fieldFault {
		err.Offset = r.src.field(e)
	} else {
		err.Offset = r.src.at(e.AsSelect().Operand())
	}
	r.errs = append(r.errs, *err)
}

func (r *resolver) call(e ast.Expr) {
	c := e.AsCall()
	name := c.FunctionName()
	if !c.IsMemberFunction() {
		if r.special(e, name, c.Args()) {
			return
		}
		if isName(name[0]) && !caltrop.has(name) {
			r.errs = append(r.errs, noFunction(name, r.src.callee(e)))
			return
		}
	} else if prefix, ok := containers.ToQualifiedName(c.Target()); !ok || !caltrop.has(prefix+"."+name) {
		if namespaces[prefix] && r.bareField(prefix) == nil && r.step(prefix) == nil && !r.local(prefix) {
			r.errs = append(r.errs, noFunction(prefix+"."+name, r.src.first(c.Target())))
			return
		}
		r.walk(c.Target())
	}
	for _, a := range c.Args() {
		r.walk(a)
	}
	r.treated(name, c.Args())
}

// namespaces are the names that only stand before a function.
var namespaces = map[string]bool{"geo": true, "math": true, "strings": true}

// special handles the calls that are not functions of values.
func (r *resolver) special(e ast.Expr, name string, args []ast.Expr) bool {
	switch name {
	case "has":
		r.has(e, args)
		return true
	case "in_list":
		r.inList(e, args)
		return true
	case "lookup":
		r.fail(r.src.callee(e), "lookup() gives an entry: name one of its attributes", lookupHint)
		return true
	case setFunction:
		r.fail(r.src.callee(e), "set() is for the values of a profile, where it stands alone", setHint)
		return true
	}
	fn, ok := aggregates[name]
	if !ok {
		return false
	}
	if r.sc.Window != nil {
		r.windowCall(e, name, fn, args)
		return true
	}
	return r.stepCall(e, name, fn, args)
}

func (r *resolver) has(e ast.Expr, args []ast.Expr) {
	if len(args) != 1 {
		r.fail(r.src.callee(e), "has() takes one field or step", "has(device_id)")
		return
	}
	d := r.operand(args[0])
	if d == nil {
		return
	}
	if d.kind == eventTime && d.stream == "" || d.kind == alertTime || d.kind == windowValue {
		r.failf(r.src.first(args[0]), "", "has() asks for an optional field or a step; %s is always there", d.text)
		return
	}
	of := r.intern(d)
	r.put(e, &datum{kind: presence, text: "has(" + of.text + ")", typ: boolType, of: of})
}

// operand resolves the argument of has(): a name or a dotted name.
func (r *resolver) operand(e ast.Expr) *datum {
	var d *datum
	var err *Error
	switch e.Kind() {
	case ast.IdentKind:
		d, err = r.name(e.AsIdent())
		if err != nil {
			err.Offset = r.src.at(e)
		}
	case ast.SelectKind:
		if inner, ok := r.ofProfile(e); ok {
			return r.profileValue(e, inner)
		}
		if sel := e.AsSelect(); sel.Operand().Kind() == ast.IdentKind {
			if d, err = r.dotted(sel.Operand().AsIdent(), sel.FieldName()); err != nil {
				r.dottedFault(e, err)
				return nil
			}
		}
	}
	if err != nil {
		r.errs = append(r.errs, *err)
	} else if d == nil {
		r.fail(r.src.first(e), "has() asks for an optional field or a step", "has(device_id)")
	}
	return d
}
