//go:build e2e

package faults

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

var (
	historySize = flag.Int("history", 20_000_000, "events of the backtest figure, over seven days")
	historyLive = flag.Bool("history-live", true, "let one process raise the alerts of that history live, too")
)

// marksMax is more than what idle routers write to one keyed log between two
// looks at it.
const marksMax = 60

// historyRules are ten rules of the catalogue: six on their stream itself, four
// by way of keyed logs.
var historyRules = []string{"01-failed-payments", "02-card-testing", "03-bin-attack", "07-credential-stuffing", "09-impossible-travel",
	"10-geo-jump-cash", "12-structuring", "13-smurfing-fan-in", "15-pass-through", "22-refund-abuse"}

// TestFigureBacktest lets ten rules of the catalogue run over seven days of
// history: twice as a backtest, which must print the same bytes, and once live.
func TestFigureBacktest(t *testing.T) {
	if *figures == "" {
		t.Skip("no -figures folder: figures are measured by hand, on a quiet machine")
	}
	r := newRig(t)
	r.History, r.Keyed, r.CheckpointEvery = "pebble", 2, 30*time.Second
	catalog := filepath.Join("..", "..", "rules", "catalog")
	// Else the event time of an empty partition goes with the clock, and all history is late.
	r.streams = bytes.ReplaceAll(r.read(filepath.Join(catalog, "streams.yaml")), []byte("kind: Stream\n"), []byte("kind: Stream\nidle: 0s\n"))
	r.rules = nil
	args := []string{"--parallel", "2", "--memory", "2048", "--rules", filepath.Join(catalog, "streams.yaml")}
	for _, name := range historyRules {
		file := filepath.Join(catalog, name+".yaml")
		args = append(args, "--rules", file)
		r.rules = append(append(r.rules, r.read(file)...), "\n---\n"...)
	}
	r.rules = bytes.TrimSuffix(r.rules, []byte("\n---\n"))
	var topics []string
	for _, m := range regexp.MustCompile(`(?m)^source: \{topic: (\w+)\}`).FindAllSubmatch(r.streams, -1) {
		topics = append(topics, string(m[1]))
	}
	r.create(topics)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.store(a)
	r.caughtUp(a)
	a.terminate()
	gen := exec.Command(r.binary, "gen", "--brokers", r.Brokers, "--scenarios", "catalogue", "--count", fmt.Sprint(*historySize),
		"--rate", fmt.Sprint(float64(*historySize)/(7*24*3600)), "--disorder", "2s", "--closing")
	if out, err := gen.CombinedOutput(); err != nil {
		t.Fatalf("generating: %v\n%s", err, out)
	}
	var table strings.Builder
	first, text := r.timed(&table, "backtest", args)
	_, again := r.timed(&table, "backtest again", args)
	if !bytes.Equal(text, again) {
		t.Errorf("two backtests of one history differ")
	}
	records, alerts := uint64(0), 0
	for _, in := range first.Inputs {
		records += in.Records
	}
	for _, rule := range first.Rules {
		alerts += rule.Alerts
	}
	live := "It was not run live."
	if *historyLive {
		live = fmt.Sprintf("Live raised %d.", r.live(&table, a, records))
	}
	report(t, "backtest", fmt.Sprintf("%d events over seven days in topics of 8 partitions, ten rules of the catalogue (%s);\nthey read %d records. %d alerts; the two reports of the backtest are equal byte by byte. %s\n\n"+
		"| run | time | processor time of caltrop | events a processor second |\n|---|---|---|---|\n%s", *historySize, strings.Join(historyRules, ", "), records, alerts, live, &table))
}

func (r *rig) read(file string) []byte {
	r.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// timed runs a backtest and adds what it took to the table.
func (r *rig) timed(table *strings.Builder, name string, args []string) (report backtestReport, text []byte) {
	r.t.Helper()
	began, before := time.Now(), childrenCPU()
	report, text = r.backtest(args...)
	records := uint64(0)
	for _, in := range report.Inputs {
		records += in.Records
	}
	addRow(table, name, time.Since(began), childrenCPU()-before, records)
	return report, text
}

func addRow(table *strings.Builder, name string, took, cpu time.Duration, records uint64) {
	fmt.Fprintf(table, "| %s | %s | %s | %.0f |\n", name, took.Round(100*time.Millisecond), cpu.Round(100*time.Millisecond), float64(records)/cpu.Seconds())
}

// childrenCPU is the processor time of the commands that have ended.
func childrenCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// live lets a process come to the end of all topics and returns how many alerts
// there are then.
func (r *rig) live(table *strings.Builder, a *process, records uint64) int {
	r.t.Helper()
	began, before := time.Now(), childrenCPU()
	a.start()
	r.caughtUp(a)
	took := time.Since(began)
	a.terminate()
	addRow(table, "live, one process", took, childrenCPU()-before, records)
	raised := 0
	r.readAll(r.Name+".alerts", func(*ck.Message) { raised++ })
	return raised
}

// caughtUp waits until for eight seconds no task of a process has had anything left
// to read but the marks of idle routers.
func (r *rig) caughtUp(a *process) {
	r.t.Helper()
	still := 0
	eventually(r.t, 60*time.Minute, func() string {
		behind, tasks := int64(0), a.tasks()
		for _, task := range tasks {
			if task.Role != "keyed" || task.Lag > marksMax {
				behind += task.Lag
			}
			if task.State != "live" {
				behind++
			}
		}
		if still++; behind > 0 || len(tasks) == 0 {
			still = 0
		}
		if still < 40 {
			return fmt.Sprintf("%d records are left", behind)
		}
		return ""
	})
}
