package expr_test

import (
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
)

func TestProbeExcludesWhatAConditionCannotTake(t *testing.T) {
	known := event.NewSchema("s", []event.Field{{Name: "rule", Type: event.String}, {Name: "score", Type: event.Int}})
	ev := &event.Event{Schema: known, Values: []event.Value{event.StringOf("a"), event.IntOf(40)}}
	for _, c := range []struct {
		condition string
		excludes  bool
	}{
		{`rule == "a"`, false},
		{`rule == "b"`, true},
		{`rule != "a"`, true},
		{`rule in ["b", "c"]`, true},
		{`rule.startsWith("b")`, true},
		{`score > 40`, true},
		{`score > 39`, false},
		{`!(rule == "a")`, true},
		{`amount > 5 && rule == "b"`, true},
		{`amount > 5 && rule == "a"`, false},
		{`amount > 5 || rule == "b"`, false},
		{`score > 50 || rule == "b"`, true},
		{`(amount > 5 && rule == "b") || score < 7`, true},
		{`rule in other.rule`, false},
		{`has(amount) && rule == "b"`, true},
		{`has(amount)`, false},
		{`["b"].exists(x, x == rule)`, false}, // not looked into
		{`rule == 5`, false},                  // another problem's business
		{`rule ==`, false},
		{`true`, false},
		{`false`, true},
	} {
		if got := expr.NewProbe(c.condition, known).Excludes(ev); got != c.excludes {
			t.Errorf("%s excludes the event: %v, want %v", c.condition, got, c.excludes)
		}
	}
	absent := &event.Event{Schema: known, Values: make([]event.Value, 2)}
	if expr.NewProbe(`score > 5`, known).Excludes(absent) {
		t.Error("an absent field excludes nothing")
	}
}

func TestProbeNamesLiterals(t *testing.T) {
	known := event.NewSchema("s", []event.Field{{Name: "rule", Type: event.String}})
	p := expr.NewProbe(`amount > 5 && (rule in ["a", "b"] || merchant == "c")`, known)
	if !p.Names("a") || !p.Names("b") || p.Names("c") || p.Names("d") {
		t.Errorf("names a %v, b %v, c %v, d %v", p.Names("a"), p.Names("b"), p.Names("c"), p.Names("d"))
	}
}
