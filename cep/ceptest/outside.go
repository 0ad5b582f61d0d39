package ceptest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// tablesOf returns what rules know of lists, and what the lists hold.
func tablesOf(docs []*syntax.List) (expr.Lists, map[string]*expr.Table) {
	lists, tables := expr.Lists{}, map[string]*expr.Table{}
	for _, doc := range docs {
		decl := prog.ListDeclOf(doc)
		lists[doc.Name] = decl
		tables[doc.Name], _ = prog.TableOf(doc, decl, 1)
	}
	return lists, tables
}

// A passage of a summary is text, or an expression.
type passage struct {
	text string
	expr *expr.Program
}

// compileSummary takes a summary apart. Its expressions have no braces of
// their own.
func (o *Oracle) compileSummary(sc *expr.Scope) error {
	if o.rule.Alert.Summary == nil {
		o.summary = []passage{{text: o.rule.Title}}
		return nil
	}
	for rest := o.rule.Alert.Summary.Src; rest != ""; {
		text, after, opened := strings.Cut(rest, "{{")
		o.summary = append(o.summary, passage{text: text})
		if !opened {
			break
		}
		src, after, closed := strings.Cut(after, "}}")
		if !closed {
			return fmt.Errorf("summary: {{ is never closed")
		}
		p, err := compile(src, event.Invalid, sc)
		if err != nil {
			return fmt.Errorf("summary: %w", err)
		}
		o.summary = append(o.summary, passage{expr: p})
		rest = after
	}
	return nil
}

func (o *Oracle) summarize(f *expr.Frame) string {
	var b strings.Builder
	for _, p := range o.summary {
		b.WriteString(p.text)
		if p.expr == nil {
			continue
		}
		if v, ok := p.expr.Eval(f); ok {
			b.WriteString(plain(v))
		} else {
			b.WriteString("?")
		}
	}
	return b.String()
}

// plain is a value as a summary prints it.
func plain(v event.Value) string {
	switch v.Type() {
	case event.String:
		return v.Str()
	case event.Int:
		return strconv.FormatInt(v.Int(), 10)
	case event.Bool:
		return strconv.FormatBool(v.Int() != 0)
	case event.Timestamp:
		return time.UnixMicro(v.Int()).UTC().Format(time.RFC3339Nano)
	}
	return strconv.FormatFloat(v.Double(), 'f', -1, 64)
}
