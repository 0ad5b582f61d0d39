package enginetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/engine/task"
)

// alikeTexts are two shapes of rules, of which all but the first differ in
// numbers only; the last is of neither.
var alikeTexts = []string{`
apiVersion: caltrop/v1
kind: Rule
name: probes-%[1]d
key: card
within: 40s
pattern: probe{2} -> hit
steps:
  probe: {stream: payment, where: status == "declined" && amount < %[2]d.0}
  hit: {stream: payment, where: amount > %[3]d.0}
alert: {measures: {spent: sum(probe.amount)}, suppress: 5s}
timing: final
`, `
apiVersion: caltrop/v1
kind: Rule
name: answers-%[1]d
key: card
within: 30s
pattern: fail+ -> big
steps:
  fail: {stream: challenge, where: result == "failed"}
  big: {stream: payment, where: amount >= %[3]d.0}
timing: final
`}

const neitherText = `
apiVersion: caltrop/v1
kind: Rule
name: neither
key: card
within: 20s
pattern: a -> !b
steps:
  a: {stream: payment, where: amount > 400.0}
  b: {stream: challenge, where: result == "passed"}
timing: final
---
apiVersion: caltrop/v1
kind: Rule
name: also-neither
key: card
within: 20s
pattern: a -> !b
steps:
  a: {stream: payment, where: amount > 400.0}
  b: {stream: payment, where: amount < 3.0}
timing: final
`

// alikes is how many rules there are of each shape.
const alikes = 5

// TestRulesOfOneShapeSayWhatEachSaysAlone lets rules of one shape, whose records
// are one, come, go, start warm and carry, while the process crashes and the
// cache holds one key. Each says what it says where it is the only one of them.
func TestRulesOfOneShapeSayWhatEachSaysAlone(t *testing.T) {
	t.Parallel()
	lib, names := alikeLibrary(t)
	seeds, alerts, crashes, warmed := uint64(100), 0, 0, 0
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		s := alikeScript(seed, lib, names)
		r := rand.New(rand.NewPCG(seed, 29))
		sim := &Sim{Script: s, Keys: 1, CommitEvery: 6, CheckpointEvery: 20, Crash: func(Point) bool { return r.IntN(80) == 0 }}
		if err := sim.Run(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, name := range names {
			got, want := sim.Committed.of(name), crashFree(t, s.only(name)).of(name)
			if d := firstDifference("alert of "+name, got, want); d != "" {
				t.Fatalf("seed %d: %s", seed, d)
			}
			alerts += len(want)
		}
		crashes, warmed = crashes+sim.Crashes, warmed+sim.Warmed
	}
	if alerts < 80*int(seeds) || crashes < int(seeds) || warmed < int(seeds) {
		t.Errorf("%d alerts, %d crashes, %d rules warmed up: the runs prove too little", alerts, crashes, warmed)
	}
	t.Logf("%d seeds: %d alerts, %d crashes, %d rules warmed up", seeds, alerts, crashes, warmed)
}

func alikeLibrary(t *testing.T) (lib *Library, names []string) {
	t.Helper()
	lib, err := NewLibrary(streamsText)
	if err != nil {
		t.Fatal(err)
	}
	for rev := 1; rev <= revisions; rev++ {
		texts := neitherText
		for i := range alikes {
			for _, text := range alikeTexts {
				texts += "---" + fmt.Sprintf(text, i, []int{3, 50, 400}[(i+rev)%3], 20+100*((2*i+rev)%6))
			}
		}
		for _, text := range strings.Split(texts, "---") {
			if err := lib.Add(rev, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range alikes {
		names = append(names, fmt.Sprintf("probes-%d", i), fmt.Sprintf("answers-%d", i))
	}
	return lib, names
}

// alikeScript switches at random places between random sets of the rules. Rules
// of neither shape, always there, keep the groups.
func alikeScript(seed uint64, lib *Library, names []string) *Script {
	s := lifeScript(seed, 250, lib, nil, 0)
	s.Acts[0] = s.Acts[0][1:]
	r := rand.New(rand.NewPCG(seed, 31))
	for at := int64(0); at < s.Records[len(s.Records)-1].Offset; at += 1 + r.Int64N(100) {
		refs := []task.Ref{{Name: "neither", Revision: 1}, {Name: "also-neither", Revision: 1}}
		for _, name := range names {
			if rev := r.IntN(revisions + 2); rev <= revisions {
				refs = append(refs, task.Ref{Name: name, Revision: max(rev, 1)})
			}
		}
		s.Acts[at] = append([]task.Entry{{Kind: task.Switch, Set: lib.Set(refs...)}}, s.Acts[at]...)
	}
	s.Start = func(ref task.Ref) string {
		return []string{"warm", "carry", ""}[(len(ref.Name)+int(ref.Name[len(ref.Name)-1])+ref.Revision)%3]
	}
	return s
}

// only returns the script without the other rules that are alike.
func (s *Script) only(name string) *Script {
	one := *s
	one.Acts = map[int64][]task.Entry{}
	for at, acts := range s.Acts {
		for _, e := range acts {
			e.Set.Rules = slices.DeleteFunc(slices.Clone(e.Set.Rules), func(ref task.Ref) bool {
				return ref.Name != name && !strings.Contains(ref.Name, "neither")
			})
			one.Acts[at] = append(one.Acts[at], e)
		}
	}
	return &one
}

// of returns the alerts of a rule.
func (c *Committed) of(rule string) (alerts []string) {
	for _, a := range c.Alerts {
		if strings.Contains(string(a), `"rule":"`+rule+`"`) {
			alerts = append(alerts, string(a))
		}
	}
	return alerts
}
