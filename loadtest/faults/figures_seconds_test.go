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
	stolen       float64 // cores that the host gave to others meanwhile
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
	before := p.totals(sampled)
	busy, gone := busyCores()
	for i := range s.all {
		select {
		case <-stop:
			return
		case <-time.After(time.Until(s.began.Add(time.Duration(i+1) * time.Second))):
		}
		now := p.totals(sampled)
		cores, stolen := busyCores()
		grown := map[string]float64{}
		for name := range now {
			grown[name] = now[name] - before[name]
		}
		s.all[i].metrics, s.all[i].machine, s.all[i].stolen = grown, cores-busy, stolen-gone
		before, busy, gone = now, cores, stolen
	}
}

// busyCores is the processor time, in seconds, that was spent by all, and what
// the host of a virtual machine took from it.
func busyCores() (sum, stolen float64) {
	stat, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(stat), "\n")
	for i, field := range strings.Fields(line)[1:] {
		switch ticks, _ := strconv.ParseFloat(field, 64); i {
		case 0, 1, 2, 5, 6: // neither idle nor iowait; guests are in user
			sum += ticks / 100
		case 7:
			stolen = ticks / 100
		}
	}
	return sum, stolen
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
	b.WriteString("| second | alerts | raised p50 | p99 | seen p50 | p99 | max | sent late | commits | mean | checkpoint stall | GCs | cores | of all | stolen |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for i := range s.all {
		at := &s.all[i]
		if len(at.seen) == 0 {
			continue
		}
		m := at.metrics
		fmt.Fprintf(&b, "| %d | %d |%s%s %s | %.0f | %.1fms | %.1fms | %.0f | %.2f | %.2f | %.2f |\n", i, len(at.seen), quantiles(at.raised, .5, .99), quantiles(at.seen, .5, .99, 1),
			at.sent.Round(100*time.Microsecond), m[sampled[0]], 1000*m[sampled[1]]/max(1, m[sampled[0]]), 1000*m[sampled[2]], m[sampled[3]], m[sampled[4]], at.machine, at.stolen)
	}
	t.Logf("%s, by the second in which the event was due:\n%s", title, &b)
}

// usual are cells of a table: the p99 of the median second after the warm-up, and
// how many cores the host took meanwhile.
func (s *seconds) usual(warm time.Duration) string {
	var p99 []time.Duration
	var stolen float64
	for _, at := range s.all[int(warm.Seconds()):] {
		stolen += at.stolen
		if n := len(at.seen); n > 0 {
			slices.Sort(at.seen)
			p99 = append(p99, at.seen[(n-1)*99/100])
		}
	}
	return fmt.Sprintf("%s %.2f |", quantiles(p99, .5), stolen/float64(len(s.all)-int(warm.Seconds())))
}
