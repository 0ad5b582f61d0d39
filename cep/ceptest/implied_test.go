package ceptest_test

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
)

var impliedFlag = flag.Int("ceptest.implied", 5000, "how many random cases TestFirstIsAmongAll compares")

// TestFirstIsAmongAll: whatever `emit: first` raises is a match that `emit:
// all` without skips raises too.
func TestFirstIsAmongAll(t *testing.T) {
	cases, alerts := 0, 0
	for index := uint64(0); cases < *impliedFlag; index++ {
		rng := rand.New(rand.NewPCG(*seedFlag, index))
		draft := ceptest.RandomRule(rng, ceptest.AllOptions())
		if draft.All {
			continue
		}
		all := *draft
		all.All, all.AfterMatch = true, "no_skip"
		one, refusal := compileBoth(draft.Text())
		if refusal != "" {
			continue
		}
		every, refusal := compileBoth(all.Text())
		if refusal != "" {
			t.Fatalf("rule %d is refused with emit: all: %s", index, refusal)
		}
		for range sequencesPerRule {
			cases++
			events := ceptest.RandomEvents(rng, one.setting, 1+rng.IntN(ceptest.MaxEvents))
			first, whole := raised(t, one, events), raised(t, every, events)
			for _, line := range first {
				if line == "" {
					continue
				}
				if alerts++; !slices.Contains(whole, line) {
					t.Fatalf("seed %d, rule %d\n%s\n%s\nemit: first raises\n%s\nemit: all raises\n%s", *seedFlag, index, draft.Body(), ceptest.FormatEvents(events), line, strings.Join(whole, "\n"))
				}
			}
		}
	}
	if alerts < cases/10 {
		t.Errorf("only %d alerts in %d cases", alerts, cases)
	}
	t.Logf("seed %d: %d cases, %d alerts", *seedFlag, cases, alerts)
}

// raised returns the engine's alerts, one a line.
func raised(t *testing.T, c *compiled, events []*event.Event) []string {
	t.Helper()
	alerts, err := run(c.rule, c.setting.Tables, c.adopt([][]*event.Event{events}), coveredLongAgo)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(ceptest.FormatAlerts(alerts[0]), "\n"), "\n")
}
