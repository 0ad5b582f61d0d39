package offline_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
)

var (
	setsFlag = flag.Int("offline.sets", 25, "how many random sets of rules TestSetsOfRulesEqualTheOracle compares")
	setFlag  = flag.Int("offline.rules", 8, "how many rules one of them has")
	seedFlag = flag.Uint64("offline.seed", 1, "seed of TestSetsOfRulesEqualTheOracle")
)

const (
	filesPerSet  = 10
	eventsPerKey = 12
)

// TestSetsOfRulesEqualTheOracle runs random sets of patterns and windows, with
// suppression, over disordered and repeated events of two keys, through the
// task that `match` and the engine share. Every version that each rule of the
// set sends equals what the oracle makes of the rule alone.
func TestSetsOfRulesEqualTheOracle(t *testing.T) {
	compareSets(t, 0, randomSet, runSet, judged)
}

// TestEarlySetsEqualTheOracle does so with rules that are early, where they may
// be, and without suppression: what stands in the end equals what the oracle
// makes of all the events.
func TestEarlySetsEqualTheOracle(t *testing.T) {
	compareSets(t, 1<<32, randomEarlySet, func(t *testing.T, set *rules.Set, lines []string) map[string][]string {
		return versionsOf(newestOf(finished(t, set, lines).Alerts))
	}, judged)
}

// TestEarlySuppressionEqualsTheOracle does so with early rules that suppress:
// what stands in the end, and how many alerts each suppresses, depends on the
// order in which the events arrived.
func TestEarlySuppressionEqualsTheOracle(t *testing.T) {
	compareSets(t, 2<<32, randomHushedSet, func(t *testing.T, set *rules.Set, lines []string) map[string][]string {
		return versionsOf(newestOf(finished(t, set, lines).Alerts))
	}, judgedEarly)
}

// compareSets compares what runs of random sets say with the oracle.
func compareSets(t *testing.T, stream uint64, draw func(*testing.T, *rand.Rand) (map[string]*ceptest.Setting, *rules.Set), run func(*testing.T, *rules.Set, []string) map[string][]string,
	judge func(*testing.T, *ceptest.Setting, []string) []string) {
	cases, versions := 0, 0
	for seed := range uint64(*setsFlag) {
		rng := rand.New(rand.NewPCG(*seedFlag, stream+seed))
		settings, set := draw(t, rng)
		for range filesPerSet {
			lines := randomLines(rng, settings)
			got := run(t, set, lines)
			for name, s := range settings {
				want := judge(t, s, lines)
				cases, versions = cases+1, versions+len(want)
				if g := got[name]; !slices.Equal(g, want) {
					t.Fatalf("seed %d, set %d: %s\n%s\nevents\n%s\n\ngot\n%s\nwant\n%s", *seedFlag, seed, name, s.Text[strings.LastIndex(s.Text, "---"):],
						strings.Join(lines, "\n"), strings.Join(g, "\n"), strings.Join(want, "\n"))
				}
			}
		}
	}
	if versions < cases/5 {
		t.Errorf("only %d versions in %d cases", versions, cases)
	}
	t.Logf("seed %d: %d cases, %d versions", *seedFlag, cases, versions)
}

// draftStreams are the streams of random rules, with some lateness.
func draftStreams() string {
	text := ceptest.DraftText("")
	return strings.ReplaceAll(text[:strings.LastIndex(text, "---\n")], "lateness: 0s", "lateness: 5s")
}

// randomSet makes a set of rules that are accepted; each is also a setting of
// the oracle's.
func randomSet(t *testing.T, rng *rand.Rand) (map[string]*ceptest.Setting, *rules.Set) {
	return accepted(t, "Rule", func() string {
		body, key := randomBody(rng), "k"
		if rng.IntN(4) == 0 {
			key, body = composite(body)
		}
		if rng.IntN(2) == 0 {
			body = suppressed(body, 1+rng.IntN(9))
		}
		return "key: " + key + "\n" + body
	})
}

// randomEarlySet makes a set of early rules that are accepted.
func randomEarlySet(t *testing.T, rng *rand.Rand) (map[string]*ceptest.Setting, *rules.Set) {
	return accepted(t, "Rule", func() string {
		return "key: k\n" + strings.Replace(randomBody(rng), "timing: final", "timing: early", 1)
	})
}

// randomHushedSet makes a set of early rules with suppression. Of several
// matches of `emit: all` that one event completes the language does not say
// which is sent first.
func randomHushedSet(t *testing.T, rng *rand.Rand) (map[string]*ceptest.Setting, *rules.Set) {
	return accepted(t, "Rule", func() string {
		body := randomBody(rng)
		for strings.Contains(body, "emit: all") {
			body = randomBody(rng)
		}
		return "key: k\n" + suppressed(strings.Replace(body, "timing: final", "timing: early", 1), 1+rng.IntN(9))
	})
}

// accepted drafts documents of the kind until there are as many as a set has
// that are not refused.
func accepted(t *testing.T, kind string, draft func() string) (map[string]*ceptest.Setting, *rules.Set) {
	settings := map[string]*ceptest.Setting{}
	text := draftStreams()
	for len(settings) < *setFlag {
		name := fmt.Sprintf("rule-%d", len(settings))
		doc := "---\napiVersion: caltrop/v1\nkind: " + kind + "\nname: " + name + "\n" + draft()
		if _, problems := rules.Check(nil, rules.Source{Name: kind, Text: []byte(draftStreams() + doc)}); refused(problems) != "" {
			continue
		}
		s, err := ceptest.Parse(draftStreams() + doc)
		if err != nil {
			t.Fatal(err)
		}
		settings[name], text = s, text+doc
	}
	set, problems := rules.Check(nil, rules.Source{Name: "set", Text: []byte(text)})
	if p := refused(problems); p != "" {
		t.Fatalf("%s\n%s", text, p)
	}
	return settings, set
}

func randomBody(rng *rand.Rand) string {
	if rng.IntN(2) == 0 {
		return ceptest.RandomRule(rng, ceptest.AllOptions()).Body()
	}
	return ceptest.RandomWindow(rng)
}

// composite gives a rule a key of two fields; steps and streams with a key of
// their own follow.
func composite(body string) (key, of string) {
	return "[k, kind]", strings.NewReplacer("key: to}", "key: [to, kind]}", "keys: {t: to}", "keys: {t: [to, kind]}").Replace(body)
}

func suppressed(body string, seconds int) string {
	period := fmt.Sprintf("suppress: %ds", seconds)
	if strings.Contains(body, "alert: {") {
		return strings.Replace(body, "alert: {", "alert: {"+period+", ", 1)
	}
	return body + "alert: {" + period + "}\n"
}

// randomLines writes events of two keys as lines in arrival order: up to four
// seconds behind, some twice, some too late.
func randomLines(rng *rand.Rand, settings map[string]*ceptest.Setting) []string {
	type arrival struct {
		at   int64
		line string
	}
	var all []arrival
	for key := range 2 {
		s := settings[fmt.Sprintf("rule-%d", rng.IntN(*setFlag))]
		for _, ev := range ceptest.RandomEvents(rng, s, 1+rng.IntN(eventsPerKey)) {
			line := lineOf(ev, fmt.Sprint(ev.ID, "-", key), key)
			delay := int64(rng.IntN(5))
			if rng.IntN(30) == 0 {
				delay = 20
			}
			all = append(all, arrival{ev.Time/1_000_000 + delay, line})
			if rng.IntN(20) == 0 {
				all = append(all, arrival{ev.Time/1_000_000 + delay + int64(rng.IntN(2)), line})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return int(a.at - b.at) })
	lines := make([]string, len(all))
	for i, a := range all {
		lines[i] = a.line
	}
	return lines
}

func lineOf(ev *event.Event, id string, key int) string {
	line := fmt.Sprintf(`{"stream":%q,"ts":%d,"id":%q`, ev.Schema.Stream, ev.Time/1_000_000, id)
	for i, f := range ev.Schema.Fields {
		v := ev.Values[i]
		switch {
		case !v.Present():
		case v.Type() == event.String && (f.Name == "k" || f.Name == "to") && key == 1:
			line += fmt.Sprintf(`,%q:"other-%s"`, f.Name, v.Str())
		case v.Type() == event.String:
			line += fmt.Sprintf(`,%q:%q`, f.Name, v.Str())
		default:
			line += fmt.Sprintf(`,%q:%s`, f.Name, v.AppendText(nil))
		}
	}
	return line + "}"
}

func judged(t *testing.T, s *ceptest.Setting, lines []string) []string {
	raised, err := s.Judge(rawLines(lines))
	if err != nil {
		t.Fatal(err)
	}
	return describeAll(s.Suppressed(raised))
}

func judgedEarly(t *testing.T, s *ceptest.Setting, lines []string) []string {
	sent, err := s.SentEarly(rawLines(lines))
	if err != nil {
		t.Fatal(err)
	}
	return describeAll(sent)
}

func rawLines(lines []string) [][]byte {
	raw := make([][]byte, len(lines))
	for i, line := range lines {
		raw[i] = []byte(line)
	}
	return raw
}

func describeAll(versions []ceptest.Version) []string {
	var out []string
	for _, v := range versions {
		line := fmt.Sprintf("%s %d v%d suppressed %d %q", ceptest.KeyText(v.Alert.Key), v.Alert.At, v.Number, v.Suppressed, v.Alert.Summary)
		for _, step := range v.Alert.Evidence {
			line += describe(step.Step, step.Events)
		}
		for _, m := range v.Alert.Measures {
			line += fmt.Sprintf(" %s=%s", m.Name, measureText(m.Value))
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// measureText is a measure as an alert that was stored has it: JSON has no
// infinite number.
func measureText(v event.Value) []byte {
	if v.Type() == event.Double && (math.IsInf(v.Double(), 0) || math.IsNaN(v.Double())) {
		return nil
	}
	return v.AppendText(nil)
}

func describe(step string, events []*event.Event) string {
	line := " " + step
	for _, ev := range events {
		line += " " + ev.ID
	}
	return line
}

func runSet(t *testing.T, set *rules.Set, lines []string) map[string][]string {
	return versionsOf(finished(t, set, lines).Alerts)
}

// newestOf leaves of each alert that is not retracted its newest version, as
// its first.
func newestOf(alerts []alert.Alert) []alert.Alert {
	newest := map[alert.ID]alert.Alert{}
	for _, a := range alerts {
		if a.Version > newest[a.ID].Version {
			newest[a.ID] = a
		}
	}
	var left []alert.Alert
	for _, a := range newest {
		if a.Version = 1; a.Status != alert.Retracted {
			left = append(left, a)
		}
	}
	return left
}

func versionsOf(alerts []alert.Alert) map[string][]string {
	got := map[string][]string{}
	for i := range alerts {
		a := &alerts[i]
		line := fmt.Sprintf("%s %d v%d suppressed %d %q", ceptest.KeyText(a.Key), a.At, a.Version, a.Suppressed, a.Summary)
		for _, step := range a.Evidence {
			line += describe(step.Name, step.Events)
		}
		for _, m := range a.Measures {
			line += fmt.Sprintf(" %s=%s", m.Name, measureText(m.Value))
		}
		got[a.Rule] = append(got[a.Rule], line)
	}
	for _, g := range got {
		slices.Sort(g)
	}
	return got
}

func refused(problems []syntax.Problem) string {
	for _, p := range problems {
		if !p.Warning {
			return p.Detail
		}
	}
	return ""
}
