package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
)

// A conformanceCase is one line of cep/ceptest/testdata/*.jsonl.
type conformanceCase struct {
	ID     string
	Rule   string
	Events []struct { // the files named flink
		ID, Kind string
		V        float64
		TS       int64
	}
	Input  []json.RawMessage // named.jsonl
	Expect []expectedMatch
	Keys   string
	Early  *bool // false: `timing: early` is refused
}

type expectedMatch struct {
	At       int64  // ms
	Key      string // "" in the files named flink: one key
	M        map[string][]string
	Measures map[string]float64
	Summary  string
}

// lines returns the case's events as `match` reads them.
func (c *conformanceCase) lines() []byte {
	var b bytes.Buffer
	for _, e := range c.Events {
		line, err := json.Marshal(map[string]any{"stream": "e", "event_id": e.ID, "ts": e.TS, "k": "k1", "kind": e.Kind, "v": e.V})
		if err != nil {
			panic(err)
		}
		b.Write(append(line, '\n'))
	}
	for _, line := range c.Input {
		b.Write(append(slices.Clone(line), '\n'))
	}
	return b.Bytes()
}

// corpora are the files of the corpus and how many cases they have: one cut
// short must not pass.
var corpora = map[string]int{"flink.jsonl": 191, "flink_random.jsonl": 286, "named.jsonl": 116, "page.jsonl": 84, "sentence.jsonl": 136, "value.jsonl": 182, "document.jsonl": 69, "combination.jsonl": 236}

// TestConformance runs the corpus (language §4 and §5) through the code of
// `caltrop match`.
func TestConformance(t *testing.T) {
	for name, want := range corpora {
		t.Run(name, func(t *testing.T) {
			cases := readCases(t, filepath.Join("../../cep/ceptest/testdata", name))
			if len(cases) != want {
				t.Errorf("%d cases, want %d", len(cases), want)
			}
			for i := range cases {
				if problem := runCase(t, &cases[i]); problem != "" {
					t.Errorf("%s\n%s", cases[i].ID, problem)
				}
			}
		})
	}
}

func readCases(t *testing.T, path string) []conformanceCase {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var cases []conformanceCase
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var c conformanceCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

// runCase returns what differs, or why the rule is refused.
func runCase(t *testing.T, c *conformanceCase) (problem string) {
	t.Helper()
	set, problems := rules.Check(nil, rules.Source{Name: c.ID, Text: []byte(c.Rule)})
	if syntax.Failed(problems) {
		return fmt.Sprint(problems)
	}
	result, err := matchEvents(t.Context(), set, bytes.NewReader(c.lines()), matchOptions{})
	if err != nil {
		return err.Error()
	}
	return c.compare(result.alerts)
}

// TestConformanceEarly runs every case with `--timing early`: where it is not
// refused, what holds in the end is what the case expects.
func TestConformanceEarly(t *testing.T) {
	for name := range corpora {
		for _, c := range readCases(t, filepath.Join("../../cep/ceptest/testdata", name)) {
			file := filepath.Join(t.TempDir(), "rule.yaml")
			if err := os.WriteFile(file, []byte(c.Rule), 0o600); err != nil {
				t.Fatal(err)
			}
			set, problems, err := rules.Override{Timing: "early"}.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			refused := syntax.Failed(problems)
			if len(c.Events) == 0 && refused != (c.Early != nil && !*c.Early) {
				t.Errorf("%s: refused %v: %v", c.ID, refused, problems)
			}
			if refused {
				continue // the Flink cases do not say where
			}
			result, err := matchEvents(t.Context(), set, bytes.NewReader(c.lines()), matchOptions{})
			if err != nil {
				t.Errorf("%s: %v", c.ID, err)
			} else if problem := c.compare(result.alerts); problem != "" {
				t.Errorf("%s\n%s", c.ID, problem)
			}
		}
	}
}

// compare compares the alerts that hold in the end with the expected ones as
// sets of time and evidence, with key and measures where the case has them.
func (c *conformanceCase) compare(alerts []alert.Alert) string {
	left := c.scope(alerts)
	var missing []string
	for _, want := range c.Expect {
		i := slices.IndexFunc(left, want.is)
		if i < 0 {
			missing = append(missing, fmt.Sprintf("  missing    at %d key %s %v %v %q", want.At, want.Key, want.M, want.Measures, want.Summary))
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, a := range left {
		missing = append(missing, "  unexpected "+string(a.AppendJSON(nil)))
	}
	return strings.Join(missing, "\n")
}

// scope picks the alerts that a case speaks of.
func (c *conformanceCase) scope(alerts []alert.Alert) []alert.Alert {
	newest := map[alert.ID]int{}
	for _, a := range alerts {
		newest[a.ID] = max(newest[a.ID], a.Version)
	}
	var picked []alert.Alert
	for _, a := range alerts {
		if a.Version == newest[a.ID] && a.Status != alert.Retracted && (c.Keys == "all" || c.Keys == "" && len(c.Events) > 0 || a.KeyText() == "k1") {
			picked = append(picked, a)
		}
	}
	return picked
}

func (e *expectedMatch) is(a alert.Alert) bool {
	if a.At != e.At*1000 || e.Key != "" && a.KeyText() != e.Key || e.Summary != "" && a.Summary != e.Summary {
		return false
	}
	return e.proven(a) && e.measured(a)
}

// proven compares the evidence; window cases expect measures only.
func (e *expectedMatch) proven(a alert.Alert) bool {
	if e.M == nil {
		return true
	}
	evidence := map[string][]string{}
	for _, s := range a.Evidence {
		for _, ev := range s.Events {
			evidence[s.Name] = append(evidence[s.Name], ev.ID)
		}
	}
	return maps.EqualFunc(e.M, evidence, slices.Equal[[]string])
}

func (e *expectedMatch) measured(a alert.Alert) bool {
	found := map[string]float64{}
	for _, m := range a.Measures {
		found[m.Name] = m.Value.Double()
	}
	for name, want := range e.Measures {
		if got, ok := found[name]; !ok || math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
			return false
		}
	}
	return true
}
