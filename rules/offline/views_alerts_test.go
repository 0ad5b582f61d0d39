package offline_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
)

// raisedStream has what the stream of alerts has, for an oracle that knows no
// rules besides the view.
const raisedStream = `apiVersion: caltrop/v1
kind: Stream
name: raised
source: {topic: raised}
time: {field: at, unit: us}
id: id
fields: {rule: string, severity: string, score: int, key: string}
`

// TestViewsOverAlertsEqualTheOracle runs random views over the alerts of random
// rules. Their updates are those that the oracle makes of the first versions of
// the same alerts, given to it as the events of a stream.
func TestViewsOverAlertsEqualTheOracle(t *testing.T) {
	cases, updates := 0, 0
	for seed := range uint64(*viewSets) {
		rng := rand.New(rand.NewPCG(*seedFlag, 2_000_000+seed))
		drafts, set := randomSet(t, rng)
		text, settings := viewsOverAlerts(t, rng)
		all := draftStreams()
		for _, r := range set.Rules {
			doc := drafts[r.Doc.Name].Text
			all += doc[strings.LastIndex(doc, "---\n"):] + fmt.Sprintf("score: %d\n", rng.IntN(3)*40)
		}
		set, problems := rules.Check(nil, rules.Source{Name: "set", Text: []byte(all + text)})
		if p := refused(problems); p != "" {
			t.Fatalf("%s\n%s", p, all+text)
		}
		for range filesPerSet {
			lines := randomLines(rng, drafts)
			run := finished(t, set, lines)
			got, raised := updatesOf(t, run), raisedLines(run)
			for name, s := range settings {
				want := judgedView(t, s, raised)
				cases, updates = cases+1, updates+len(want)
				if g := got[name]; !slices.Equal(g, want) {
					t.Fatalf("seed %d, set %d: %s\n%s\nalerts\n%s\n\ngot\n%s\nwant\n%s", *seedFlag, seed, name, s.Text[strings.LastIndex(s.Text, "---"):],
						strings.Join(raised, "\n"), strings.Join(g, "\n"), strings.Join(want, "\n"))
				}
			}
		}
	}
	if updates < cases {
		t.Errorf("only %d updates in %d cases", updates, cases)
	}
	t.Logf("seed %d: %d cases, %d updates", *seedFlag, cases, updates)
}

// viewsOverAlerts drafts views, one called as a rule, each also as a setting of
// the oracle's.
func viewsOverAlerts(t *testing.T, rng *rand.Rand) (text string, settings map[string]*ceptest.Setting) {
	settings = map[string]*ceptest.Setting{}
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	for n := range 4 {
		name := fmt.Sprintf("rule-%d", n)
		doc := "---\napiVersion: caltrop/v1\nkind: View\nname: " + name + "\nkey: key\n" +
			"window: {stream: alerts" + pick("", ", where: score > 0", `, where: rule != "rule-1"`, `, where: 'rule == "rule-1" || rule == "rule-2"'`) +
			pick(", rolling: 5s", ", rolling: 1m", ", tumbling: 4s", ", sliding: 6s, every: 2s", ", session: 3s") + "}\n" +
			"values: {n: count(), s: sum(score), most: max(score), rules: distinct(rule)}\nto: [redis]\n" + pick("", "every: 1ms\n", "every: 2s\n")
		s, err := ceptest.Parse(raisedStream + strings.Replace(doc, "stream: alerts", "stream: raised", 1))
		if err != nil {
			t.Fatal(err)
		}
		settings[name], text = s, text+doc
	}
	return text, settings
}

// raisedLines are the first versions of a run's alerts, in order of time, as
// the stream of alerts has them.
func raisedLines(run *offline.Run) []string {
	offline.Sort(run.Alerts)
	var lines []string
	for i := range run.Alerts {
		if a := &run.Alerts[i]; a.Version == 1 {
			lines = append(lines, fmt.Sprintf(`{"stream":"raised","at":%d,"id":%q,"rule":%q,"severity":%q,"score":%d,"key":%q}`,
				a.At, a.ID, a.Rule, a.Severity, a.Score, a.KeyText()))
		}
	}
	return lines
}
