package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/loadtest/fraudgen"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/catalog"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
)

// runGen runs the command line and returns what it printed.
func runGen(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if err := run(t.Context(), append([]string{"gen"}, args...), environ{in: strings.NewReader(""), out: &out, err: &errs}); err != nil {
		t.Fatalf("gen %q: %v", args, err)
	}
	return out.String(), errs.String()
}

func TestGenWritesEventsLabelsAndDocuments(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	_, counts := runGen(t, "--count", "5000", "--rate", "5", "--seed", "7", "--incidents", "0.005", "--json",
		"--out", at("events.jsonl"), "--labels", at("labels.jsonl"), "--documents", at("rules.yaml"), "--closing", "--partitions", "2")
	events, err := os.ReadFile(at("events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	labels, err := os.ReadFile(at("labels.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Events, Incidents int }
	if err := json.Unmarshal([]byte(counts), &got); err != nil {
		t.Fatalf("%s: %v", counts, err)
	}
	lines, labelled := bytes.Count(events, []byte("\n")), bytes.Count(labels, []byte("\n"))
	if lines != 5000+4*2 || got.Events != lines || labelled < 5 || got.Incidents != labelled {
		t.Errorf("%d events, %d labels, counts %+v", lines, labelled, got)
	}
	var out, errs bytes.Buffer
	env := environ{in: strings.NewReader(""), out: &out, err: &errs}
	if err := run(t.Context(), []string{"match", "--rules", at("rules.yaml"), "--events", at("events.jsonl")}, env); err != nil {
		t.Fatalf("matching: %v\n%s", err, &errs)
	}
	judgeRecall(t, labels, out.Bytes())
}

// judgeRecall asserts that every labelled incident has an alert of the rule of
// its scenario and its key, and that there is no other alert.
func judgeRecall(t *testing.T, labels, alerts []byte) {
	t.Helper()
	wanted, raised := map[string]bool{}, map[string]bool{}
	for line := range bytes.Lines(labels) {
		var l struct{ Scenario, Key string }
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		wanted[l.Scenario+" "+l.Key] = true
	}
	for line := range bytes.Lines(alerts) {
		var a struct{ Rule, Key string }
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatal(err)
		}
		raised[a.Rule+" "+a.Key] = true
	}
	for w := range wanted {
		if !raised[w] {
			t.Errorf("incident %s has no alert", w)
		}
	}
	for r := range raised {
		if !wanted[r] {
			t.Errorf("alert %s has no incident", r)
		}
	}
}

// TestShippedRulesCatchTheirScenarios plays the scenarios of the catalogue and
// asserts that each shipped rule catches nearly all incidents of its own, and
// that nearly all alerts are of some incident: hard negatives raise none.
func TestShippedRulesCatchTheirScenarios(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	runGen(t, "--count", "40000", "--rate", "5", "--seed", "11", "--incidents", "0.01", "--scenarios", "catalogue", "--disorder", "5s",
		"--out", at("events.jsonl"), "--labels", at("labels.jsonl"), "--documents", at("rules.yaml"))
	var out, errs bytes.Buffer
	env := environ{in: strings.NewReader(""), out: &out, err: &errs}
	if err := run(t.Context(), []string{"match", "--rules", at("rules.yaml"), "--events", at("events.jsonl")}, env); err != nil {
		t.Fatalf("matching: %v\n%s", err, &errs)
	}
	raised, proofs, below := map[string]bool{}, []evidence{}, map[string]evidence{}
	for line := range bytes.Lines(out.Bytes()) {
		var a struct {
			ID, Rule string
			Score    int
			Key      json.RawMessage
			Evidence evidence
		}
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatal(err)
		}
		raised[a.Rule+" "+strings.Trim(string(a.Key), `"`)] = true
		below[a.ID] = a.Evidence
		if a.Score > 0 { // else a part of other rules
			proofs = append(proofs, a.Evidence)
		}
	}
	labels, err := os.ReadFile(at("labels.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	incidents, caught, fraud := map[string]int{}, map[string]int{}, map[string]bool{}
	for line := range bytes.Lines(labels) {
		var l struct {
			Scenario, Key string
			Events        []string `json:"event_ids"`
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		for _, id := range l.Events {
			fraud[id] = true
		}
		incidents[l.Scenario]++
		if raised[l.Scenario+" "+l.Key] {
			caught[l.Scenario]++
		}
	}
	for _, name := range shippedRules(t) {
		if n := incidents[name]; n < 3 || float64(caught[name]) < 0.95*float64(n) {
			t.Errorf("%s: %d of %d incidents caught", name, caught[name], n)
		}
	}
	stray := slices.DeleteFunc(slices.Clone(proofs), func(e evidence) bool { return e.any(fraud, below) })
	if len(stray)*20 > len(proofs) {
		t.Errorf("%d of %d alerts are of no incident", len(stray), len(proofs))
	}
}

// evidence is an alert's events by step.
type evidence map[string][]struct{ ID string }

// any reports whether one of the events is among ids, or of an alert that is
// evidence itself.
func (e evidence) any(ids map[string]bool, below map[string]evidence) bool {
	for _, events := range e {
		for _, ev := range events {
			if ids[ev.ID] || below[ev.ID].any(ids, below) {
				return true
			}
		}
	}
	return false
}

// shippedRules lists the catalogue's rules that have a scenario.
func shippedRules(t *testing.T) (names []string) {
	t.Helper()
	for _, f := range catalog.Rules() {
		for name := range documentTexts([]rules.Source{{Name: f.Name, Text: f.Data}}) {
			if slices.Contains(fraudgen.Catalogue(), name) {
				names = append(names, name)
			}
		}
	}
	if len(names) != len(catalog.Rules()) {
		t.Errorf("%d of %d shipped files hold a rule with a scenario", len(names), len(catalog.Rules()))
	}
	return names
}

func TestGenWritesEqualBytes(t *testing.T) {
	args := []string{"--count", "2000", "--disorder", "3s", "--duplicates", "0.01", "--late", "0.01", "--start", "2025-06-01T00:00:00Z"}
	one, _ := runGen(t, args...)
	two, _ := runGen(t, args...)
	if one != two || strings.Count(one, "\n") < 2000 {
		t.Errorf("%d and %d bytes, %d lines", len(one), len(two), strings.Count(one, "\n"))
	}
}

func TestGenRefusesBadFlags(t *testing.T) {
	for _, args := range [][]string{
		{"--start", "yesterday"}, {"--start", "2025-01-01T00:00:00Z", "--past", "1h"}, {"--rate", "-1"},
		{"--brokers", "127.0.0.1:1", "--topics", "nope=x"}, {"--scenarios", "nope"}, {"--out", filepath.Join(t.TempDir(), "none", "file")},
	} {
		var out, errs bytes.Buffer
		if err := run(t.Context(), append([]string{"gen"}, args...), environ{in: strings.NewReader(""), out: &out, err: &errs}); exitCode(err) != exitFailure {
			t.Errorf("gen %q: %v", args, err)
		}
	}
}

func TestGenGoesOnLiveUntilStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &stopAfter{lines: 500, stop: cancel}
	err := run(ctx, []string{"gen", "--past", "1s", "--rate", "1000"}, environ{in: strings.NewReader(""), out: w, err: &bytes.Buffer{}})
	if err != nil || w.seen < 500 {
		t.Errorf("%d lines, %v", w.seen, err)
	}
}

// stopAfter is an output whose reader leaves after some lines.
type stopAfter struct {
	lines, seen int
	stop        func()
}

// Write counts lines.
func (s *stopAfter) Write(p []byte) (int, error) {
	if s.seen += bytes.Count(p, []byte("\n")); s.seen >= s.lines {
		s.stop()
	}
	return len(p), nil
}

func TestGenSendsToKafka(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	addr := broker.ListenAddrs()[0]
	runGen(t, "--count", "1000", "--brokers", addr, "--topics", "payment=pay", "--partitions", "2", "--closing")
	consumer, err := ck.NewConsumer(&ck.ConfigMap{"bootstrap.servers": addr, "group.id": "gen", "auto.offset.reset": "earliest"})
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	if err := consumer.SubscribeTopics([]string{"pay", "challenges", "logins", "orders"}, nil); err != nil {
		t.Fatal(err)
	}
	closing := map[string]bool{}
	for n := 0; n < 1000+4*2; n++ {
		m, err := consumer.ReadMessage(30 * time.Second)
		if err != nil {
			t.Fatalf("reading record %d: %v", n, err)
		}
		if len(m.Key) == 0 || !json.Valid(m.Value) || bytes.Contains(m.Value, []byte(`"stream"`)) {
			t.Errorf("record %s: %s", m.Key, m.Value)
		}
		if bytes.Contains(m.Value, []byte("closing")) {
			closing[m.TopicPartition.String()[:strings.Index(m.TopicPartition.String(), "@")]] = true
		}
	}
	if len(closing) != 4*2 {
		t.Errorf("closing events reached %v", closing)
	}
}
