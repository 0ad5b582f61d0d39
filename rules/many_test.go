package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/rules"
)

// Many rules, and one rule changed as often: each change compiles one rule, and
// the last revision wins (faults 38).
func TestManyRulesAndManyRevisions(t *testing.T) {
	const many = 300
	log := &rules.MemoryLog{}
	r := start(t, log)
	putStream(t, r, "payment", paymentStream)
	for i := range many {
		name := fmt.Sprintf("probe-%d", i)
		text := strings.Replace(probeRule(i), "name: probe", "name: "+name, 1)
		if _, _, err := r.Put(t.Context(), rules.Change{Kind: rules.KindRule, Name: name, Text: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	before := r.Current()
	for i := range many {
		if _, _, err := putRule(r, probeRule(i), rules.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	set := r.Current()
	if got := set.Rule("probe"); got == nil || got.Revision != many || len(set.Rules) != many+1 {
		t.Fatalf("rule %+v of %d, want revision %d of %d", got, len(set.Rules), many, many+1)
	}
	for _, rule := range before.Rules {
		if set.Rule(rule.Doc.Name) != rule {
			t.Fatalf("%s was compiled again though only another rule changed", rule.Doc.Name)
		}
	}
	if again := start(t, log).Current(); fmt.Sprint(again.Refs()) != fmt.Sprint(set.Refs()) {
		t.Error("another process reads other revisions")
	}
}
