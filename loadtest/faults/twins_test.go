//go:build e2e

package faults

import (
	"fmt"
	"testing"
	"time"
)

// TestT16TwoProcessesOfOneName starts two processes of one instance name, each with
// a data directory of its own, in one moment, and kills one under load with SIGKILL:
// both write by the same transactional ids, each partition has one owner, and nothing
// is lost or doubled.
func TestT16TwoProcessesOfOneName(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.History = "pebble"
	in := r.generate(16, smallRun)
	want := r.matched(in)
	var twins []*process
	for range 2 {
		s := r.settings
		s.Dir = t.TempDir()
		twins = append(twins, newProcess(t, r.binary, s, "twin"))
	}
	for _, p := range twins {
		p.start()
	}
	r.install(twins[0], twins...)
	produced := make(chan error, 1)
	go func() { produced <- r.produce(in.records, pace(in, 1, 9*time.Second)) }()
	time.Sleep(3 * time.Second)
	shared := len(twins[1].tasks())
	twins[1].kill()
	time.Sleep(time.Second)
	twins[1].start()
	if err := <-produced; err != nil {
		t.Fatal(err)
	}
	r.drained(patience, twins...)
	r.same(in, want, twins[0])
	eventually(t, patience, func() string { return r.ownedOnce(twins) })
	t.Logf("%d events, %d alerts; the killed one had %d of %d tasks; 0 lost, 0 twice, 0 wrong", len(in.records), len(want), shared, r.partitions*len(r.streamNames()))
}

// ownedOnce tells which partition is not live in exactly one of the processes, or
// which process has none.
func (r *rig) ownedOnce(all []*process) string {
	owners := map[string]int{}
	for i, p := range all {
		tasks := p.tasks()
		if len(tasks) == 0 {
			return fmt.Sprintf("process %d has no task", i)
		}
		for _, task := range tasks {
			if task.State == "live" {
				owners[fmt.Sprintf("%s/%d", task.Stream, task.Partition)]++
			}
		}
	}
	for name, n := range owners {
		if n > 1 {
			return fmt.Sprintf("%s is live in %d processes", name, n)
		}
	}
	if want := r.partitions * len(r.streamNames()); len(owners) != want {
		return fmt.Sprintf("%d partitions are live, want %d", len(owners), want)
	}
	return ""
}
