//go:build e2e

package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A reading is how processes came to the end of a preloaded topic.
type reading struct {
	events int64         // all
	late   int64         // those after the first twentieth
	took   time.Duration // for these
	cpu    time.Duration // of all processes, for all events, their start included
	peak   int           // MiB, of the largest process
}

func (x reading) perSecond() float64 { return float64(x.late) / x.took.Seconds() }
func (x reading) perCPU() float64    { return float64(x.events) / x.cpu.Seconds() }

// TestFigureThroughput reads a preloaded topic: events a second of one process,
// from Kafka to committed alerts, where rules are on the stream's own key and
// where ROUTE has to bring events to another one. What exactly once costs shows
// beside transactions that last for a second: the same writes, and hardly a commit.
func TestFigureThroughput(t *testing.T) {
	var table strings.Builder
	for _, way := range []struct {
		name, input, rules string
		commitEvery        time.Duration
	}{
		{"direct", "payment", figureRules, 0}, {"by way of a keyed log", "keyed.user_id", hop(figureRules), 0},
		{"direct, a commit a second", "payment", figureRules, time.Second},
		{"by way of a keyed log, a commit a second", "keyed.user_id", hop(figureRules), time.Second},
	} {
		raised := 0
		all := repeated(func() reading {
			r := measured(t, "5s", way.rules)
			r.CommitEvery = way.commitEvery
			a := newProcess(t, r.binary, r.settings, "a")
			r.preload(a)
			x := r.catchUp(way.input, int64(*preloaded), a)
			raised = r.raisedSome()
			a.terminate()
			return x
		})
		addReadings(&table, way.name, raised, all)
	}
	report(t, "kafka-throughput", fmt.Sprintf("%d payments of 260 bytes in %d partitions, 20,000 of them a second of event time, lateness 5s, 2 rules, one process,\nbroker on the same machine; median of %d runs (least to most). A commit every 20 ms, but where another time is said; a transaction\nhas at most 1,000 records.\n\n%s%s",
		*preloaded, *sourcePartitions, *runs, readingsHead, &table))
}

// repeated measures -runs times.
func repeated(measure func() reading) (all []reading) {
	for range *runs {
		all = append(all, measure())
	}
	return all
}

const readingsHead = "| way | events a second | events a processor second of caltrop | peak RSS, MiB | alerts |\n|---|---|---|---|---|\n"

func addReadings(table *strings.Builder, name string, raised int, all []reading) {
	peak := 0
	for _, x := range all {
		peak = max(peak, x.peak)
	}
	fmt.Fprintf(table, "| %s | %s | %s | %d | %d |\n", name, spread(all, reading.perSecond), spread(all, reading.perCPU), peak, raised)
}

// spread is the median of a figure and its least and most.
func spread(all []reading, of func(reading) float64) string {
	var s []float64
	for _, x := range all {
		s = append(s, of(x))
	}
	slices.Sort(s)
	return fmt.Sprintf("%.0f (%.0f to %.0f)", s[len(s)/2], s[0], s[len(s)-1])
}

// preload stores the documents through a process, ends it, and fills the topic.
func (r *rig) preload(a *process) {
	r.t.Helper()
	a.start()
	r.install(a, a)
	a.terminate()
	g := &traffic{cards: 200_000}
	from := int64(1_735_689_600_000)
	r.stream(*preloaded, 0, func(i int, _ time.Time) ([]byte, []byte) { return g.next(from + int64(i)/20) })
}

// catchUp starts processes and measures them until their tasks on an input have
// accepted n events.
func (r *rig) catchUp(input string, n int64, all ...*process) (x reading) {
	r.t.Helper()
	started := time.Now()
	for _, p := range all {
		p.start()
	}
	var first time.Time
	var atFirst int64
	for ; ; time.Sleep(50 * time.Millisecond) {
		done := int64(0)
		for _, p := range all {
			x.peak = max(x.peak, residentMiB(r.t, p.cmd.Process.Pid))
			for _, task := range p.tasks() {
				if task.Stream == input {
					done += task.Counts.Accepted
				}
			}
		}
		if first.IsZero() && done > n/20 {
			first, atFirst = time.Now(), done
		}
		if done >= n {
			x.events, x.late, x.took, x.cpu = done, done-atFirst, time.Since(first), r.cpu(all)
			return x
		}
		if time.Since(started) > 10*time.Minute {
			r.t.Fatalf("read %d of %d events in 10 minutes", done, n)
		}
	}
}

func (r *rig) cpu(all []*process) (sum time.Duration) {
	for _, p := range all {
		sum += cpuOf(r.t, p.cmd.Process.Pid)
	}
	return sum
}

// raisedSome counts the committed alerts, of which there must be some.
func (r *rig) raisedSome() (raised int) {
	r.t.Helper()
	for _, n := range r.committed() {
		raised += n
	}
	if raised == 0 {
		r.t.Error("no alert was raised: the figure says nothing")
	}
	return raised
}
