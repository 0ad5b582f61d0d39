package expr

import (
	"strconv"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/event"
)

// A Template is a compiled `alert.summary`: text with {{expressions}}.
type Template struct {
	parts []part
}

type part struct {
	text string   // or the source of expr
	expr *Program // nil: text
}

// Verbatim returns a template that renders text as it is, braces included.
func Verbatim(text string) *Template { return &Template{parts: []part{{text: text}}} }

// CompileTemplate compiles a template; an Error's Offset is in src.
func CompileTemplate(src string, sc *Scope) (*Template, []Error) {
	t := &Template{}
	var errs []Error
	for at := 0; at < len(src); {
		open := strings.Index(src[at:], "{{")
		if open < 0 {
			t.parts = append(t.parts, part{text: src[at:]})
			break
		}
		if open > 0 {
			t.parts = append(t.parts, part{text: src[at : at+open]})
		}
		start := at + open + len("{{")
		end := closing(src, start)
		if end < 0 {
			errs = append(errs, Error{Offset: at + open, Detail: "{{ is never closed", Hint: "close the expression with }}"})
			break
		}
		p, faults := compileAt(src[start:end], start, event.Invalid, sc)
		errs = append(errs, faults...)
		t.parts = append(t.parts, part{text: src[start:end], expr: p})
		at = end + len("}}")
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return t, nil
}

// closing finds the }} that ends the expression at start, or -1. Braces in
// strings and of maps do not count.
func closing(src string, start int) int {
	depth := 0
	for i := start; i < len(src); i++ {
		c := src[i]
		switch {
		case c == '"' || c == '\'':
			if i = closingQuote(src, i, start) - 1; i < 0 {
				return -1
			}
		case c == '{':
			depth++
		case c == '}' && depth > 0:
			depth--
		case c == '}' && i+1 < len(src) && src[i+1] == '}':
			return i
		}
	}
	return -1
}

// closingQuote returns where the string that is quoted at from ends, past its
// quotes of one or of three, or 0. In one that is raw, of an expression that
// begins at start, a backslash is a character like any.
func closingQuote(src string, from, start int) int {
	quotes := src[from : from+1]
	if three := strings.Repeat(quotes, 3); strings.HasPrefix(src[from:], three) {
		quotes = three
	}
	before := src[start:from]
	raw := strings.HasSuffix(before, "r") || strings.HasSuffix(before, "R")
	for i := from + len(quotes); i < len(src); i++ {
		switch {
		case src[i] == '\\' && !raw:
			i++
		case strings.HasPrefix(src[i:], quotes):
			return i + len(quotes)
		}
	}
	return 0
}

// Text tells templates apart that are compiled against the same names: of two
// that have one Text, both render the same.
func (t *Template) Text() string {
	text := ""
	for _, p := range t.parts {
		if p.expr == nil {
			text += strconv.Quote(p.text)
		} else {
			text += "{{" + p.text + "}}"
		}
	}
	return text
}

// Reads tells what all the template's expressions depend on.
func (t *Template) Reads() Reads {
	all := Reads{Steps: make(map[int]bool)}
	for _, p := range t.parts {
		if p.expr == nil {
			continue
		}
		all.Event = all.Event || p.expr.Reads.Event
		all.Prev = all.Prev || p.expr.Reads.Prev
		for s := range p.expr.Reads.Steps {
			all.Steps[s] = true
		}
	}
	return all
}

// Append renders the template at the end of dst: strings bare, doubles in the
// shortest decimal form that reads back the same (900, 4.5), times as RFC 3339
// in UTC, durations as 1h30m0s, an error as "?".
func (t *Template) Append(dst []byte, f *Frame) []byte {
	for _, p := range t.parts {
		if p.expr == nil {
			dst = append(dst, p.text...)
			continue
		}
		v, ok := p.expr.Eval(f)
		if !ok {
			dst = append(dst, '?')
			continue
		}
		dst = appendValue(dst, v)
	}
	return dst
}

func appendValue(dst []byte, v event.Value) []byte {
	switch v.Type() {
	case event.String:
		return append(dst, v.Str()...)
	case event.Int:
		return strconv.AppendInt(dst, v.Int(), 10)
	case event.Bool:
		return strconv.AppendBool(dst, v.Bool())
	case event.Timestamp:
		return time.UnixMicro(v.Int()).UTC().AppendFormat(dst, time.RFC3339Nano)
	case event.Duration:
		return append(dst, (time.Duration(v.Int()) * time.Microsecond).String()...)
	}
	return strconv.AppendFloat(dst, v.Double(), 'f', -1, 64)
}
