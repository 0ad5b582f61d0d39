//go:build e2e

package faults

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestFigureBeside sends events at half the load to a process whose rules change
// the state of each card, and measures latency as TestFigureLatency does: alone,
// with a checkpoint every 10 s, and with backtests over REST one after the other.
func TestFigureBeside(t *testing.T) {
	var table strings.Builder
	for _, row := range []struct {
		name       string
		checkpoint time.Duration
		backtests  bool
	}{
		{"alone", time.Hour, false}, {"a checkpoint every 10 s", 10 * time.Second, false}, {"backtests", time.Hour, true},
	} {
		if !strings.Contains(row.name, *latencyRow) {
			continue
		}
		r := measured(t, "1s", fmt.Sprintf(latencyRule, "early")+"---\n"+growingRules)
		r.CommitEvery, r.CheckpointEvery, r.Memory = *latencyTxn, row.checkpoint, fmt.Sprintf("%dMiB", *memory)
		a := newProcess(t, r.binary, r.settings, "a")
		a.start()
		r.install(a, a)
		ending, ended := make(chan struct{}), make(chan int, 1)
		if row.backtests {
			go func() { ended <- a.backtests(ending) }()
		} else {
			ended <- 0
		}
		cpu := cpuOf(t, a.cmd.Process.Pid)
		by := newSeconds(*latencyWarm + *latencySpan)
		all, sent := r.alertsOf(*halfRate, a, by)
		cpu = cpuOf(t, a.cmd.Process.Pid) - cpu
		close(ending)
		done := <-ended
		stalls := upTo(addBuckets(nil, a.metrics("caltrop_checkpoint_stall_seconds_bucket")), .5, .99, 1)
		a.terminate()
		delays := r.delays(all, false, time.Second, by)
		by.log(t, row.name)
		if len(delays) < 100 || row.backtests && done == 0 {
			t.Fatalf("only %d alerts measured, %d backtests done", len(delays), done)
		}
		cores := cpu.Seconds() / (*latencyWarm + *latencySpan).Seconds()
		fmt.Fprintf(&table, "| %s | %.0f | %.2f | %d |%s %s | %d |\n", row.name, sent, cores, len(delays), quantiles(delays, .5, .9, .99, .999, 1), stalls, done)
	}
	report(t, "beside", fmt.Sprintf("%s of payments of 200,000 cards in %d partitions in each row, after %s that do not count, one process, `memory: %dMiB`, commits every %s. Each payment changes\n"+
		"the state of its card; early alerts of a direct rule, from when the last event was to be sent to a read_committed consumer that has the alert.\n\n"+
		"| beside | events a second | cores of caltrop | alerts | p50 | p90 | p99 | p99.9 | max | checkpoint stalls | backtests done |\n|---|---|---|---|---|---|---|---|---|---|---|\n%s",
		*latencySpan, *sourcePartitions, *latencyWarm, *memory, *latencyTxn, &table))
}

// backtests starts one backtest of the live rules after the other until ending is
// closed, and returns how many were done.
func (p *process) backtests(ending <-chan struct{}) (done int) {
	for {
		answer, err := http.Post("http://"+p.address+"/v1/backtests?source=topics", "", nil)
		if err != nil {
			p.t.Errorf("starting a backtest: %v", err)
			return done
		}
		answer.Body.Close()
		op := struct{ State, Error string }{State: "waiting"}
		for op.State == "waiting" || op.State == "running" {
			select {
			case <-ending:
				return done
			case <-time.After(200 * time.Millisecond):
			}
			if err := p.get(answer.Header.Get("Location"), &op); err != nil {
				p.t.Error(err)
				return done
			}
		}
		if op.State != "done" {
			p.t.Errorf("the backtest is %s: %s", op.State, op.Error)
			return done
		}
		done++
	}
}
