package enginetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/engine/task"
)

// revisedTexts are later revisions of payment: fields are added where no rule
// reads them, and in another order; then the conditions' own field is declared in
// another way that changes no value.
var revisedTexts = []string{
	strings.Replace(paymentText, "fields:\n", "fields:\n  device: {type: string, optional: true}\n  ip: {type: string, optional: true}\n", 1),
	strings.Replace(strings.Replace(paymentText, "  card: string\n", "", 1), "fields:\n",
		"fields:\n  a: {type: int, optional: true}\n  b: {type: int, optional: true}\n  c: {type: double, optional: true}\n  d: {type: bool, optional: true}\n  e: {type: bool, optional: true}\n  card: string\n", 1),
	strings.Replace(paymentText, "amount: double", "amount: {type: double, optional: true}", 1),
}

// kinTexts are of one shape with the rule failures: they keep one record a key. The
// last reads what the last revision alters, the others do not.
var kinTexts = []string{kinText("approvals", `status == "approved"`), kinText("cheap", "amount < 5.0")}

func kinText(name, where string) string {
	return `
apiVersion: caltrop/v1
kind: Rule
name: ` + name + `
key: card
within: 40s
pattern: fail{%[1]d,}
steps:
  fail: {stream: payment, where: ` + where + `}
alert: {suppress: 15s}
`
}

const altering = 4 // the revision that alters rules

// revisedLibrary holds the rules of the scripts over each revision of payment.
func revisedLibrary(t *testing.T, timing string) (*Library, []string) {
	t.Helper()
	lib, err := NewLibrary(streamsText + historyText)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range revisedTexts {
		if err := lib.Revise("payment", text); err != nil {
			t.Fatal(err)
		}
	}
	texts, names := streamRules()
	texts, names = append(texts, kinTexts...), append(names, "approvals", "cheap")
	for _, text := range texts {
		if err := lib.Add(1, fmt.Sprintf(text+timing, 2)); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range viewTexts[:4] {
		if err := lib.Add(1, fmt.Sprintf(text, 2)); err != nil {
			t.Fatal(err)
		}
	}
	return lib, names
}

// revise adds a switch to a revision of payment at a place.
func (s *Script) revise(at int64, revision int) {
	e := s.Acts[0][0]
	e.Set.Streams = slices.Clone(e.Set.Streams)
	for i, ref := range e.Set.Streams {
		if ref.Name == "payment" {
			e.Set.Streams[i].Revision = revision
		}
	}
	s.Acts[at] = append([]task.Entry{e}, s.Acts[at]...)
}

// revisedScript is a script whose rules stay and whose payments are revised at
// random places, up to a revision.
func revisedScript(seed uint64, n int, lib *Library, names []string, last int) *Script {
	s := lifeScript(seed, n, lib, names, 1)
	for _, name := range viewNames[:4] {
		set := &s.Acts[0][0].Set
		set.Views = append(set.Views, task.Ref{Name: name, Revision: 1})
	}
	r := rand.New(rand.NewPCG(seed, 29))
	for rev := 2; rev <= last; rev++ {
		part := len(s.Records) / (len(revisedTexts) + 1)
		s.revise(s.Records[(rev-1)*part+r.IntN(part)].Offset+1, rev)
	}
	return s
}

// sorted are the alerts with the fields of their evidence in one order.
func (c *Committed) sorted(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, a := range c.Alerts {
		var v map[string]any
		if err := json.Unmarshal(a, &v); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	return all
}

// TestRevisedStream changes a stream that rules, profiles and views read, and
// crashes at random. Where the change leaves them as they are, the alerts, and what the
// views say, are those of a stream that never changed; where rules start warm, the
// alerts are.
func TestRevisedStream(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, timing string
		last         int // revision
	}{
		{"final rules go on", "timing: final\n", altering - 1},
		{"early rules go on", "", altering - 1},
		{"rules start warm", "timing: final\n", altering},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lib, names := revisedLibrary(t, c.timing)
			alerts, crashes, warmed, seeds := 0, 0, 0, 100
			if testing.Short() {
				seeds = 20
			}
			for seed := range uint64(seeds) {
				want := crashFree(t, revisedScript(seed, 250, lib, names, 1))
				s := revisedScript(seed, 250, lib, names, c.last)
				s.Start = func(task.Ref) string { return "warm" }
				r := rand.New(rand.NewPCG(seed, 31))
				sim := &Sim{Script: s, Copies: true, CommitEvery: 6, CheckpointEvery: 20, Crash: func(Point) bool { return r.IntN(40) == 0 }}
				if err := sim.Run(); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				got, wanted := sim.Committed.sorted(t), want.sorted(t)
				if c.last == altering { // two revisions of an event are shown one after the other, each to its rules
					slices.Sort(got)
					slices.Sort(wanted)
				}
				if d := firstDifference("alert", got, wanted); d != "" {
					t.Fatalf("seed %d: %s", seed, d)
				}
				if d := firstDifference("update of a view", sim.Committed.Views, want.Views); d != "" && c.last < altering {
					t.Fatalf("seed %d: %s", seed, d)
				}
				alerts, crashes, warmed = alerts+len(want.Alerts), crashes+sim.Crashes, warmed+sim.Warmed
			}
			if alerts < 20*seeds || crashes < seeds || warmed > 0 != (c.last == altering) {
				t.Errorf("%d alerts, %d crashes, %d rules warmed up: the runs prove nothing", alerts, crashes, warmed)
			}
			t.Logf("%d alerts, %d crashes, %d rules warmed up", alerts, crashes, warmed)
		})
	}
}

// TestRevisedStreamCrashes changes the stream at random, in ways that alter rules
// too, and crashes after every record: what is committed is byte for byte what is
// without a crash.
func TestRevisedStreamCrashes(t *testing.T) {
	t.Parallel()
	lib, names := revisedLibrary(t, "")
	for seed := range uint64(2) {
		s := revisedScript(seed, 200, lib, names, altering)
		s.Start = func(task.Ref) string { return "warm" }
		crashEverywhere(t, s, 200)
	}
}
