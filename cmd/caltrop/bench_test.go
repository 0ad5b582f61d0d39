package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
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
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(lines); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"plain":              lines,
		"packed":             packed.Bytes(),
		"from Windows":       append([]byte("\ufeff"), bytes.ReplaceAll(lines, []byte("\n"), []byte("\r\n"))...),
		"without a last end": bytes.TrimSpace(lines),
	} {
		t.Run(name, func(t *testing.T) {
			events := write(name, text)
			var out bytes.Buffer
			if err := run(t.Context(), []string{"match", "--rules", rules, "--events", events}, environ{out: &out, err: io.Discard}); err != nil {
				t.Fatal(err)
			}
			want := strings.Count(out.String(), "\n")
			if want == 0 {
				t.Fatal("match raises nothing")
			}
			for _, lane := range []string{"parsed", "bytes"} {
				for _, events := range []string{events, "-"} {
					out.Reset()
					if err := run(t.Context(), []string{"bench", "--rules", rules, "--events", events, "--lane", lane, "--runs", "2", "--json"}, environ{in: bytes.NewReader(text), out: &out, err: io.Discard}); err != nil {
						t.Fatal(err)
					}
					var r bench.Report
					if err := json.Unmarshal(out.Bytes(), &r); err != nil {
						t.Fatal(err)
					}
					if r.Alerts != want || r.Events != 3000 || r.Rate.Median <= 0 || string(r.Lane) != lane {
						t.Errorf("lane %s of %s: %+v, want %d alerts of 3000 events", lane, events, r, want)
					}
				}
			}
		})
	}
}

// Of no events there is no speed.
func TestBenchOfNoEvents(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte(bench.Suites()[0].Documents), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"bench", "--rules", rules, "--events", "-", "--json"}, environ{in: strings.NewReader("\n"), out: &out, err: io.Discard}); err != nil {
		t.Fatal(err)
	}
	var r bench.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Rate != (bench.Spread{}) || r.NsPerEvent != (bench.Spread{}) {
		t.Errorf("%+v", r)
	}
}
