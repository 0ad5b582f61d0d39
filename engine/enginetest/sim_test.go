package enginetest

import (
	"flag"
	"math/rand/v2"
	"testing"
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
		s := NewScript(seed, n, lib)
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
			t.Fatalf("seed %d: %v", seed, err)
		}
		if d := sim.Committed.Difference(want); d != "" {
			t.Fatalf("seed %d: %s", seed, d)
		}
		if sim.Crashes < n || len(want.Alerts) == 0 {
			t.Fatalf("seed %d: %d crashes, %d alerts: the run proves nothing", seed, sim.Crashes, len(want.Alerts))
		}
		t.Logf("seed %d: %d crashes, %d checkpoints (%d passed over), %d records replayed, %d alerts, %d late, %d dead, %d journal entries",
			seed, sim.Crashes, sim.Saved, sim.Rejected, sim.Replayed, len(want.Alerts), len(want.Late), len(want.Dead), len(want.Journal))
	}
}

// TestRandomCrash kills the process once at a random point, commits and
// checkpoint steps included, in each of many short runs.
func TestRandomCrash(t *testing.T) {
	lib := library(t)
	runs := uint64(1000)
	if testing.Short() {
		runs = 100
	}
	alerts, points := 0, map[string]int{}
	for seed := range runs {
		s := NewScript(1_000+seed, 200, lib)
		want := crashFree(t, s)
		r := rand.New(rand.NewPCG(seed, 5))
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
		alerts += len(want.Alerts)
	}
	t.Logf("%d seeds from 1000, %d alerts, crashes at %v", runs, alerts, points)
}
