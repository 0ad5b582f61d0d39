package catalog_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	want := []int{1, 2, 3, 5, 7, 8, 9, 10, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 26, 27, 28, 29, 31, 32}
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

// TestRulesThatWait checks the rules of the folder later, which need more of
// the language than a build may run: what is refused is refused for that alone,
// and what is not passes its tests.
func TestRulesThatWait(t *testing.T) {
	names, err := filepath.Glob("later/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) { waits(t, name) })
	}
}

func waits(t *testing.T, name string) {
	sources := []rules.Source{{Name: "streams.yaml", Text: catalog.Streams().Data}}
	for _, f := range slices.Compact([]string{"later/04-account-takeover.yaml", name}) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, rules.Source{Name: f, Text: text})
	}
	set, problems := rules.Check(nil, sources...)
	for _, p := range problems {
		if !strings.Contains(p.Detail, "not supported yet") {
			t.Errorf("%s", p)
		}
	}
	if len(problems) > 0 {
		return
	}
	results, err := ruletest.Run(set)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if !r.Passed {
			t.Errorf("%s, %q (line %d): %s%s", r.Rule, r.Test, r.Line, r.Error, r.Diff)
		}
	}
}
