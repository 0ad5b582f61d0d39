package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/loadtest/bench"
)

// The alerts of `bench` over someone's files are those of `match`.
func TestBenchCountsTheAlertsOfMatch(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var lines []byte
	for in := (bench.Traffic{Events: 3000, Keys: 10, Probes: 100, Large: 30}).Lines(); ; lines = append(lines, '\n') {
		var more bool
		if lines, more, _ = in.Next(lines); !more {
			break
		}
	}
	rules := write("rules.yaml", []byte(bench.Suites()[0].Documents))
	events := write("events.jsonl", lines)
	var out, errs bytes.Buffer
	if err := run(t.Context(), []string{"match", "--rules", rules, "--events", events}, environ{in: nil, out: &out, err: &errs}); err != nil {
		t.Fatal(err)
	}
	want := strings.Count(out.String(), "\n")
	if want == 0 {
		t.Fatal("match raises nothing")
	}
	for _, lane := range []string{"parsed", "bytes"} {
		out.Reset()
		if err := run(t.Context(), []string{"bench", "--rules", rules, "--events", events, "--lane", lane, "--runs", "2", "--json"}, environ{in: nil, out: &out, err: &errs}); err != nil {
			t.Fatal(err)
		}
		var r bench.Report
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Alerts != want || r.Events != 3000 || r.Rate.Median <= 0 || string(r.Lane) != lane {
			t.Errorf("lane %s: %+v, want %d alerts of 3000 events", lane, r, want)
		}
	}
}
