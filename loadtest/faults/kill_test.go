//go:build e2e

package faults

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	events = flag.Int("events", 20_000, "events of the kill test")
	rate   = flag.Int("rate", 1000, "events a second")
	kills  = flag.Int("kills", 2, "how often a process is killed")
	seed   = flag.Uint64("seed", 1, "of the events and of the moments of the kills")
)

// TestKilledProcessesLoseAndDoubleNothing kills one of two processes with
// SIGKILL at random moments while events stream in, and compares the alerts of
// the topic and of the history with those of `match` and of the oracle.
func TestKilledProcessesLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.useObjects()
	in := r.generate(*seed, *events)
	want := r.matched(in)
	if len(want) < 20 {
		t.Fatalf("only %d alerts are expected: the test would show little", len(want))
	}
	a, b := newProcess(t, r.binary, r.settings, "a"), newProcess(t, r.binary, r.settings, "b")
	a.start()
	b.start()
	r.install(a, a, b)

	produced := make(chan error, 1)
	live := in.records[:len(in.records)-in.closing]
	took := time.Duration(len(live)) * time.Second / time.Duration(max(1, *rate))
	began := time.Now()
	go func() { produced <- r.produce(live, *rate) }()
	r.killAtRandom(began, took, []*process{a, b})
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	if err := r.produce(in.records[len(live):], 0); err != nil {
		t.Fatal(err)
	}
	r.drained(patience, a, b)
	t.Logf("seed %d: %d events, %d kills, %d alerts expected, drained after %s", *seed, len(live), *kills, len(want), time.Since(began).Round(time.Second))
	r.same(in, want, a)
	if *figures != "" && !t.Failed() {
		report(t, "kill", fmt.Sprintf("%d events at %d a second over %d partitions of %d streams, two processes, %d times SIGKILL, seed %d:\n"+
			"%d alerts in the topic (read_committed), in Cassandra, from `caltrop match` and from the oracle; 0 lost, 0 twice.\n", len(live), *rate, *sourcePartitions, len(r.streamNames()), *kills, *seed,
			len(want)))
	}
}

// same compares the alerts of the topic and of the history with what is right:
// the topic twice, as the last transaction may be open at first, and nothing
// may come on top later.
func (r *rig) same(in *input, want alertSet, p *process) {
	r.t.Helper()
	r.sameInTopic(want)
	r.sameAsOracle(in)
	r.sameInHistory(p)
	if diff := want.difference(r.committed()); diff != "" {
		r.t.Errorf("the alerts topic has come to differ from match:\n%s", diff)
	}
}

func (r *rig) sameInTopic(want alertSet) {
	r.t.Helper()
	eventually(r.t, patience, func() string {
		if diff := want.difference(r.committed()); diff != "" {
			return "the alerts topic differs from match:\n" + diff
		}
		return ""
	})
}

// killAtRandom kills one process after the other, each time a random one, at
// moments spread over the production, and starts it again.
func (r *rig) killAtRandom(began time.Time, took time.Duration, all []*process) {
	rng := rand.New(rand.NewPCG(*seed, 1))
	for i := range *kills {
		slot := took / time.Duration(*kills)
		at := time.Duration(i)*slot + time.Duration(rng.Int64N(int64(slot)))
		time.Sleep(time.Until(began.Add(at)))
		p := all[rng.IntN(len(all))]
		p.kill()
		r.t.Logf("killed %s at %s", p.address, time.Since(began).Round(time.Millisecond))
		time.Sleep(time.Duration(rng.Int64N(int64(2 * time.Second))))
		p.start()
	}
}

func (r *rig) sameAsOracle(in *input) {
	r.t.Helper()
	want, got := alertSet(r.judged(in)), alertSet(r.withoutIDs())
	if diff := want.difference(got); diff != "" {
		r.t.Errorf("the alerts topic differs from the oracle:\n%s", diff)
	}
}
