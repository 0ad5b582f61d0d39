package enginetest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/sinks/alert"
)

// TestMain lets the heap grow: the runs are short, and little of what they make lives.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	m.Run()
}

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
	t.Parallel()
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
	if sim.Crashes < n || len(want.Alerts) == 0 || len(want.Views) == 0 {
		t.Fatalf("seed %d: %d crashes, %d alerts, %d updates of views: the run proves nothing", s.Seed, sim.Crashes, len(want.Alerts), len(want.Views))
	}
	t.Logf("seed %d: %d crashes, %d checkpoints (%d passed over), %d records replayed, %d alerts, %d updates of views, %d late, %d dead, %d journal entries",
		s.Seed, sim.Crashes, sim.Saved, sim.Rejected, sim.Replayed, len(want.Alerts), len(want.Views), len(want.Late), len(want.Dead), len(want.Journal))
}

// TestRandomCrash kills the process once at a random point, commits and
// checkpoint steps included, in each of many short runs.
func TestRandomCrash(t *testing.T) {
	t.Parallel()
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

// failpoints are the named points of the driver, of saving and of restoring.
var failpoints = []string{
	"before-txn-commit", "after-txn-commit",
	string(checkpoint.BeforeFlush), string(checkpoint.AfterFlush), string(checkpoint.EachUpload), string(checkpoint.BeforeManifest),
	string(checkpoint.AfterManifest), string(checkpoint.BeforeGC), string(checkpoint.EachFetch), string(checkpoint.BeforeOpen),
}

// Faults 1 and 2: the process dies each time it comes to a named point, up to
// twenty times a run; unsynced writes are lost in part. The alerts are those of
// the run without a crash, whose rules the oracle judges
// (TestTaskAgreesWithOracle).
func TestT01T02KilledAtEveryFailpoint(t *testing.T) {
	t.Parallel()
	lib := library(t)
	for _, name := range failpoints {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crashes, alerts := 0, 0
			for seed := range uint64(8) {
				n, a := killAt(t, NewScript(7000+seed, 200, lib), name)
				crashes, alerts = crashes+n, alerts+a
			}
			if crashes < 20 || alerts == 0 {
				t.Errorf("%d crashes, %d alerts: the runs prove nothing", crashes, alerts)
			}
			t.Logf("%d crashes, %d alerts, none lost, none twice", crashes, alerts)
		})
	}
}

func killAt(t *testing.T, s *Script, name string) (crashes, alerts int) {
	t.Helper()
	want := crashFree(t, s)
	visits, steps := 0, 0
	restoring := name == string(checkpoint.EachFetch) || name == string(checkpoint.BeforeOpen)
	sim := &Sim{Script: s, Keys: 2, CommitEvery: 5, CheckpointEvery: 10, Crash: func(p Point) bool {
		if p.Name == "step" {
			steps++
		}
		if restoring && p.Name == "step" && steps%20 == 0 && steps < 400 {
			return true // so that there is something to restore
		}
		if p.Name == name {
			visits++
		}
		// Not every time: a process that never gets past a point gets nowhere.
		return p.Name == name && visits%3 == 1 && visits < 60
	}}
	if err := sim.Run(); err != nil {
		t.Fatalf("seed %d, %s: %v", s.Seed, name, err)
	}
	if d := sim.Committed.Difference(want); d != "" {
		t.Fatalf("seed %d, %s: %s", s.Seed, name, d)
	}
	return sim.Crashes, len(want.Alerts)
}

// Fault 12: the rules change between a checkpoint and its restore: killed right
// after each switch, so that the replay meets it with the state of before, and
// at the next checkpoint after it.
func TestT12RulesChangeBetweenCheckpointAndRestore(t *testing.T) {
	t.Parallel()
	lib := library(t)
	switches, alerts := 0, 0
	for seed := range uint64(20) {
		s := NewScript(12_000+seed, 200, lib)
		at := map[uint64]bool{}
		want := crashFree(t, s)
		for _, e := range want.Journal {
			if e.Kind == task.Switch {
				at[e.Seq] = true
			}
		}
		crashed := map[string]bool{}
		sim := &Sim{Script: s, Keys: 1, CommitEvery: 3, CheckpointEvery: 12, Crash: func(p Point) bool {
			what := fmt.Sprint(p.Name, p.Seq)
			if crashed[what] || !at[p.Seq] || p.Name != "step" && p.Name != string(checkpoint.AfterManifest) {
				return false
			}
			crashed[what] = true
			return true
		}}
		if err := sim.Run(); err != nil {
			t.Fatalf("seed %d: %v", s.Seed, err)
		}
		if d := sim.Committed.Difference(want); d != "" {
			t.Fatalf("seed %d: %s", s.Seed, d)
		}
		switches, alerts = switches+len(at), alerts+len(want.Alerts)
	}
	if switches < 20 || alerts == 0 {
		t.Errorf("%d switches, %d alerts: the runs prove nothing", switches, alerts)
	}
	t.Logf("%d switches, %d alerts", switches, alerts)
}

// TestScriptsRaiseAlertsOfAllKinds makes sure that the crashes of the other
// tests meet windows, profiles and rules on rules.
func TestScriptsRaiseAlertsOfAllKinds(t *testing.T) {
	t.Parallel()
	lib, by := library(t), map[string]int{}
	for seed := range uint64(30) {
		for _, line := range crashFree(t, NewScript(seed, 200, lib)).Alerts {
			a, err := alert.ParseJSON(line)
			if err != nil {
				t.Fatal(err)
			}
			by[a.Rule]++
		}
	}
	for _, name := range slices.Concat(closedNames, aboveNames) {
		if by[name] < 3 {
			t.Errorf("%d alerts of %s in 30 scripts", by[name], name)
		}
	}
	t.Logf("alerts in 30 scripts: %v", by)
}
