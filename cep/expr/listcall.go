package expr

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/caltrop/caltrop/cep/event"
)

// in_list and lookup become calls of functions that no author can name, one
// for each type of key and result, so that the type checker knows both:
// in_list@KEY(list, value) and lookup@KEY@TYPE("list.attribute", value).
const (
	inListPrefix = "in_list@"
	lookupPrefix = "lookup@"
)

// keyTypes are the types of a list's values.
var keyTypes = []event.Type{event.String, event.Int}

// attributeTypes are the types of a list's attributes.
var attributeTypes = []event.Type{event.String, event.Int, event.Double, event.Bool, event.Timestamp, event.Decimal, event.StringList}

func listFunctions() []cel.EnvOption {
	var opts []cel.EnvOption
	declare := func(name string, key event.Type, result *types.Type) {
		opts = append(opts, cel.Function(name, cel.Overload(name, []*types.Type{types.StringType, celType(key)}, result)))
	}
	for _, key := range keyTypes {
		declare(inListPrefix+key.String(), key, types.BoolType)
		for _, t := range attributeTypes {
			declare(lookupPrefix+key.String()+"@"+t.String(), key, celType(t))
		}
	}
	return opts
}

// isListCall reports whether a function of the checked tree reads a list.
func isListCall(name string) bool {
	return strings.HasPrefix(name, inListPrefix) || strings.HasPrefix(name, lookupPrefix)
}

// inList resolves in_list(name, value).
func (r *resolver) inList(e ast.Expr, args []ast.Expr) {
	if len(args) != 2 {
		r.fail(r.src.callee(e), "in_list() takes the name of a list and a value", `in_list("trusted", merchant_id)`)
		return
	}
	r.walk(args[1])
	if decl := r.list(args[0]); decl != nil {
		r.readList(e, inListPrefix+decl.Key.String(), decl.Name, decl, args[0], args[1])
	}
}

// lookup resolves the selection e of an attribute of call, lookup(name, key).
func (r *resolver) lookup(e, call ast.Expr) {
	args := call.AsCall().Args()
	if len(args) != 2 {
		r.fail(r.src.callee(call), "lookup() takes the name of a list and a key", lookupHint)
		return
	}
	r.walk(args[1])
	decl := r.list(args[0])
	if decl == nil {
		return
	}
	field := e.AsSelect().FieldName()
	i := slices.IndexFunc(decl.Attributes, func(f event.Field) bool { return f.Name == field })
	if i < 0 {
		r.failf(r.src.field(e), attributeHint(decl, field), "list %s has no attribute %q", decl.Name, field)
		return
	}
	name := lookupPrefix + decl.Key.String() + "@" + decl.Attributes[i].Type.String()
	r.src.start[e.ID()] = r.src.start[call.ID()]
	r.readList(e, name, decl.Name+"."+field, decl, args[0], args[1])
}

const lookupHint = `lookup("merchants", merchant_id).ATTRIBUTE`

func attributeHint(decl *ListDecl, name string) string {
	if len(decl.Attributes) == 0 {
		return "it has values only: in_list(…) asks for them"
	}
	names := make([]string, len(decl.Attributes))
	for i := range decl.Attributes {
		names[i] = decl.Attributes[i].Name
	}
	return suggest(name, names)
}

// readList puts a call of function in the place of e and notes the list.
func (r *resolver) readList(e ast.Expr, function, what string, decl *ListDecl, name, value ast.Expr) {
	e.SetKindCase(r.fac.NewCall(e.ID(), function, r.fac.NewLiteral(name.ID(), types.String(what)), value))
	r.sc.Outside.readsList(decl.Name)
	r.reads.Outside = true
}

// list finds the list that an argument names: in quotes, as the document is
// called, or bare, with underscores for its dashes.
func (r *resolver) list(e ast.Expr) *ListDecl {
	name := ""
	switch {
	case e.Kind() == ast.IdentKind:
		name = e.AsIdent()
	case e.Kind() == ast.LiteralKind:
		text, ok := e.AsLiteral().(types.String)
		if ok {
			name = string(text)
		}
	}
	if name == "" {
		r.fail(r.src.first(e), "the name of a list is written out", `in_list("trusted", merchant_id)`)
		return nil
	}
	if decl := r.sc.Lists[strings.ReplaceAll(name, "_", "-")]; decl != nil {
		return decl
	}
	var known []string
	for k := range r.sc.Lists {
		known = append(known, k)
	}
	hint := "declare it with kind: List"
	if len(known) > 0 {
		hint = suggest(name, known)
	}
	r.failf(r.src.first(e), hint, "unknown list %s", name)
	return nil
}

// listNode compiles a call that reads a list.
func listNode(name string, what node, key node) node {
	list, attribute, _ := strings.Cut(what.v.Str(), ".")
	value := valueOf(key)
	if strings.HasPrefix(name, inListPrefix) {
		return boolNode(func(f *Frame) (bool, bool) {
			v, ok := value(f)
			t := f.table(list)
			if !ok || t == nil {
				return false, false
			}
			return t.Has(v), true
		})
	}
	read := func(f *Frame) (event.Value, bool) {
		v, ok := value(f)
		t := f.table(list)
		if !ok || t == nil {
			return event.Value{}, false
		}
		return t.Attribute(v, t.Decl.position(attribute))
	}
	return attributeNode(name[strings.LastIndexByte(name, '@')+1:], read)
}

// position returns the place of an attribute, past the last one when there is
// none.
func (d *ListDecl) position(attribute string) int {
	for i := range d.Attributes {
		if d.Attributes[i].Name == attribute {
			return i
		}
	}
	return len(d.Attributes)
}

// valueOf reads a key as lists hold it.
func valueOf(n node) func(*Frame) (event.Value, bool) {
	if n.kind == isString {
		return n.value()
	}
	return func(f *Frame) (event.Value, bool) {
		i, ok := n.i(f)
		return event.IntOf(i), ok
	}
}

func attributeNode(typ string, read func(*Frame) (event.Value, bool)) node {
	if typ == event.StringList.String() {
		return node{kind: isList, elem: isString, l: func(f *Frame) ([]event.Value, bool) {
			v, ok := read(f)
			if !ok {
				return nil, false
			}
			return f.items(v), true
		}}
	}
	kinds := map[string]kind{"string": isString, "int": isInt, "double": isDouble, "decimal": isDouble, "bool": isBool, "timestamp": isTime}
	return fromValue(kinds[typ], read)
}

// listFault explains a value that a list cannot hold.
func (c *check) listFault(checked *ast.AST, e ast.Expr) Error {
	args := e.AsCall().Args()
	name := e.AsCall().FunctionName()
	holds, hint := "texts", "string(…) makes a text of a number"
	if strings.HasPrefix(name[strings.IndexByte(name, '@')+1:], event.Int.String()) {
		holds, hint = "whole numbers", "int(…) makes a whole number"
	}
	list, _, _ := strings.Cut(string(args[0].AsLiteral().(types.String)), ".")
	return Error{Offset: c.src.first(args[1]), Hint: hint,
		Detail: fmt.Sprintf("list %s holds %s; %s", list, holds, c.are(checked, args[1:]))}
}
