package ceptest_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
)

var cappedFlag = flag.Int("ceptest.capped", 10_000, "how many random cases TestCapsEqualTheOracle compares; half of them TestEvidenceLimitLosesNoAlert")

// TestCapsEqualTheOracle compares engine and oracle on random chains with at
// most one to three runs a key: which start is dropped, and which alerts say
// capped (docs/language.md §5, "Limits").
func TestCapsEqualTheOracle(t *testing.T) {
	cases, alerts, capped := 0, 0, 0
	for index := uint64(0); cases < *cappedFlag; index++ {
		rng := rand.New(rand.NewPCG(*seedFlag, index))
		body := randomChain(rng)
		c, refusal := compileBoth(ceptest.DraftText(body))
		if refusal != "" {
			t.Fatalf("%s\nis refused: %s", body, refusal)
		}
		for range sequencesPerRule {
			events := c.adopt([][]*event.Event{ceptest.RandomEvents(rng, c.setting, 1+rng.IntN(2*ceptest.MaxEvents))})
			want, err := c.oracle.Capped(events[0], coveredLongAgo)
			if err != nil {
				t.Fatal(err)
			}
			got, err := run(c.rule, c.setting.Tables, events, coveredLongAgo)
			if err != nil {
				t.Fatal(err)
			}
			if w, g := ceptest.FormatAlerts(want), ceptest.FormatAlerts(got[0]); w != g {
				t.Fatalf("seed %d, rule %d\n%s\n%s\nthe oracle gives\n%sthe engine gives\n%s", *seedFlag, index, body, ceptest.FormatEvents(events[0]), w, g)
			}
			cases, alerts = cases+1, alerts+len(want)
			if slices.ContainsFunc(want, func(a ceptest.Alert) bool { return a.Capped }) {
				capped++
			}
		}
	}
	if alerts < cases/2 || capped < cases/10 {
		t.Errorf("%d alerts in %d cases, capped in %d: the generator has gone blind", alerts, cases, capped)
	}
	t.Logf("seed %d: %d cases, %d alerts, capped in %d cases", *seedFlag, cases, alerts, capped)
}

// randomChain writes the body of a rule of two or three steps whose condition
// reads an earlier one, with absences between and at the end.
func randomChain(rng *rand.Rand) string {
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	pattern := "a" + pick(" -> ", " -> ", " -> !x -> ") + "b" + pick("", " -> c", " -> !y -> c", " -> !y", " -> c -> !z")
	body := fmt.Sprintf("within: %ds\npattern: %s\nsteps:\n", 4+rng.IntN(20), pattern)
	step := func(name, where string, gap int) {
		if !slices.Contains([]rune(pattern), rune(name[0])) {
			return
		}
		body += fmt.Sprintf("  %s: {stream: e, where: '%s'", name, where)
		if gap > 0 {
			body += fmt.Sprintf(", gap: %ds", gap)
		}
		body += "}\n"
	}
	step("a", pick(`kind in ["a", "b", "c"]`, "v < 4", `kind == "a"`), 0)
	step("b", pick("v > a.v", "v == a.v", "v != a.v && kind != a.kind"), 0)
	step("c", pick("v < a.v", `kind == "c"`, "v == b.v", "kind == a.kind"), 0)
	step("x", pick(`kind == "x"`, "v == a.v", "v == 4"), 0)
	last := 0
	if pattern[len(pattern)-2] == '!' {
		last = rng.IntN(4)
	}
	step("y", pick(`kind == "x"`, "v == b.v"), last)
	step("z", pick(`kind == "x"`, "v == c.v"), last)
	body += pick("", "after_match: no_skip\n", "emit: all\n") + "timing: final\n"
	return body + fmt.Sprintf("limits: {runs_per_key: %d, matches_per_event: 1000}\n", 1+rng.IntN(3))
}

// TestEvidenceLimitLosesNoAlert compares engine and oracle on random rules that
// keep few events a key: every alert is raised, at the same events, and where
// it does not say truncated its evidence is whole.
func TestEvidenceLimitLosesNoAlert(t *testing.T) {
	cases, alerts, truncated := 0, 0, 0
	for index := uint64(0); cases < *cappedFlag/2; index++ {
		rng := rand.New(rand.NewPCG(*seedFlag, index))
		draft := ceptest.RandomRule(rng, ceptest.AllOptions())
		text := strings.Replace(draft.Text(), "runs_per_key: 100000", fmt.Sprintf("runs_per_key: 100000, evidence: %d", 1+rng.IntN(5)), 1)
		c, refusal := compileBoth(text)
		if refusal != "" || c.rule.Pattern.Stateful || draft.All {
			continue
		}
		for range sequencesPerRule {
			events := c.adopt([][]*event.Event{ceptest.RandomEvents(rng, c.setting, 1+rng.IntN(ceptest.MaxEvents))})
			want := slices.DeleteFunc(c.oracle.Alerts(events[0], coveredLongAgo), func(a ceptest.Alert) bool { return a.Key[0] != event.StringOf(caseKey) })
			got, err := run(c.rule, c.setting.Tables, events, coveredLongAgo)
			if err != nil {
				t.Fatal(err)
			}
			cases, alerts = cases+1, alerts+len(want)
			same := len(want) == len(got[0])
			for i := 0; same && i < len(want); i++ {
				if got[0][i].Truncated {
					truncated++
					same = want[i].At == got[0][i].At && want[i].Event.ID == got[0][i].Event.ID
				} else {
					same = ceptest.FormatAlerts(want[i:i+1]) == ceptest.FormatAlerts(got[0][i:i+1])
				}
			}
			if !same {
				t.Fatalf("seed %d, rule %d\n%s\n%s\nthe oracle gives\n%sthe engine gives\n%s", *seedFlag, index, text[strings.LastIndex(text, "---"):],
					ceptest.FormatEvents(events[0]), ceptest.FormatAlerts(want), ceptest.FormatAlerts(got[0]))
			}
		}
	}
	if alerts < cases/4 || truncated < alerts/50 {
		t.Errorf("%d alerts in %d cases, %d truncated: the generator has gone blind", alerts, cases, truncated)
	}
	t.Logf("seed %d: %d cases, %d alerts, %d truncated", *seedFlag, cases, alerts, truncated)
}
