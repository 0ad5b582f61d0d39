//go:build e2e

package faults

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A second is what one second of a figure of latency was like, so that a bad one
// can be told from the next: of the alerts whose last event was due in it, how
// long until the engine raised them and until a consumer had them; how late the
// load was sent; and what the process did meanwhile.
type second struct {
	raised, seen []time.Duration
	sent         time.Duration // the most that an event was sent after it was due
	metrics      map[string]float64
	machine      float64 // cores busy, of all processes
}

// sampled are metrics whose growth in a second is told.
var sampled = []string{"caltrop_commit_seconds_count", "caltrop_commit_seconds_sum", "caltrop_checkpoint_stall_seconds_sum",
	"go_gc_duration_seconds_count", "process_cpu_seconds_total"}

// A log of seconds; one goroutine writes each of its fields.
type seconds struct {
	began time.Time
	all   []second
}

func newSeconds(span time.Duration) *seconds {
	return &seconds{began: time.Now(), all: make([]second, int(span.Seconds())+1)}
}

func (s *seconds) at(t time.Time) *second {
	return &s.all[min(max(int(t.Sub(s.began).Seconds()), 0), len(s.all)-1)]
}

// sample reads the metrics of a process at the end of each second, until stop is
// closed.
func (s *seconds) sample(p *process, stop <-chan struct{}) {
	before, busy := p.totals(sampled), busyCores()
	for i := range s.all {
		select {
		case <-stop:
			return
		case <-time.After(time.Until(s.began.Add(time.Duration(i+1) * time.Second))):
		}
		now, cores := p.totals(sampled), busyCores()
		grown := map[string]float64{}
		for name := range now {
			grown[name] = now[name] - before[name]
		}
		s.all[i].metrics, s.all[i].machine = grown, cores-busy
		before, busy = now, cores
	}
}

// busyCores is the processor time, in seconds, that was spent by all.
func busyCores() (sum float64) {
	stat, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(stat), "\n")
	for i, field := range strings.Fields(line)[1:] {
		if ticks, _ := strconv.ParseFloat(field, 64); i != 3 && i != 4 && i < 8 { // idle and iowait; guests are in user
			sum += ticks / 100
		}
	}
	return sum
}

// totals are the sums of metrics over their labels.
func (p *process) totals(names []string) map[string]float64 {
	sums := map[string]float64{}
	for line := range strings.Lines(p.metrics("")) {
		name, rest, _ := strings.Cut(line, " ")
		name, _, _ = strings.Cut(name, "{")
		if slices.Contains(names, name) {
			fields := strings.Fields(rest)
			v, _ := strconv.ParseFloat(fields[len(fields)-1], 64)
			sums[name] += v
		}
	}
	return sums
}

// alert notes an alert whose last event was due at a time.
func (s *seconds) alert(due time.Time, x arrival) {
	at := s.at(due)
	at.raised = append(at.raised, time.UnixMicro(x.alert.DetectedAt).Sub(due))
	at.seen = append(at.seen, x.seen.Sub(due))
}

// log prints the table.
func (s *seconds) log(t *testing.T, title string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("| second | alerts | raised p50 | p99 | seen p50 | p99 | max | sent late | commits | mean | checkpoint stall | GCs | cores | of all |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for i := range s.all {
		at := &s.all[i]
		if len(at.seen) == 0 {
			continue
		}
		m := at.metrics
		fmt.Fprintf(&b, "| %d | %d |%s%s %s | %.0f | %.1fms | %.1fms | %.0f | %.2f | %.2f |\n", i, len(at.seen), quantiles(at.raised, .5, .99), quantiles(at.seen, .5, .99, 1),
			at.sent.Round(100*time.Microsecond), m[sampled[0]], 1000*m[sampled[1]]/max(1, m[sampled[0]]), 1000*m[sampled[2]], m[sampled[3]], m[sampled[4]], at.machine)
	}
	t.Logf("%s, by the second in which the event was due:\n%s", title, &b)
}
