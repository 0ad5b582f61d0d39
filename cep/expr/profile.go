package expr

import (
	"fmt"

	"cel.dev/cel-go/common/ast"

	"github.com/caltrop/caltrop/cep/event"
)

// A ProfileDecl is what the compiler knows of a profile that an expression may
// name. Its name is the document's.
type ProfileDecl struct {
	Name   string
	Values []ProfileValue
	// Refused says why this rule cannot read the profile, with Hint; "" when it
	// can.
	Refused, Hint string
}

// A ProfileValue is one value of a profile.
type ProfileValue struct {
	Name  string
	Type  event.Type
	List  bool // made by set(): a list of Type
	Grows bool // Program.Grows of its expression
}

// Profiles are the profiles that `profile.NAME.VALUE` may name, by document
// name.
type Profiles map[string]*ProfileDecl

// A History answers for the profiles of one key, as they were before the
// current event or deadline. profile is a position in Outside.Profiles, value
// one in the profile's values.
type History interface {
	// Value returns a single value; false when it is an error.
	Value(profile, value int) (event.Value, bool)
	// List returns what a set holds, most recently seen first; false when it is
	// an error. The values are not to be changed.
	List(profile, value int) ([]event.Value, bool)
}

// readsProfile returns the position of a profile among those that are read.
func (o *Outside) readsProfile(name string) int {
	if o == nil {
		return 0
	}
	for i, p := range o.Profiles {
		if p == name {
			return i
		}
	}
	o.Profiles = append(o.Profiles, name)
	return len(o.Profiles) - 1
}

// profileWord begins the name of a profile's value.
const profileWord = "profile"

const profileHint = "a profile's value is written profile.NAME.VALUE"

// ofProfile reports whether e is `profile.NAME.VALUE`, and returns its inner
// selection, `profile.NAME`.
func (r *resolver) ofProfile(e ast.Expr) (inner ast.Expr, ok bool) {
	if e.Kind() != ast.SelectKind || e.AsSelect().Operand().Kind() != ast.SelectKind {
		return nil, false
	}
	inner = e.AsSelect().Operand()
	owner := inner.AsSelect().Operand()
	return inner, owner.Kind() == ast.IdentKind && owner.AsIdent() == profileWord && !r.local(profileWord)
}

// profileValue resolves the selection e of a value of the profile that inner
// selects. It reports what is wrong, and then returns nil.
func (r *resolver) profileValue(e, inner ast.Expr) *datum {
	name, value := inner.AsSelect().FieldName(), e.AsSelect().FieldName()
	decl, err := r.profile(name)
	if err != nil {
		err.Offset = r.src.field(inner)
		r.errs = append(r.errs, *err)
		return nil
	}
	var known []string
	for i := range decl.Values {
		if v := &decl.Values[i]; v.Name == value {
			text := profileWord + "." + name + "." + value
			return &datum{kind: inProfile, text: text, typ: v.Type, set: v.List, grows: v.Grows, pos: i, profile: r.sc.Outside.readsProfile(decl.Name)}
		}
		known = append(known, decl.Values[i].Name)
	}
	r.failf(r.src.field(e), suggest(value, known), "profile %s has no value %q", decl.Name, value)
	return nil
}

// profile finds a profile by its name, with underscores for its dashes.
func (r *resolver) profile(name string) (*ProfileDecl, *Error) {
	if why, ok := r.sc.Hidden[profileWord]; ok {
		return nil, &Error{Detail: "profiles cannot be read here: " + why}
	}
	var known []string
	for k, decl := range r.sc.Profiles {
		if identName(k) != name {
			known = append(known, identName(k))
			continue
		}
		if decl.Refused != "" {
			return nil, &Error{Detail: decl.Refused, Hint: decl.Hint}
		}
		return decl, nil
	}
	hint := "declare it with kind: Profile"
	if len(known) > 0 {
		hint = suggest(name, known)
	}
	return nil, &Error{Detail: fmt.Sprintf("unknown profile %s", name), Hint: hint}
}

// wholeProfile explains `profile.NAME` without a value.
func (r *resolver) wholeProfile(name string) *Error {
	decl, err := r.profile(name)
	if err != nil {
		err.Offset = fieldFault
		return err
	}
	hint := profileHint
	if len(decl.Values) > 0 {
		hint = fmt.Sprintf("name one of its values: profile.%s.%s", name, decl.Values[0].Name)
	}
	return &Error{Offset: fieldFault, Detail: fmt.Sprintf("profile %s is a whole profile", decl.Name), Hint: hint}
}

// readProfile reads a single value.
func (d *datum) readProfile(f *Frame) (event.Value, bool) {
	if f.Facts == nil || f.Facts.Profiles == nil || d.set {
		return event.Value{}, false
	}
	return f.Facts.Profiles.Value(d.profile, d.pos)
}

// readSet reads what a set holds.
func (d *datum) readSet(f *Frame) ([]event.Value, bool) {
	if f.Facts == nil || f.Facts.Profiles == nil {
		return nil, false
	}
	return f.Facts.Profiles.List(d.profile, d.pos)
}

// CompileProfileValue compiles one value of a profile, an expression over
// aggregates as those of a window. sc.Window collects the aggregates. set is
// true for `set(x)`: then the program is that of x, over one event.
func CompileProfileValue(text string, sc *Scope) (p *Program, set bool, errs []Error) {
	if len(text) > textMax {
		return nil, false, []Error{{Detail: fmt.Sprintf("the expression has %d bytes; the limit is %d", len(text), textMax)}}
	}
	parsed, iss := caltrop.env.Parse(text)
	if iss.Err() != nil {
		return nil, false, syntaxErrors(text, 0, iss.Errors())
	}
	tree := parsed.NativeRep()
	src := newSource(text, 0, tree.SourceInfo())
	if root := tree.Expr(); isCall(root, setFunction) {
		p, errs = compileSet(tree, sc, src)
		return p, true, errs
	}
	p, errs = compileTree(tree, event.Invalid, sc, src, false)
	return p, false, errs
}

// setFunction is the aggregate that only profiles have.
const setFunction = "set"

const setHint = "a value of its own: devices: set(device_id)"

func compileSet(tree *ast.AST, sc *Scope, src *source) (*Program, []Error) {
	call := tree.Expr()
	args := call.AsCall().Args()
	if len(args) != 1 {
		return nil, []Error{{Offset: src.callee(call), Detail: "set() takes one expression over an event", Hint: setHint}}
	}
	inner := sc.argument()
	p, errs := compileTree(ast.NewAST(args[0], ast.CopySourceInfo(tree.SourceInfo())), event.Invalid, &inner, src, false)
	if len(errs) > 0 {
		return nil, errs
	}
	if p.Type == event.Duration {
		return nil, []Error{{Offset: src.first(args[0]), Detail: "a set holds single values of fields; this is " + typeWords(celType(p.Type)), Hint: "minutes(…) makes a number of it"}}
	}
	return p, nil
}

// argument is the scope of an aggregate's argument: an expression over one
// event.
func (sc *Scope) argument() Scope {
	return Scope{Event: sc.Event, Streams: sc.Streams, Lists: sc.Lists, Profiles: sc.Profiles, Outside: sc.Outside, CostLists: sc.CostLists,
		Hidden: sc.Hidden, inWindow: true}
}
