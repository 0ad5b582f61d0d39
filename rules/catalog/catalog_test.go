package catalog_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/catalog"
	"github.com/caltrop/caltrop/rules/ruletest"
)

func load(t *testing.T) *rules.Set {
	t.Helper()
	var sources []rules.Source
	for _, f := range append(catalog.Rules(), catalog.Streams()) {
		sources = append(sources, rules.Source{Name: f.Name, Text: f.Data})
	}
	set, problems := rules.Check(nil, sources...)
	if len(problems) > 0 {
		var b bytes.Buffer
		if err := syntax.Render(&b, problems); err != nil {
			t.Fatal(err)
		}
		t.Fatalf("the catalogue has problems:\n%s", &b)
	}
	return set
}

func TestTheShippedRulesAreThere(t *testing.T) {
	want := make([]int, 32)
	for i := range want {
		want[i] = i + 1
	}
	var got []int
	for _, f := range catalog.Rules() {
		var n int
		if _, err := fmt.Sscanf(f.Name, "%d-", &n); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		got = append(got, n)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got rules %v, want %v", got, want)
	}
}

func TestRulesPassTheirTests(t *testing.T) {
	set := load(t)
	results, err := ruletest.Run(set)
	if err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]int{}, map[string]int{}
	for _, r := range results {
		if !r.Passed {
			t.Errorf("%s, %q (line %d): %s%s", r.Rule, r.Test, r.Line, r.Error, r.Diff)
		}
		if len(r.Want) > 0 {
			fires[r.Rule]++
		} else {
			quiet[r.Rule]++
		}
	}
	for _, r := range set.Rules {
		if fires[r.Doc.Name] == 0 || quiet[r.Doc.Name] == 0 {
			t.Errorf("%s has %d tests that fire and %d that must not, want both", r.Doc.Name, fires[r.Doc.Name], quiet[r.Doc.Name])
		}
		if r.Doc.Title == "" || r.Doc.Owner == "" || r.Doc.Alert.Summary == nil {
			t.Errorf("%s lacks a title, an owner or a summary", r.Doc.Name)
		}
	}
}

func TestStreamsWithAnotherLateness(t *testing.T) {
	f := catalog.StreamsWith(2*time.Second, time.Minute)
	set, problems := rules.Check(nil, rules.Source{Name: f.Name, Text: f.Data})
	if len(problems) > 0 || len(set.Streams) != 17 {
		t.Fatalf("%d streams, problems %v", len(set.Streams), problems)
	}
	for _, s := range set.Streams {
		if s.Doc.Lateness != 2*time.Second || s.Doc.Idle != time.Minute {
			t.Errorf("%s has lateness %v, idle %v", s.Doc.Name, s.Doc.Lateness, s.Doc.Idle)
		}
	}
}
