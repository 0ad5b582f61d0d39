//go:build e2e

package faults

import (
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

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/sinks/alert"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

var (
	figures     = flag.String("figures", "", "measure, and write the figures into this folder")
	preloaded   = flag.Int("preloaded", 2_000_000, "events of the throughput figure")
	halfRate    = flag.Int("half-rate", 50_000, "events a second of the latency figure")
	latencySpan = flag.Duration("latency-span", 60*time.Second, "how long the latency figure takes")
	keys        = flag.Int("keys", 1_000_000, "keys of the checkpoint figure")
)

// A traffic is endless simple payments of many cards, three of which in a
// thousand are declined thrice in a row.
type traffic struct {
	cards int
	n     int
	buf   []byte
}

// next writes the next payment, stamped at (ms).
func (g *traffic) next(at int64) (key, value []byte) {
	g.n++
	card := uint64(g.n) * 0x9e3779b97f4a7c15 % uint64(g.cards)
	status := "approved"
	if g.n%1000 < 3 {
		card, status = uint64(g.n/1000%g.cards), "declined"
	}
	key = strconv.AppendUint([]byte("c-"), card, 10)
	g.buf = append(g.buf[:0], `{"event_id":"p-`...)
	g.buf = strconv.AppendInt(g.buf, int64(g.n), 10)
	g.buf = strconv.AppendInt(append(g.buf, `","ts":`...), at, 10)
	g.buf = append(append(append(g.buf, `,"card_id":"`...), key...), `","amount":`...)
	g.buf = strconv.AppendInt(g.buf, int64(g.n%400)+10, 10)
	g.buf = append(append(append(g.buf, `.50,"status":"`...), status...), `","merchant_id":"m-`...)
	g.buf = strconv.AppendInt(g.buf, int64(g.n%977), 10)
	g.buf = append(g.buf, `","country":"DE","device_id":"d-0000017","segment":"retail"}`...)
	return key, g.buf
}

// measured prepares a rig with the payment stream alone, and one or more rules.
func measured(t *testing.T, lateness string, rules string) *rig {
	t.Helper()
	if *figures == "" {
		t.Skip("no -figures folder: figures are measured by hand, on a quiet machine")
	}
	r := newRig(t)
	r.only, r.History, r.CheckpointEvery = []string{"payment"}, "pebble", 30*time.Second
	r.streams = []byte(strings.Replace(strings.Split(string(r.streams), "\n---\n")[0], "lateness: 30s", "lateness: "+lateness, 1))
	r.rules = []byte(rules)
	return r
}

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

// TestFigureThroughput reads a preloaded topic: events a second of one process,
// from Kafka to committed alerts, and its memory.
func TestFigureThroughput(t *testing.T) {
	r := measured(t, "5s", figureRules)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	a.terminate()
	g := &traffic{cards: 200_000}
	from := int64(1_735_689_600_000)
	r.stream(*preloaded, 0, func(i int) ([]byte, []byte) { return g.next(from + int64(i)/20) })

	began := time.Now()
	a.start()
	var first, last time.Time
	peak, atFirst := 0, int64(0)
	for ends := sum(r.ends()); ; time.Sleep(50 * time.Millisecond) {
		read := int64(0)
		for _, task := range a.tasks() {
			read += task.Position.Offset
		}
		peak = max(peak, residentMiB(t, a.cmd.Process.Pid))
		if first.IsZero() && read > ends/20 {
			first, atFirst = time.Now(), read
		}
		if read >= ends {
			last = time.Now()
			break
		}
		if time.Since(began) > 5*time.Minute {
			t.Fatalf("read %d of %d events in 5 minutes", read, ends)
		}
	}
	perSecond := float64(sum(r.ends())-atFirst) / last.Sub(first).Seconds()
	raised := 0
	for _, n := range r.committed() {
		raised += n
	}
	if raised == 0 {
		t.Error("no alert was raised: the figure says nothing")
	}
	r.write("kafka-throughput", fmt.Sprintf("%d payments of 250 bytes in 8 partitions, 20,000 of them a second of event time, lateness 5s, 2 rules,\nbroker on the same machine, %d alerts committed.\n\n"+
		"| events/s | all after start | peak RSS |\n|---|---|---|\n| %.0f | %s | %d MiB |\n",
		*preloaded, raised, perSecond, last.Sub(began).Round(10*time.Millisecond), peak))
}

// TestFigureLatency sends events at half the load and measures from the append
// of the record that moved the watermark past an alert's time to when a
// consumer of committed records has the alert.
func TestFigureLatency(t *testing.T) {
	r := measured(t, "1s", figureRules)
	r.appendTime("payment")
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	stop := make(chan struct{})
	arrived := r.watchAlerts(stop)
	g := &traffic{cards: 200_000}
	n := int(float64(*halfRate) * latencySpan.Seconds())
	began := time.Now()
	r.stream(n, *halfRate, func(int) ([]byte, []byte) { return g.next(time.Now().UnixMilli()) })
	sent := float64(n) / time.Since(began).Seconds()
	r.drained(time.Minute, a)
	time.Sleep(time.Second)
	close(stop)
	t.Logf("commits of the engine:\n%s", a.metrics("caltrop_commit_seconds"))
	delays := r.delays(<-arrived, time.Second)
	if len(delays) < 100 {
		t.Fatalf("only %d alerts measured", len(delays))
	}
	slices.Sort(delays)
	at := func(q float64) time.Duration { return delays[int(q*float64(len(delays)-1))] }
	r.write("kafka-latency", fmt.Sprintf("%.0f payments a second over %s, %d alerts, from the append of the record that moved the watermark past `at`\n"+
		"to a read_committed consumer that has the alert.\n\n| p50 | p90 | p99 | max |\n|---|---|---|---|\n| %s | %s | %s | %s |\n",
		sent, *latencySpan, len(delays), at(.5), at(.9), at(.99), at(1)))
}

// TestFigureRestore starts a process from a checkpoint of many keys, each with
// one open run.
func TestFigureRestore(t *testing.T) {
	r := measured(t, "0s", strings.Replace(figureRules, `status == "declined"}}`, `true}}`, 1))
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.install(a, a)
	g := &traffic{cards: *keys}
	from := int64(1_735_689_600_000)
	r.stream(*keys, 0, func(i int) ([]byte, []byte) {
		_, value := g.next(from + int64(i)/10_000)
		key := strconv.AppendInt([]byte("k-"), int64(i), 10)
		return key, []byte(strings.Replace(string(value), `"card_id":"`, `"card_id":"`+string(key)+`-`, 1))
	})
	r.drained(5*time.Minute, a)
	ended := a.terminate()
	began := time.Now()
	a.start()
	r.settled(2*time.Minute, a)
	r.write("checkpoint-start", fmt.Sprintf("%d keys with one open run each, 8 tasks of one process.\n\n"+
		"| final checkpoint and exit | from start to all tasks live | checkpoint on disk |\n|---|---|---|\n| %s | %s | %d MiB |\n",
		*keys, ended.Round(10*time.Millisecond), time.Since(began).Round(10*time.Millisecond), r.diskMiB("checkpoints")))
}

// stream produces n payments at rate a second without keeping them.
func (r *rig) stream(n, rate int, next func(i int) (key, value []byte)) {
	r.t.Helper()
	p, err := ck.NewProducer(&ck.ConfigMap{"bootstrap.servers": r.Brokers, "partitioner": "murmur2", "linger.ms": 5, "enable.idempotence": true,
		"queue.buffering.max.messages": 200_000, "enable.metrics.push": false, "go.delivery.reports": false})
	if err != nil {
		r.t.Fatal(err)
	}
	defer p.Close()
	topic, began := r.topic("payment"), time.Now()
	for i := range n {
		if rate > 0 && i%50 == 0 {
			time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		key, value := next(i)
		m := &ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic, Partition: ck.PartitionAny}, Key: key, Value: value}
		for p.Produce(m, nil) != nil {
			p.Flush(20)
		}
	}
	for p.Flush(1000) > 0 {
	}
}

// An arrival is an alert and when it was seen.
type arrival struct {
	alert *alert.Alert
	seen  time.Time
}

// watchAlerts collects alerts as they are committed until stop is closed.
func (r *rig) watchAlerts(stop chan struct{}) chan []arrival {
	c, err := ck.NewConsumer(&ck.ConfigMap{"bootstrap.servers": r.Brokers, "group.id": r.Name + ".watch", "isolation.level": "read_committed",
		"enable.auto.commit": false, "fetch.wait.max.ms": 5, "enable.metrics.push": false})
	if err != nil {
		r.t.Fatal(err)
	}
	topic := r.Name + ".alerts"
	var places []ck.TopicPartition
	for p := range int32(8) {
		places = append(places, ck.TopicPartition{Topic: &topic, Partition: p, Offset: ck.OffsetBeginning})
	}
	if err := c.Assign(places); err != nil {
		r.t.Fatal(err)
	}
	done := make(chan []arrival, 1)
	go func() {
		defer c.Close()
		var all []arrival
		for {
			select {
			case <-stop:
				done <- all
				return
			default:
			}
			if m, ok := c.Poll(10).(*ck.Message); ok {
				if a, err := alert.ParseJSON(m.Value); err == nil {
					all = append(all, arrival{a, time.Now()})
				}
			}
		}
	}()
	return done
}

// delays reads the source again and tells for each alert how long after the
// record that moved its partition's watermark past it the alert was seen.
func (r *rig) delays(all []arrival, lateness time.Duration) []time.Duration {
	type mark struct{ watermark, append int64 } // µs
	marks := map[int32][]mark{}
	r.readAll(r.topic("payment"), func(m *ck.Message) {
		at, ok := strings.CutPrefix(string(m.Value[strings.Index(string(m.Value), `"ts":`):]), `"ts":`)
		ts, err := strconv.ParseInt(at[:strings.IndexByte(at, ',')], 10, 64)
		if !ok || err != nil {
			r.t.Fatalf("reading %s: %v", m.Value, err)
		}
		w, list := ts*1000-lateness.Microseconds()-1, marks[m.TopicPartition.Partition]
		if len(list) == 0 || w > list[len(list)-1].watermark {
			marks[m.TopicPartition.Partition] = append(list, mark{w, m.Timestamp.UnixMicro()})
		}
	})
	var delays []time.Duration
	for _, x := range all {
		list := marks[lastEvent(x.alert).Partition]
		i, _ := slices.BinarySearchFunc(list, x.alert.At, func(m mark, at int64) int { return cmp.Compare(m.watermark, at) })
		if i < len(list) {
			delays = append(delays, x.seen.Sub(time.UnixMicro(list[i].append)).Round(100*time.Microsecond))
		}
	}
	return delays
}

func lastEvent(a *alert.Alert) *event.Event {
	last := a.Evidence[len(a.Evidence)-1].Events
	return last[len(last)-1]
}

// appendTime makes the broker stamp the records of a stream's topic.
func (r *rig) appendTime(stream string) {
	r.t.Helper()
	admin, err := ck.NewAdminClient(&ck.ConfigMap{"bootstrap.servers": r.Brokers})
	if err != nil {
		r.t.Fatal(err)
	}
	defer admin.Close()
	_, err = admin.IncrementalAlterConfigs(r.t.Context(), []ck.ConfigResource{{Type: ck.ResourceTopic, Name: r.topic(stream),
		Config: []ck.ConfigEntry{{Name: "message.timestamp.type", Value: "LogAppendTime", IncrementalOperation: ck.AlterConfigOpTypeSet}}}})
	if err != nil {
		r.t.Fatal(err)
	}
}

// write keeps a figure with the machine and the command.
func (r *rig) write(name, body string) {
	r.t.Helper()
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	model := "unknown CPU"
	for line := range strings.Lines(string(cpu)) {
		if _, m, ok := strings.Cut(line, "model name\t: "); ok {
			model = strings.TrimSpace(m)
			break
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	text := fmt.Sprintf("# %s\n\n%s\nMachine: %d cores, %s, %s; load average at the end %s.\nCommand: `go test -tags e2e ./loadtest/faults -run %s -count=1 -args -figures=../results`\n",
		name, body, runtime.NumCPU(), model, runtime.Version(), strings.Join(strings.Fields(string(load))[:3], " "), r.t.Name())
	r.t.Log(text)
	if err := os.WriteFile(filepath.Join(*figures, name+".md"), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
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

func residentMiB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib >> 10
		}
	}
	return 0
}

func sum(m map[string]int64) int64 {
	total := int64(0)
	for _, n := range m {
		total += n
	}
	return total
}
