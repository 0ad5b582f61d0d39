//go:build e2e

package faults

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

var (
	figures   = flag.String("figures", "", "measure, and write the figures into this folder")
	preloaded = flag.Int("preloaded", 2_000_000, "events of a figure of throughput")
	runs      = flag.Int("runs", 3, "how often each row of a figure of throughput is measured")
	keyedMost = flag.Int("keyed", 0, "partitions of a keyed log in a figure; 0: as many as a source topic has")
)

// A traffic is endless simple payments of many cards, three of which in a
// thousand are declined thrice in a row.
type traffic struct {
	cards int
	note  []byte // of each payment
	n     int
	buf   []byte
}

// next writes the next payment, stamped at (ms).
func (g *traffic) next(at int64) (key, value []byte) {
	card := uint64(g.n+1) * 0x9e3779b97f4a7c15 % uint64(g.cards)
	if (g.n+1)%1000 < 3 {
		return g.payment(uint64((g.n+1)/1000%g.cards), "declined", at)
	}
	return g.payment(card, "approved", at)
}

// payment writes a payment of this card, whose user has the same number.
func (g *traffic) payment(card uint64, status string, at int64) (key, value []byte) {
	g.n++
	key = strconv.AppendUint([]byte("c-"), card, 10)
	g.buf = append(g.buf[:0], `{"event_id":"p-`...)
	g.buf = strconv.AppendInt(g.buf, int64(g.n), 10)
	g.buf = strconv.AppendInt(append(g.buf, `","ts":`...), at, 10)
	g.buf = append(append(append(g.buf, `,"card_id":"`...), key...), `","user_id":"u`...)
	g.buf = append(append(g.buf, key[1:]...), `","amount":`...)
	g.buf = strconv.AppendInt(g.buf, int64(g.n%400)+10, 10)
	g.buf = append(append(append(g.buf, `.50,"status":"`...), status...), `","merchant_id":"m-`...)
	g.buf = strconv.AppendInt(g.buf, int64(g.n%977), 10)
	g.buf = append(append(g.buf, `","country":"DE","note":"`...), g.note...)
	g.buf = append(g.buf, `","segment":"retail"}`...)
	return key, g.buf
}

// measured prepares a rig with the payment stream alone.
func measured(t *testing.T, lateness string, rules string) *rig {
	t.Helper()
	if *figures == "" {
		t.Skip("no -figures folder: figures are measured by hand, on a quiet machine")
	}
	r := newRig(t)
	r.only, r.History, r.CheckpointEvery = []string{"payment"}, "pebble", 30*time.Second
	r.streams = bytes.Replace(r.keyed(lateness, "payment"), []byte("fields: {"), []byte("fields: {note: {type: string, optional: true}, "), 1)
	r.rules = []byte(rules)
	if strings.Contains(rules, "key: user_id") {
		r.Keyed, r.keyedLogs = cmp.Or(*keyedMost, r.partitions), 1
	}
	return r
}

// hop are the same rules keyed by what the producer does not key by.
func hop(rules string) string { return strings.ReplaceAll(rules, "key: card_id", "key: user_id") }

const figureRules = `apiVersion: caltrop/v1
kind: Rule
name: failed-payments
key: card_id
within: 5m
pattern: fail{3}
steps: {fail: {stream: payment, where: status == "declined"}}
---
apiVersion: caltrop/v1
kind: Rule
name: card-testing
key: card_id
within: 60m
pattern: probe{3,} -> hit
steps:
  probe: {stream: payment, where: amount < 5 && status == "declined"}
  hit: {stream: payment, where: amount > 500 && amount > 5 * avg(probe.amount)}
`

// stream produces n payments at rate a second, 0 for as fast as it goes, without
// keeping them. Each is due at a time that does not depend on how those before
// it went.
func (r *rig) stream(n, rate int, next func(i int, due time.Time) (key, value []byte)) {
	r.t.Helper()
	r.streamUntil(nil, n, rate, next)
}

// streamUntil is stream, which stops when ending is closed.
func (r *rig) streamUntil(ending <-chan struct{}, n, rate int, next func(i int, due time.Time) (key, value []byte)) {
	p, err := ck.NewProducer(&ck.ConfigMap{"bootstrap.servers": r.Brokers, "partitioner": "murmur2", "linger.ms": 5, "enable.idempotence": true,
		"queue.buffering.max.messages": 200_000, "enable.metrics.push": false, "go.delivery.reports": false})
	if err != nil {
		r.t.Error(err)
		return
	}
	defer p.Close()
	topic, began := r.topic("payment"), time.Now()
	for i := range n {
		select {
		case <-ending:
			n = i
		default:
		}
		if i == n {
			break
		}
		due := began
		if rate > 0 {
			due = began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		}
		if rate > 0 && i%max(1, rate/1000) == 0 {
			time.Sleep(time.Until(due))
		}
		key, value := next(i, due)
		m := &ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic, Partition: ck.PartitionAny}, Key: key, Value: value}
		for p.Produce(m, nil) != nil {
			p.Flush(20)
		}
	}
	for p.Flush(1000) > 0 {
	}
}

// report keeps a figure with the machine and the command.
func report(t *testing.T, name, body string) {
	t.Helper()
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	model := "unknown CPU"
	for line := range strings.Lines(string(cpu)) {
		if _, m, ok := strings.Cut(line, "model name\t: "); ok {
			model = strings.TrimSpace(m)
			break
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	text := fmt.Sprintf("# %s\n\n%s\nMachine: %d cores, %s, %s; load average at the end %s.\nCommand: `go test -tags e2e ./loadtest/faults -run %s -count=1 -args%s`\n",
		name, body, runtime.NumCPU(), model, runtime.Version(), strings.Join(strings.Fields(string(load))[:3], " "), t.Name(), arguments())
	t.Log(text)
	if err := os.WriteFile(filepath.Join(*figures, name+".md"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// arguments are those that this run was given.
func arguments() string {
	given := " -figures=../results"
	flag.Visit(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") && f.Name != "figures" {
			given += " -" + f.Name + "=" + f.Value.String()
		}
	})
	return given
}

func (r *rig) diskMiB(dir string) int64 {
	total := int64(0)
	filepath.WalkDir(filepath.Join(r.Dir, dir), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total >> 20
}

func residentMiB(t *testing.T, pid int) int { return statusMiB(t, pid, "VmRSS:") }

// highestMiB is the most that a process has had resident.
func highestMiB(t *testing.T, pid int) int { return statusMiB(t, pid, "VmHWM:") }

func statusMiB(t *testing.T, pid int, field string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib >> 10
		}
	}
	return 0
}

// cpuOf is the processor time that a process has taken, in steps of 10 ms.
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // the third of them is the first here
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// quantiles are cells of a table: those of durations, which it sorts.
func quantiles(d []time.Duration, qs ...float64) string {
	slices.Sort(d)
	cells := ""
	for _, q := range qs {
		cells += " " + d[int(q*float64(len(d)-1))].Round(100*time.Microsecond).String() + " |"
	}
	return cells
}
