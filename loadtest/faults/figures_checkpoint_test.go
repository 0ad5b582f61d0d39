//go:build e2e

package faults

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

var settled = flag.Bool("settled", false, "in TestFigureCheckpoint the state of a card keeps its size")

// growingRules change the state of a card at every payment, by a run more;
// settledRules change what it has.
var growingRules = strings.Replace(keysRules, `status == "open"`, `status == "approved"`, 1)

const settledRules = `apiVersion: caltrop/v1
kind: Rule
name: a-day
key: card_id
window: {stream: payment, tumbling: 1d}
values: {n: count(), total: sum(amount), most: max(amount)}
having: total < 0
timing: final
`

// TestFigureCheckpoint reads a preloaded topic with a checkpoint every 10 s and
// with none, in turn: what checkpoints cost, and how long tasks stand still for
// one. Make -preloaded large: it must last for several checkpoints.
func TestFigureCheckpoint(t *testing.T) {
	var table strings.Builder
	rows := map[string][]reading{}
	var stalls []bucket
	bytes, rules, state := 0.0, growingRules, "grows with each payment"
	if *settled {
		rules, state = settledRules, "keeps its size"
	}
	for range *runs {
		for _, every := range []time.Duration{time.Hour, 10 * time.Second} {
			r := measured(t, "5s", rules)
			r.CheckpointEvery, r.Memory = every, fmt.Sprintf("%dMiB", *memory)
			a := newProcess(t, r.binary, r.settings, "a")
			r.preload(a)
			rows[every.String()] = append(rows[every.String()], r.catchUp("payment", int64(*preloaded), a))
			if every < time.Hour {
				stalls = addBuckets(stalls, a.metrics("caltrop_checkpoint_stall_seconds_bucket"))
				bytes += a.total("caltrop_checkpoint_bytes_total", `way="uploaded"`)
			}
			a.terminate()
		}
	}
	for _, every := range []string{"1h0m0s", "10s"} {
		fmt.Fprintf(&table, "| %s | %s | %s |\n", every, spread(rows[every], reading.perSecond), spread(rows[every], reading.perCPU))
	}
	report(t, "checkpoint", fmt.Sprintf("%d payments of 200,000 cards, each of which changes the state of its card, which %s; %d partitions, one process, `memory: %dMiB`; median of %d runs (least to most), in turn.\n\n"+
		"| checkpoint every | events a second | events a processor second of caltrop |\n|---|---|---|\n%s\n"+
		"A task reads nothing while a checkpoint begins (`caltrop_checkpoint_stall_seconds`): %s. Uploaded: %.0f MiB.\n"+
		"What a checkpoint of a settled store uploads: `go test ./engine/checkpoint -run TestUploadIsIncremental -v`.\n",
		*preloaded, state, *sourcePartitions, *memory, *runs, &table, upTo(stalls, .5, .99, 1), bytes/(1<<20)))
}

// A bucket is one of a histogram: how many were at most le.
type bucket struct {
	le string
	n  float64
}

// addBuckets adds the lines of a histogram, in their order.
func addBuckets(all []bucket, lines string) []bucket {
	first := len(all) == 0
	i := 0
	for line := range strings.Lines(lines) {
		_, rest, _ := strings.Cut(line, `le="`)
		le, _, _ := strings.Cut(rest, `"`)
		n := lastNumber(line)
		if first {
			all = append(all, bucket{le, n})
		} else {
			all[i].n += n
		}
		i++
	}
	return all
}

// upTo tells under which bound these quantiles are.
func upTo(all []bucket, qs ...float64) string {
	if len(all) == 0 || all[len(all)-1].n == 0 {
		return "none began"
	}
	count := all[len(all)-1].n
	text := fmt.Sprintf("%.0f checkpoints", count)
	for _, q := range qs {
		for _, b := range all {
			if b.n >= q*count {
				text += fmt.Sprintf(", p%g at most %s s", q*100, b.le)
				break
			}
		}
	}
	return text
}

// total adds up the lines of a metric that have this label.
func (p *process) total(name, label string) (sum float64) {
	for line := range strings.Lines(p.metrics(name)) {
		if strings.Contains(line, label) {
			sum += lastNumber(line)
		}
	}
	return sum
}

func lastNumber(line string) float64 {
	n, _ := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1:]), 64)
	return n
}
