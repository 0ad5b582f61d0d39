package expr_test

import (
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
)

// A count beside a double is a double, a field is not (docs/language.md,
// Expressions).
func TestCountsBesideDoubles(t *testing.T) {
	schema := event.NewSchema("payment", []event.Field{{Name: "status", Type: event.String}, {Name: "items", Type: event.Int}})
	for src, sound := range map[string]bool{
		"bad > 0.8 * n":                        true,
		"count() > 2.5":                        true,
		"n / 2.0 >= 1.5":                       true,
		"double(sum(items)) > 0.8":             true,
		"sum(items) * 1.5 > 3.0":               false,
		"count(items * 1.5 > 2.0) > 1":         false,
		"distinct(status) > 0.5 * count() + 1": true,
	} {
		sc := &expr.Scope{Event: schema, Window: &expr.WindowAggs{}, Values: []expr.Named{{Name: "n", Type: event.Int}, {Name: "bad", Type: event.Int}}}
		p, errs := expr.Compile(src, event.Bool, sc)
		if (p != nil) != sound {
			t.Errorf("%s: compiled %v, want %v: %v", src, p != nil, sound, errs)
		}
	}
	f := &expr.Frame{Values: []event.Value{event.IntOf(10), event.IntOf(9)}}
	p, _ := expr.Compile("bad > 0.8 * n", event.Bool, &expr.Scope{Values: []expr.Named{{Name: "n", Type: event.Int}, {Name: "bad", Type: event.Int}}})
	if holds, ok := p.Holds(f); !holds || !ok {
		t.Errorf("9 > 0.8 * 10 is %v, %v", holds, ok)
	}
}
