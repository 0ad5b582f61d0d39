package prog

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// ListDeclOf returns what rules that read a list are compiled against. A type
// that the document's own check refuses becomes event.Invalid.
func ListDeclOf(d *syntax.List) *expr.ListDecl {
	decl := &expr.ListDecl{Name: d.Name, Key: event.String}
	if d.Key == "int" {
		decl.Key = event.Int
	}
	for i := range d.Attributes {
		a := &d.Attributes[i]
		decl.Attributes = append(decl.Attributes, event.Field{Name: a.Name, Type: typeOf(a.Type), Scale: a.Scale, Optional: true})
	}
	return decl
}

// TableOf makes the table of one version of a list. Entries that are not of
// the list's types are problems, at the place of the entry, and left out.
func TableOf(d *syntax.List, decl *expr.ListDecl, version int) (*expr.Table, []syntax.Problem) {
	t := expr.NewTable(decl, version)
	var problems []syntax.Problem
	for i := range d.Entries {
		e := &d.Entries[i]
		refuse := func(pointer, hint, format string, args ...any) {
			problems = append(problems, syntax.Problem{Line: e.Pos.Line, Col: e.Pos.Col, Pointer: pointer, Hint: hint, Detail: fmt.Sprintf(format, args...)})
		}
		pointer := "/entries/" + e.Value
		key, ok := listKey(decl.Key, e.Value)
		switch {
		case !ok:
			refuse(pointer, "write a whole number, or leave `key: int` out", "%q is no whole number, as the list's values are", e.Value)
		case t.Has(key):
			refuse(pointer, "delete one of the two", "%s is in the list already", e.Value)
		default:
			t.Put(key, attributesOf(e, decl, func(name, what string) {
				refuse(pointer+"/"+name, "the type stands under attributes", "attribute %s of %s is %s", name, e.Value, what)
			}))
		}
	}
	return t, problems
}

// EntryOf types one entry of a list: its value, and its attributes by position,
// nil when it has none. The error says what of it is not of the list's types.
func EntryOf(e *syntax.ListEntry, decl *expr.ListDecl) (key event.Value, attributes []event.Value, err error) {
	key, ok := listKey(decl.Key, e.Value)
	if !ok {
		return key, nil, fmt.Errorf("%q is no whole number, as the list's values are", e.Value)
	}
	attributes = attributesOf(e, decl, func(name, what string) { err = fmt.Errorf("attribute %s is %s", name, what) })
	return key, attributes, err
}

func listKey(typ event.Type, text string) (event.Value, bool) {
	if typ == event.String {
		return event.StringOf(text), true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return event.IntOf(n), err == nil
}

// attributesOf types the attributes of an entry, by position; nil when it has
// none. refuse is told what is wrong with one.
func attributesOf(e *syntax.ListEntry, decl *expr.ListDecl, refuse func(name, what string)) []event.Value {
	if len(e.Attributes) == 0 {
		return nil
	}
	values := make([]event.Value, len(decl.Attributes))
	for i := range decl.Attributes {
		f := &decl.Attributes[i]
		raw := e.Attributes[f.Name]
		if raw == nil {
			continue
		}
		v, ok := attributeOf(f, raw)
		if !ok {
			refuse(f.Name, fmt.Sprintf("not of type %s", f.Type))
		}
		values[i] = v
	}
	return values
}

// attributeOf reads a value of a document: string, int64, float64, bool or
// []string.
func attributeOf(f *event.Field, raw any) (event.Value, bool) {
	switch x := raw.(type) {
	case string:
		return textAttribute(f, x)
	case bool:
		return event.BoolOf(x), f.Type == event.Bool
	case []string:
		return event.ListOf(x), f.Type == event.StringList
	case int64:
		if f.Type == event.Int {
			return event.IntOf(x), true
		}
		return numberAttribute(f, float64(x))
	case float64:
		return numberAttribute(f, x)
	}
	return event.Value{}, false
}

func textAttribute(f *event.Field, text string) (event.Value, bool) {
	if f.Type != event.Timestamp {
		return event.StringOf(text), f.Type == event.String
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return event.TimestampOf(at.UnixMicro()), err == nil
}

func numberAttribute(f *event.Field, x float64) (event.Value, bool) {
	switch f.Type {
	case event.Double:
		return event.DoubleOf(x), true
	case event.Decimal:
		unscaled := math.Round(x * math.Pow10(int(f.Scale)))
		return event.DecimalOf(int64(unscaled), f.Scale), math.Abs(unscaled) < math.MaxInt64
	}
	return event.Value{}, false
}
