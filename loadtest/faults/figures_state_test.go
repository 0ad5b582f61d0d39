//go:build e2e

package faults

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var (
	keys   = flag.Int("keys", 1_000_000, "keys of TestFigureKeys")
	memory = flag.Int("memory", 256, "MiB: the memory setting of the process of TestFigureKeys and TestFigureCheckpoint")
)

// keysRules leave a run open for each card.
const keysRules = `apiVersion: caltrop/v1
kind: Rule
name: opened
key: card_id
within: 30d
pattern: open -> shut
steps:
  open: {stream: payment, where: status == "open"}
  shut: {stream: payment, where: status == "shut"}
timing: final
`

// TestFigureKeys gives a process more keys than its memory holds, each with one
// open run; touches a fifth of them again, in no order; ends it, and starts it
// again from its checkpoints.
func TestFigureKeys(t *testing.T) {
	r := measured(t, "0s", keysRules)
	r.Memory = fmt.Sprintf("%dMiB", *memory)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	a.terminate()
	g := &traffic{cards: *keys}
	from := int64(1_735_689_600_000)
	r.stream(*keys, 0, func(i int, _ time.Time) ([]byte, []byte) { return g.payment(uint64(i), "open", from+int64(i)/10_000) })
	filled := r.catchUp("payment", int64(*keys), a)
	again, before, began := *keys/5, r.cpu([]*process{a}), time.Now()
	r.stream(again, 0, func(i int, _ time.Time) ([]byte, []byte) {
		return g.payment(uint64(i+1)*0x9e3779b97f4a7c15%uint64(*keys), "open", from+int64(*keys+i)/10_000)
	})
	r.drained(10*time.Minute, a)
	touched := reading{events: int64(again), late: int64(again), took: time.Since(began), cpu: r.cpu([]*process{a}) - before}
	peak := max(filled.peak, highestMiB(t, a.cmd.Process.Pid))
	ended := a.terminate()
	disk := r.diskMiB("checkpoints")
	began = time.Now()
	a.start()
	r.settled(5*time.Minute, a)
	live := time.Since(began)
	perKey := func(mib int64) float64 { return float64(mib) * (1 << 20) / float64(*keys) }
	report(t, "keys", fmt.Sprintf("%d keys with one open run each, then %d of them at random, %d partitions of one process, `memory: %s`,\nfields of each event: card, user, amount, status, merchant. Broker on the same machine.\n\n"+
		"| | events a second | events a processor second |\n|---|---|---|\n| a new key each | %.0f | %.0f |\n| a random key each, sending included | %.0f | %.0f |\n\n"+
		"| peak RSS | checkpoints on disk (3 a task, shared files once) | bytes a key | final checkpoint and exit | from start to all tasks live |\n|---|---|---|---|---|\n| %d MiB | %d MiB | %.0f | %s | %s |\n",
		*keys, again, r.partitions, r.Memory, filled.perSecond(), filled.perCPU(), touched.perSecond(), touched.perCPU(),
		peak, disk, perKey(disk), ended.Round(10*time.Millisecond), live.Round(10*time.Millisecond)))
}
