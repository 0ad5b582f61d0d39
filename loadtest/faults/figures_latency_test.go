//go:build e2e

package faults

import (
	"cmp"
	"flag"
	"fmt"
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
	halfRate    = flag.Int("half-rate", 50_000, "events a second of the latency figure: half of what goes directly")
	hopRate     = flag.Int("hop-rate", 20_000, "the same by way of a keyed log")
	latencySpan = flag.Duration("latency-span", 60*time.Second, "how long each row of the latency figure takes")
	latencyWarm = flag.Duration("latency-warm", 45*time.Second, "how long each row is sent before it is measured")
	latencyTxn  = flag.Duration("latency-commit", 20*time.Millisecond, "kafka.commit_every in the latency figure")
	latencyRow  = flag.String("latency-row", "", "only the rows of the latency figure whose way and timing contain this")
)

// latencyRule is three declined payments of a card.
const latencyRule = `apiVersion: caltrop/v1
kind: Rule
name: failed-payments
key: card_id
within: 5m
pattern: fail{3,}
steps: {fail: {stream: payment, where: status == "declined"}}
timing: %s
`

// TestFigureLatency sends events at half the load, each at its own time whatever
// became of those before, and measures from when the event that lets an alert be
// raised was to be sent to when a consumer of committed records has the alert. Of
// an early alert that is its last event, of a final one the event that moves the
// watermark past it.
func TestFigureLatency(t *testing.T) {
	const lateness = time.Second
	var table strings.Builder
	for _, row := range []struct {
		name, timing string
		rate         int
		routed       bool
	}{
		{"direct", "early", *halfRate, false}, {"direct", "final", *halfRate, false},
		{"by way of a keyed log", "early", *hopRate, true},
	} {
		title := row.name + ", " + row.timing
		if !strings.Contains(title, *latencyRow) {
			continue
		}
		rules := fmt.Sprintf(latencyRule, row.timing)
		if row.routed {
			rules = hop(rules)
		}
		r := measured(t, lateness.String(), rules)
		r.CommitEvery = *latencyTxn
		a := newProcess(t, r.binary, r.settings, "a")
		a.start()
		r.install(a, a)
		cpu := cpuOf(t, a.cmd.Process.Pid)
		by := newSeconds(*latencyWarm + *latencySpan)
		all, sent := r.alertsOf(row.rate, a, by)
		cpu = cpuOf(t, a.cmd.Process.Pid) - cpu
		t.Logf("%s: commits of the engine:\n%s", title, a.metrics("caltrop_commit_seconds"))
		a.terminate()
		delays := r.delays(all, row.timing == "final", lateness, by)
		by.log(t, title)
		if len(delays) < 100 {
			t.Fatalf("only %d alerts measured", len(delays))
		}
		cores := cpu.Seconds() / (*latencyWarm + *latencySpan).Seconds()
		fmt.Fprintf(&table, "| %s | %s | %.0f | %.2f | %d |%s%s\n", row.name, row.timing, sent, cores, len(delays), quantiles(delays, .5, .9, .99, .999, 1), by.usual(*latencyWarm))
	}
	report(t, "kafka-latency", fmt.Sprintf("%s of payments in %d partitions in each row (keyed logs of %d), after %s that do not count (a broker that has just started still compiles its code), one process, commits\n"+
		"every %s; from when the event that lets an alert be raised was to be sent (of a final alert: the event that moves the watermark\n"+
		"past it; lateness %s) to a read_committed consumer that has the alert. Times of events are in whole milliseconds.\n"+
		"Broker, load and Caltrop share the cores; of them the host takes some for others.\n\n"+
		"| way | timing | events a second | cores of caltrop | alerts | p50 | p90 | p99 | p99.9 | max | p99 of the median second | cores taken by the host |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n%s", *latencySpan, *sourcePartitions, cmp.Or(*keyedMost, *sourcePartitions), *latencyWarm, *latencyTxn, lateness, &table))
}

// alertsOf sends payments at a rate and returns the alerts that came of them, and
// how many were sent a second. By second it notes how late they were sent, and
// what the process did.
func (r *rig) alertsOf(rate int, p *process, by *seconds) ([]arrival, float64) {
	r.t.Helper()
	stop := make(chan struct{})
	arrived := r.watchAlerts(stop)
	sampled := make(chan struct{})
	go func() { defer close(sampled); by.sample(p, stop) }()
	g := &traffic{cards: 200_000}
	n := int(float64(rate) * (*latencyWarm + *latencySpan).Seconds())
	began := time.Now()
	r.stream(n, rate, func(_ int, due time.Time) ([]byte, []byte) {
		at := by.at(due)
		at.sent = max(at.sent, time.Since(due))
		return g.next(due.UnixMilli())
	})
	sent := float64(n) / time.Since(began).Seconds()
	time.Sleep(3 * time.Second) // the alerts of the last events
	close(stop)
	<-sampled
	return <-arrived, sent
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

// delays tells for each alert how long after its last event was due it was seen;
// of a final one, after the event that moved its partition's watermark past it.
// What was due while all warmed up is only noted by second.
func (r *rig) delays(all []arrival, final bool, lateness time.Duration, by *seconds) (delays []time.Duration) {
	due := func(e *event.Event) (int64, bool) { return e.Time, true }
	if final {
		due = r.passed(lateness)
	}
	for _, x := range all {
		if at, ok := due(lastEvent(x.alert)); ok {
			due := time.UnixMicro(at)
			by.alert(due, x)
			if due.Sub(by.began) >= *latencyWarm {
				delays = append(delays, x.seen.Sub(due))
			}
		}
	}
	return delays
}

// passed reads the source again and returns a function that tells, in µs, when
// the first event was due that moved the watermark of an event's partition past
// it; false: none did.
func (r *rig) passed(lateness time.Duration) func(*event.Event) (int64, bool) {
	marks := map[int32][]int64{} // times of events by partition, growing
	r.readAll(r.topic("payment"), func(m *ck.Message) {
		at, ok := strings.CutPrefix(string(m.Value[strings.Index(string(m.Value), `"ts":`):]), `"ts":`)
		ts, err := strconv.ParseInt(at[:strings.IndexByte(at, ',')], 10, 64)
		if !ok || err != nil {
			r.t.Fatalf("reading %s: %v", m.Value, err)
		}
		list := marks[m.TopicPartition.Partition]
		if len(list) == 0 || ts*1000 > list[len(list)-1] {
			marks[m.TopicPartition.Partition] = append(list, ts*1000)
		}
	})
	return func(e *event.Event) (int64, bool) {
		list := marks[e.Partition]
		i, _ := slices.BinarySearch(list, e.Time+lateness.Microseconds()+1)
		if i == len(list) {
			return 0, false
		}
		return list[i], true
	}
}

func lastEvent(a *alert.Alert) *event.Event {
	last := a.Evidence[len(a.Evidence)-1].Events
	return last[len(last)-1]
}
