package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/rules/backtest"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const probes = `apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: s}
id: id
partition_key: card
lateness: 1m
fields: {card: string, amount: double}
---
apiVersion: caltrop/v1
kind: Rule
name: probed
key: card
within: 1h
pattern: probe{3} -> hit
steps:
  probe: {stream: payment, where: amount < 5}
  hit: {stream: payment, where: amount > 500}
`

// day is the first second of the history that the tests here write.
var day = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// probedCards writes one incident an hour for two days, each of a card of its
// own, to two partitions; the records have the time of their event.
func probedCards(t *testing.T) (brokers string) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "payments"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	brokers = strings.Join(cluster.ListenAddrs(), ",")
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DefaultProduceTopic("payments"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for hour := range 48 {
		for i, amount := range []int{1, 2, 3, 900} {
			at := day.Add(time.Duration(hour)*time.Hour + time.Duration(i)*time.Minute)
			value := fmt.Appendf(nil, `{"id":"e%d-%d","ts":%d,"card":"c%d","amount":%d}`, hour, i, at.Unix(), hour, amount)
			if err := client.ProduceSync(t.Context(), &kgo.Record{Partition: int32(hour % 2), Value: value, Timestamp: at}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return brokers
}

// A backtest over topics reports the alerts of its time, and the same bytes
// when it is run again.
func TestBacktestOverTopics(t *testing.T) {
	brokers := probedCards(t)
	docs := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(docs, []byte(probes), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := filepath.Join(t.TempDir(), "alerts.jsonl")
	args := []string{"backtest", "--rules", docs, "--brokers", brokers, "--from", "2026-01-05T12:00:00Z", "--to", "2026-01-06T12:00:00Z",
		"--json", "--examples", "1", "--alerts", lines}
	first, _ := command(t, args...)
	if second, _ := command(t, append(args, "--parallel", "2")...); second != first {
		t.Errorf("first\n%s\nthen\n%s", first, second)
	}
	var report backtest.Report
	if err := json.Unmarshal([]byte(first), &report); err != nil {
		t.Fatal(err)
	}
	r := report.Rules[0]
	if r.Alerts != 24 || len(r.Days) != 2 || r.Days[0].Alerts != 12 || len(r.Examples) != 1 {
		t.Errorf("got %+v", r)
	}
	for _, in := range report.Inputs {
		if in.From == 0 || in.To == 96 || in.Hash == "" || in.Records < 48 {
			t.Errorf("read %+v", in)
		}
	}
	if written, err := os.ReadFile(lines); err != nil || bytes.Count(written, []byte("\n")) != 24 {
		t.Errorf("the file of alerts: %v\n%s", err, written)
	}
}
