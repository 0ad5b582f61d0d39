//go:build e2e

package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// TestFigureScale measures one and two processes over 8 and 32 partitions: how
// fast they read a preloaded topic, and what it costs that the second one joins.
// From that it computes what more processes would do.
func TestFigureScale(t *testing.T) {
	var measuredRows, joins strings.Builder
	var last move
	var alone reading
	var moved float64
	for _, partitions := range []int{8, 32} {
		for _, instances := range []int{1, 2} {
			r := measured(t, "5s", growingRules+"---\n"+tickRule)
			r.CheckpointEvery = 10 * time.Second
			r.grow(partitions)
			a, b := newProcess(t, r.binary, r.settings, "a"), newProcess(t, r.binary, r.settings, "b")
			r.preload(a)
			x := r.catchUp("payment", int64(*preloaded), []*process{a, b}[:instances]...)
			fmt.Fprintf(&measuredRows, "| %d | %d | %.0f | %.0f | %d MiB |\n", partitions, instances, x.perSecond(), x.perCPU(), x.peak)
			if instances == 2 {
				continue
			}
			r.checkpointed(a)
			m := r.moved(b.start, nil, a, b)
			bytes := b.total("caltrop_checkpoint_bytes_total", `way="fetched"`)
			fmt.Fprintf(&joins, "| %d | %d | %.0f MiB | %s | %s | %s |\n", partitions, m.partitions, bytes/(1<<20), ms(m.owned), ms(m.live), ms(m.longest))
			last, alone, moved = m, x, bytes
		}
	}
	report(t, "scale", fmt.Sprintf("%d payments of 200,000 cards, each of which changes the state of its card; processes and broker share the machine, so two processes cannot be twice as fast on it.\n\n"+
		"| partitions | processes | events a second | events a processor second | peak RSS of one |\n|---|---|---|---|---|\n%s\n"+
		"A second process joins, %d alerts a second meanwhile, from its start; the longest wait of any alert is the pause:\n\n"+
		"| partitions | moved | fetched | they are given to it | all live | longest wait of an alert |\n|---|---|---|---|---|---|\n%s\n%s",
		*preloaded, &measuredRows, *tickRate, &joins, simulated(alone, last, moved)))
}

// simulated computes from what one process did and one join cost what more of
// them would: a table that is labelled as such.
func simulated(alone reading, join move, bytes float64) string {
	const partitions, cores = 512, 2
	var b strings.Builder
	perPartition := (join.live - join.owned).Seconds() / float64(max(1, join.partitions))
	fmt.Fprintf(&b, "**A simulation, not a measurement**: %d partitions with as much state each as above, processes of %d cores each that cost what the one above cost, brokers without a limit. A\n"+
		"process more takes its share of the partitions; the busiest one sets the pace; a moved partition costs the time and the bytes that it cost above, one after the other.\n\n"+
		"| processes | events a second | partitions that move when the last joins | MiB that move | pause of the last of them |\n|---|---|---|---|---|\n", partitions, cores)
	for _, n := range []int{2, 5, 10, 20, 50, 100} {
		busiest, moves := (partitions+n-1)/n, partitions/n
		pace := alone.perCPU() * cores * partitions / float64(busiest)
		fmt.Fprintf(&b, "| %d | %.0f | %d | %.0f | %.1f s |\n", n, pace, moves, bytes/float64(max(1, join.partitions))*float64(moves)/(1<<20),
			perPartition*float64(moves))
	}
	return b.String()
}

// grow gives the payment topic more partitions before anything reads it.
func (r *rig) grow(partitions int) {
	r.t.Helper()
	if partitions == r.partitions {
		return
	}
	admin, err := ck.NewAdminClient(&ck.ConfigMap{"bootstrap.servers": r.Brokers})
	if err != nil {
		r.t.Fatal(err)
	}
	defer admin.Close()
	results, err := admin.CreatePartitions(r.t.Context(), []ck.PartitionsSpecification{{Topic: r.topic("payment"), IncreaseTo: partitions}})
	if err != nil {
		r.t.Fatal(err)
	}
	if code := results[0].Error.Code(); code != ck.ErrNoError {
		r.t.Fatal(results[0].Error)
	}
	r.partitions = partitions
}
