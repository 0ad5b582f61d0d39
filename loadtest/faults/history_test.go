//go:build e2e

package faults

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/sinks/sinktest"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// TestHistoryCatchesUp stops Cassandra while thousands of alerts come, kills a
// process and the broker meanwhile, and the other process while the history
// catches up: in the end it has them all, and a webhook has those that it wants.
// Cassandra is reached over TLS.
func TestHistoryCatchesUp(t *testing.T) {
	const backlog = 12_000
	r := newRig(t)
	services := localServices(t)
	r.CassandraTLS = fmt.Sprintf("tls: {ca: %q}", os.Getenv("E2E_CASSANDRA_CA"))
	hook := r.newReceiver(r.ruleNames()[0])
	a, b := newProcess(t, r.binary, r.settings, "a"), newProcess(t, r.binary, r.settings, "b")
	a.start()
	b.start()
	r.store(a)
	a.put("sinks", "pager", hook.document())
	r.ready(b)
	services("pause", "cassandra")
	t.Cleanup(func() { services("resume", "cassandra") })
	ends := r.raise(backlog)
	a.kill()
	services("kill", "kafka")
	services("up", "kafka")
	a.start()
	services("resume", "cassandra")
	eventuallyEvery(t, 50*time.Millisecond, patience, func() string {
		if lines, total, err := r.historyLag(ends); err != nil || total == backlog {
			return fmt.Sprintf("nothing is stored: %v, %s", err, lines)
		}
		return ""
	})
	b.kill()
	r.sameInHistory(a)
	eventually(t, patience, hook.lacks)
	hook.report()
}

// raise writes n alerts to the topic, as what the history must have in the end,
// and returns where the topic ends.
func (r *rig) raise(n int) map[string]ck.TopicPartition {
	r.t.Helper()
	const january = -27_900_000 // s after sinktest.Base: what the rig reads
	records := make([]sent, n)
	r.newest = alertSet{}
	for i := range records {
		json := sinktest.Alert{Name: fmt.Sprint(r.Name, i), Rule: r.ruleNames()[i%2], Key: fmt.Sprint(i / 3), At: january + int64(i), Detected: time.Now().UnixMicro()}.Record().JSON
		r.newest.add(r.t, json)
		records[i] = sent{topic: r.Name + ".alerts", key: fmt.Append(nil, i/3), value: json, partition: ck.PartitionAny}
	}
	if err := r.produce(records, 0); err != nil {
		r.t.Fatal(err)
	}
	return r.alertEnds()
}

// TestFigureHistory measures how fast one process works off what came while it
// was away.
func TestFigureHistory(t *testing.T) {
	if *figures == "" {
		t.Skip("no -figures folder: figures are measured by hand, on a quiet machine")
	}
	const backlog, part = 60_000, 10 // the first tenth is that of a process and a server that warm up
	r := newRig(t)
	a := newProcess(t, r.binary, r.settings, "a")
	a.start()
	r.store(a)
	a.kill()
	ends := r.raise(backlog)
	a.start()
	var began time.Time
	var first int64
	eventually(t, 10*time.Minute, func() string {
		_, left, err := r.historyLag(ends)
		if err == nil && began.IsZero() && left <= backlog-backlog/part {
			began, first = time.Now(), left
		}
		if err != nil || left > 0 {
			return fmt.Sprintf("%d records are to be stored, %v", left, err)
		}
		return ""
	})
	took := time.Since(began)
	r.sameInHistory(a)
	report(t, "history", fmt.Sprintf("%d alerts waited in the topic of one process, one broker and one Cassandra, all on this machine; behind the first tenth\n%d were stored in %s: %.0f a second.\n",
		backlog, first, took.Round(100*time.Millisecond), float64(first)/took.Seconds()))
}

// sameInHistory compares the history with the newest versions, once the
// processes have stored what there is. A backlog that has shrunk within three
// minutes is waited for, however large it is.
func (r *rig) sameInHistory(all ...*process) {
	r.t.Helper()
	if r.History == "cassandra" {
		r.storedAll(all)
	}
	eventually(r.t, patience, func() string {
		got, err := r.stored(all[0], false)
		if err != nil {
			return err.Error()
		}
		return r.newest.difference(got)
	})
}

// storedAll waits until the history's group has committed all that is in the
// topics of alerts. It says how that goes, and why it does not.
func (r *rig) storedAll(all []*process) {
	r.t.Helper()
	ends := r.alertEnds()
	began, least, first, said := time.Now(), int64(-1), int64(0), time.Now()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Second) {
		lag, total, err := r.historyLag(ends)
		if err == nil && total == 0 {
			r.t.Logf("the history has stored all: %d records in %s", first, time.Since(began).Round(time.Second))
			return
		}
		switch {
		case err == nil && least < 0:
			first, least = total, total
		case err == nil && total < least:
			least, deadline = total, time.Now().Add(patience)
		}
		state := func() string {
			return fmt.Sprintf("the history has %d records to store (%v), %d in the last %s:\n%s\n%s",
				total, err, first-total, time.Since(began).Round(time.Second), lag, r.deliveries(all))
		}
		if time.Since(said) > 20*time.Second {
			said = time.Now()
			r.t.Log(state())
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("for %s nothing was stored: %s", patience, state())
		}
	}
}

// alertEnds is behind the last record of each partition of the topics of alerts.
func (r *rig) alertEnds() map[string]ck.TopicPartition {
	ends := map[string]ck.TopicPartition{}
	for _, topic := range []string{r.Name + ".alerts", r.Name + ".alerts.shadow"} {
		r.readAll(topic, func(m *ck.Message) {
			at := m.TopicPartition
			at.Offset++
			ends[fmt.Sprintf("%s/%d", *at.Topic, at.Partition)] = at
		})
	}
	return ends
}

// historyLag says by partition, and in all, what the history's group has not
// committed of what is before ends.
func (r *rig) historyLag(ends map[string]ck.TopicPartition) (lines string, total int64, err error) {
	c, err := ck.NewConsumer(&ck.ConfigMap{"bootstrap.servers": r.Brokers, "group.id": r.Name + "." + r.Name + ".sink.cassandra", "enable.metrics.push": false})
	if err != nil {
		return "", 0, err
	}
	defer c.Close()
	places, err := c.Committed(slices.Collect(maps.Values(ends)), 10_000)
	if err != nil {
		return "", 0, err
	}
	var behind []string
	for _, p := range places {
		name := fmt.Sprintf("%s/%d", *p.Topic, p.Partition)
		if lag := int64(ends[name].Offset - max(0, p.Offset)); lag > 0 {
			total += lag
			behind = append(behind, fmt.Sprintf("%s: %d", name, lag))
		}
	}
	slices.Sort(behind)
	return strings.Join(behind, ", "), total, nil
}

// deliveries is what the processes say of what they store: counts, and the last
// lines about the history, which name a breaker that is open.
func (r *rig) deliveries(all []*process) string {
	var b strings.Builder
	for _, p := range all {
		fmt.Fprintf(&b, "%s:\n%s%s", p.config, p.metrics("caltrop_delivery_"), p.logged(`sink=cassandra`, 4))
	}
	return b.String()
}

// logged are the last lines of the process's log with this text.
func (p *process) logged(text string, last int) string {
	log, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	var found []string
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return strings.Join(found[max(0, len(found)-last):], "")
}
