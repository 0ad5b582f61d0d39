package rules

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
)

// misnamed lists what the events in a rule's tests have and their streams have
// not: unknown streams, unknown fields, values of another type.
func misnamed(d *syntax.Rule, set *Set) []syntax.Problem {
	var found []syntax.Problem
	for i, t := range d.Tests {
		pointer := fmt.Sprintf("/tests/%d/events", i)
		for j := range t.Events {
			for _, p := range misnamedEvent(&t.Events[j], set) {
				p.Pointer = pointer
				found = append(found, p)
			}
		}
	}
	return found
}

func misnamedEvent(e *syntax.TestEvent, set *Set) []syntax.Problem {
	st := set.Stream(e.Stream)
	if st == nil {
		return []syntax.Problem{problemAt(e.StreamPos, "unknown stream "+e.Stream, "the streams here are "+strings.Join(streamNames(set), ", "))}
	}
	var found []syntax.Problem
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		i := st.Schema.Index(name)
		if st.Schema.Drops(name) {
			continue // whatever it is, nothing reads it
		}
		if i < 0 {
			found = append(found, problemAt(e.FieldPos[name], fmt.Sprintf("stream %s has no field %s", e.Stream, name), "its fields are "+strings.Join(fieldNames(st.Schema), ", ")))
			continue
		}
		if want, hint, ok := mistyped(st.Schema.Fields[i].Type, name, e.Fields[name]); !ok {
			found = append(found, problemAt(e.FieldPos[name], fmt.Sprintf("field %s of stream %s is %s; the test gives %s", name, e.Stream, want, valueWords(e.Fields[name])), hint))
		}
	}
	return found
}

func problemAt(at syntax.Pos, detail, hint string) syntax.Problem {
	return syntax.Problem{Line: at.Line, Col: at.Col, Detail: detail, Hint: hint}
}

func streamNames(set *Set) []string {
	var names []string
	for _, st := range set.Streams {
		names = append(names, st.Doc.Name)
	}
	return names
}

func fieldNames(s *event.Schema) []string {
	var names []string
	for i := range s.Fields {
		names = append(names, s.Fields[i].Name)
	}
	return names
}

// mistyped reports whether a test's value fits a field's type, and what to
// write when it does not. A nil value is an absent field.
func mistyped(t event.Type, name string, value any) (want, hint string, ok bool) {
	if value == nil {
		return "", "", true
	}
	switch t {
	case event.String:
		_, ok = value.(string)
		return "text", fmt.Sprintf("quote it: %s: \"%v\"", name, value), ok
	case event.Bool:
		_, ok = value.(bool)
		return "true or false", fmt.Sprintf("write %s: true", name), ok
	case event.Int:
		f, float := value.(float64)
		_, whole := value.(int64)
		return "a whole number", fmt.Sprintf("write %s: 5", name), whole || float && f == math.Trunc(f)
	case event.Double, event.Decimal:
		_, float := value.(float64)
		_, whole := value.(int64)
		return "a number", fmt.Sprintf("write %s: 5.0", name), whole || float
	case event.StringList:
		_, ok = value.([]string)
		return "a list of texts", fmt.Sprintf("write %s: [a, b]", name), ok
	}
	return "", "", true // a timestamp is read by the stream's decoder
}

func valueWords(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case []string:
		return "a list"
	}
	return fmt.Sprint(value)
}
