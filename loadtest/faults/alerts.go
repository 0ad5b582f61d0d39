//go:build e2e

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/caltrop/caltrop/sinks/alert"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// readAll reads every committed record of a topic, to its present end.
func (r *rig) readAll(topic string, each func(*ck.Message)) {
	r.t.Helper()
	c, err := ck.NewConsumer(&ck.ConfigMap{"bootstrap.servers": r.Brokers, "group.id": r.Name + ".reader", "isolation.level": "read_committed",
		"enable.auto.commit": false, "enable.partition.eof": true, "auto.offset.reset": "earliest", "enable.metrics.push": false})
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	md, err := c.GetMetadata(&topic, false, 10_000)
	if err != nil {
		r.t.Fatal(err)
	}
	var places []ck.TopicPartition
	for _, p := range md.Topics[topic].Partitions {
		places = append(places, ck.TopicPartition{Topic: &topic, Partition: p.ID, Offset: ck.OffsetBeginning})
	}
	if err := c.Assign(places); err != nil {
		r.t.Fatal(err)
	}
	deadline := time.Now().Add(patience) // since the last record
	for ends := 0; ends < len(places); {
		switch ev := c.Poll(1000).(type) {
		case *ck.Message:
			each(ev)
			deadline = time.Now().Add(patience)
		case ck.PartitionEOF:
			ends++
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s has open transactions: only %d of %d partitions read to the end", topic, ends, len(places))
		}
	}
}

// committed is the set of alerts in the alerts topic.
func (r *rig) committed() alertSet {
	set := alertSet{}
	r.readAlerts(func(m *ck.Message) { set.add(r.t, m.Value) })
	return set
}

// readAlerts reads the alerts topic, without those of the rule apart.
func (r *rig) readAlerts(each func(*ck.Message)) {
	r.t.Helper()
	r.readAll(r.Name+".alerts", func(m *ck.Message) {
		if r.apart == "" || !bytes.Contains(m.Value, []byte(`"rule":"`+r.apart+`"`)) {
			each(m)
		}
	})
}

// ends returns the offset behind the last record of each partition. A broker
// that has just come back may need a moment.
func (r *rig) ends() map[string]int64 {
	r.t.Helper()
	c, err := ck.NewConsumer(&ck.ConfigMap{"bootstrap.servers": r.Brokers, "group.id": r.Name + ".reader", "enable.metrics.push": false})
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	ends := map[string]int64{}
	for _, s := range r.streamNames() {
		for p := range int32(r.partitions) {
			eventually(r.t, patience, func() string {
				_, high, err := c.QueryWatermarkOffsets(r.topic(s), p, 10_000)
				if err != nil {
					return err.Error()
				}
				ends[fmt.Sprintf("%s/%d", s, p)] = high
				return ""
			})
		}
	}
	return ends
}

// drained waits until live tasks have read everything.
func (r *rig) drained(within time.Duration, all ...*process) {
	r.t.Helper()
	ends := r.ends()
	eventually(r.t, within, func() string {
		var tasks []taskView
		for _, p := range all {
			tasks = append(tasks, p.tasks()...)
		}
		read := map[string]bool{} // by all tasks on it
		for _, t := range tasks {
			name := fmt.Sprintf("%s/%d", t.Stream, t.Partition)
			if end, ok := ends[name]; ok {
				others, known := read[name]
				read[name] = t.State == "live" && t.Position.Offset >= end && (others || !known)
			}
		}
		behind := len(ends)
		for _, all := range read {
			if all {
				behind--
			}
		}
		if behind > 0 {
			return fmt.Sprintf("%d partitions are not read to the end: %+v", behind, tasks)
		}
		return ""
	})
}

// stored is the set of alerts in the history, newest versions, as REST shows it:
// those of live rules, or of rules on trial.
func (r *rig) stored(p *process, trial bool) (alertSet, error) {
	set := alertSet{}
	for _, rule := range r.ruleNames() {
		q := url.Values{"rule": {rule}, "limit": {"1000"}, "shadow": {fmt.Sprint(trial)},
			"from": {"2025-01-01T00:00:00Z"}, "to": {"2025-01-20T00:00:00Z"}}
		for more := true; more; {
			var page struct {
				Alerts []json.RawMessage `json:"alerts"`
				Next   string            `json:"next"`
			}
			if err := p.get("/v1/alerts?"+q.Encode(), &page); err != nil {
				return nil, err
			}
			for _, a := range page.Alerts {
				set.add(r.t, a)
			}
			q.Set("after", page.Next)
			more = page.Next != ""
		}
	}
	return set, nil
}

func (r *rig) ruleNames() (names []string) {
	for _, doc := range documents(r.rules) {
		names = append(names, nameOf(doc))
	}
	return names
}

// withoutIDs are the alerts that hold in the end, without what the oracle does
// not know.
func (r *rig) withoutIDs() map[string]int {
	last := newest{}
	r.readAlerts(func(m *ck.Message) { last.add(r.t, m.Value) })
	found := map[string]int{}
	for _, a := range last {
		if a.Status != alert.Retracted {
			found[plain(a.Rule, a)]++
		}
	}
	return found
}
