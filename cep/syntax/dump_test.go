package syntax_test

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/syntax"
)

// dump prints a tree with everything that is not zero, one field a line;
// places are left out but for those of texts.
func dump(b *strings.Builder, indent string, v reflect.Value) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if n, ok := v.Interface().(*syntax.Node); ok {
			b.WriteString(" " + n.String() + "\n")
			return
		}
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		b.WriteString(" " + syntax.FormatDuration(x) + "\n")
		return
	case time.Time:
		b.WriteString(" " + x.Format(time.RFC3339) + "\n")
		return
	case syntax.Text:
		fmt.Fprintf(b, " %q at %d:%d %s\n", x.Src, x.Pos.Line, x.Pos.Col, x.Pointer)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		dumpFields(b, indent, v)
	case reflect.Slice:
		dumpItems(b, indent, v)
	case reflect.Map:
		fmt.Fprintf(b, " %s\n", mapText(v))
	default:
		fmt.Fprintf(b, " %v\n", v)
	}
}

func dumpFields(b *strings.Builder, indent string, v reflect.Value) {
	b.WriteByte('\n')
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || v.Field(i).IsZero() || strings.HasSuffix(f.Name, "Pos") {
			continue
		}
		if f.Anonymous {
			dumpFields(b, indent, v.Field(i))
			continue
		}
		b.WriteString(indent + strings.ToLower(f.Name) + ":")
		dump(b, indent+"  ", v.Field(i))
	}
}

func dumpItems(b *strings.Builder, indent string, v reflect.Value) {
	if k := v.Type().Elem().Kind(); k == reflect.String || k == reflect.Uint8 {
		fmt.Fprintf(b, " %v\n", v)
		return
	}
	b.WriteByte('\n')
	for i := range v.Len() {
		b.WriteString(indent + "-")
		dump(b, indent+"  ", v.Index(i))
	}
}

// mapText prints maps in the order of their keys, as fmt does, with the texts
// they point to.
func mapText(v reflect.Value) string {
	m := map[string]string{}
	for _, k := range v.MapKeys() {
		e := v.MapIndex(k)
		for e.Kind() == reflect.Interface && !e.IsNil() {
			e = e.Elem()
		}
		switch x := e.Interface().(type) {
		case *syntax.Text:
			m[k.String()] = fmt.Sprintf("%q at %d:%d", x.Src, x.Pos.Line, x.Pos.Col)
		case *syntax.Key:
			m[k.String()] = fmt.Sprint(x.Fields)
		default:
			m[k.String()] = fmt.Sprintf("%T %v", x, x)
		}
	}
	return fmt.Sprint(m)
}

func dumpDocument(d syntax.Document) string {
	var b strings.Builder
	b.WriteString(reflect.TypeOf(d).Elem().Name())
	dump(&b, "  ", reflect.ValueOf(d))
	text := strings.ReplaceAll(b.String(), "\n\n", "\n")
	for strings.Contains(text, "\n\n") {
		text = strings.ReplaceAll(text, "\n\n", "\n")
	}
	return text
}
