package enginetest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/caltrop/caltrop/sinks/alert"
)

var seeds = flag.Int("seeds", 3, "seeds of the run that crashes at every position")

// crashFree is what the script gives without a crash, a cache or a database.
func crashFree(t *testing.T, s *Script) *Committed {
	t.Helper()
	sim := &Sim{Script: s, Memory: true, CommitEvery: 5}
	if err := sim.Run(); err != nil {
		t.Fatalf("seed %d without a crash: %v", s.Seed, err)
	}
	return &sim.Committed
}

func library(t *testing.T) *Library {
	t.Helper()
	lib, err := NewLibraryOfRules()
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

// TestCrashAtEveryPosition kills the process after every record of a run, one
// after the other, with a cache of one key and checkpoints at random
// positions. What it commits equals the crash-free run byte for byte.
func TestCrashAtEveryPosition(t *testing.T) {
	lib := library(t)
	n := 2000
	if testing.Short() {
		n = 300
	}
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			crashEverywhere(t, NewScript(seed, n, lib), n)
		})
	}
}

func crashEverywhere(t *testing.T, s *Script, n int) {
	want := crashFree(t, s)
	crashed := map[Point]bool{}
	sim := &Sim{Script: s, Keys: 1, CommitEvery: 6, CheckpointEvery: 25, Crash: func(p Point) bool {
		if p.Name != "step" || crashed[p] {
			return false
		}
		crashed[p] = true
		return true
	}}
	if err := sim.Run(); err != nil {
		t.Fatalf("seed %d: %v", s.Seed, err)
	}
	if d := sim.Committed.Difference(want); d != "" {
		t.Fatalf("seed %d: %s", s.Seed, d)
	}
	if sim.Crashes < n || len(want.Alerts) == 0 {
		t.Fatalf("seed %d: %d crashes, %d alerts: the run proves nothing", s.Seed, sim.Crashes, len(want.Alerts))
	}
	t.Logf("seed %d: %d crashes, %d checkpoints (%d passed over), %d records replayed, %d alerts, %d late, %d dead, %d journal entries",
		s.Seed, sim.Crashes, sim.Saved, sim.Rejected, sim.Replayed, len(want.Alerts), len(want.Late), len(want.Dead), len(want.Journal))
}

// TestRandomCrash kills the process once at a random point, commits and
// checkpoint steps included, in each of many short runs.
func TestRandomCrash(t *testing.T) {
	lib := library(t)
	runs := uint64(1000)
	if testing.Short() {
		runs = 100
	}
	const shards = 4
	for shard := range uint64(shards) {
		first := 1000 + shard*runs/shards
		t.Run(fmt.Sprintf("%d seeds from %d", runs/shards, first), func(t *testing.T) {
			t.Parallel()
			alerts, points := 0, map[string]int{}
			for seed := range runs / shards {
				alerts += crashOnce(t, NewScript(first+seed, 200, lib), points)
			}
			t.Logf("%d alerts, crashes at %v", alerts, points)
		})
	}
}

func crashOnce(t *testing.T, s *Script, points map[string]int) (alerts int) {
	want := crashFree(t, s)
	r := rand.New(rand.NewPCG(s.Seed, 5))
	countdown := r.IntN(260)
	sim := &Sim{Script: s, Keys: 1 + r.IntN(2)*5, CommitEvery: 1 + r.IntN(12), CheckpointEvery: 5 + r.IntN(30), Crash: func(p Point) bool {
		countdown--
		if countdown == 0 {
			points[p.Name]++
		}
		return countdown == 0
	}}
	if err := sim.Run(); err != nil {
		t.Fatalf("seed %d: %v", s.Seed, err)
	}
	if d := sim.Committed.Difference(want); d != "" {
		t.Fatalf("seed %d: %s", s.Seed, d)
	}
	return len(want.Alerts)
}

// TestScriptsRaiseAlertsOnAlerts makes sure that the crashes of the other tests
// meet rules on rules.
func TestScriptsRaiseAlertsOnAlerts(t *testing.T) {
	lib, above := library(t), 0
	for seed := range uint64(20) {
		for _, line := range crashFree(t, NewScript(seed, 200, lib)).Alerts {
			a, err := alert.ParseJSON(line)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(aboveNames, a.Rule) {
				above++
			}
		}
	}
	if above < 50 {
		t.Errorf("%d alerts of rules on rules in 20 scripts", above)
	}
	t.Logf("%d alerts of rules on rules in 20 scripts", above)
}
