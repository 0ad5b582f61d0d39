//go:build e2e

package faults

import (
	"fmt"
	"net/http"
	"testing"
)

// TestAJobOverKeyedLogsStartsFromASavepoint asks for a savepoint in the middle of the
// traffic, kills the job once it is complete, and lets another go on from it, with
// three times as many partitions: each alert is there, none that should not be, and
// twice only what the first job had raised after the savepoint, to the byte.
func TestAJobOverKeyedLogsStartsFromASavepoint(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.only, r.History, r.Keyed, r.keyedLogs = []string{"payment", "login"}, "pebble", 2, 2
	r.streams = r.keyed("30s", "payment", "login")
	r.rules = []byte(routedRules)
	in := r.generate(*seed, 6000)
	want := r.matched(in)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)

	live := in.records[:len(in.records)-in.closing]
	produce := func(from, to int) {
		if err := r.produce(in.records[from:to], 0); err != nil {
			t.Fatal(err)
		}
	}
	half, most := len(live)/2, len(live)*3/4
	produce(0, half)
	eventually(t, patience, func() string {
		var answer struct {
			Jobs []struct {
				Tasks []struct {
					Role   string
					Counts struct{ Accepted int }
				}
			}
		}
		err, read := a.get("/v1/jobs", &answer), 0
		for _, j := range answer.Jobs {
			for _, task := range j.Tasks {
				if task.Role == "keyed" {
					read += task.Counts.Accepted
				}
			}
		}
		if err != nil || read < half/2 {
			return fmt.Sprintf("keyed tasks have read %d events, %v", read, err)
		}
		return ""
	})
	a.do(http.MethodPost, "/v1/jobs/"+a.job+"/savepoints?name=half-way", nil)
	produce(half, most) // the tasks most likely read it before they hear of the savepoint
	eventually(t, patience, func() string {
		var p struct {
			State string
			Done  []string
		}
		if err := a.get("/v1/jobs/"+a.job+"/savepoints/half-way", &p); err != nil || p.State != "complete" {
			return "the savepoint is not complete: " + p.State
		}
		return ""
	})
	a.kill()
	before := r.committed().total()

	next := r.settings
	next.Job, next.Keyed = "next", 6
	next.Checkpoints += ", from_savepoint: " + a.job + "/half-way"
	b := newProcess(t, r.binary, next, "b")
	b.start()
	produce(most, len(in.records))
	again := 0
	eventually(t, patience, func() string {
		got := r.committed()
		again = got.total() - len(got)
		for line := range got {
			got[line] = 1
		}
		return want.difference(got)
	})
	if before >= len(want) {
		t.Errorf("all %d alerts were raised by the first job: the test shows nothing", len(want))
	}
	t.Logf("seed %d: %d events, %d alerts, %d of them before the first job was killed, %d again after the savepoint, 0 lost, 0 wrong", *seed, len(live), len(want), before, again)
}
