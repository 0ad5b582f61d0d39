package ceptest

import (
	"bytes"
	_ "embed" // the corpus is part of the package
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
)

//go:embed testdata/flink.jsonl
var flinkCorpus []byte

//go:embed testdata/flink_random.jsonl
var flinkRandomCorpus []byte

//go:embed testdata/named.jsonl
var namedCorpus []byte

//go:embed testdata/page.jsonl
var pageCorpus []byte

//go:embed testdata/sentence.jsonl
var sentenceCorpus []byte

//go:embed testdata/value.jsonl
var valueCorpus []byte

//go:embed testdata/document.jsonl
var documentCorpus []byte

//go:embed testdata/combination.jsonl
var combinationCorpus []byte

// A Case is one case of the corpus: a rule, its input and the alerts it must
// raise. testdata/README.md tells where the cases come from.
type Case struct {
	ID    string
	Tags  []string
	Rule  string   // stream and rule documents
	Lines [][]byte // input lines in arrival order, as `caltrop match` reads them
	Want  []Outcome
	// Key is the only key whose alerts are compared; "" compares all.
	Key string
	// Early is false where `timing: early` must be refused.
	Early bool
}

// An Outcome is what the corpus compares of an alert.
type Outcome struct {
	At       int64               // µs
	Key      string              // the key's text
	Steps    map[string][]string // step -> event ids
	Measures map[string]float64
	Summary  string // "" is not compared
}

// measureTolerance is how far a measure may be off.
const measureTolerance = 1e-9

// FlinkCases returns the cases of Flink CEP's pattern tests (`emit: all`).
func FlinkCases() ([]Case, error) { return readCases(flinkCorpus) }

// FlinkRandomCases returns random patterns and events with what Flink CEP made
// of them (`emit: all`).
func FlinkRandomCases() ([]Case, error) { return readCases(flinkRandomCorpus) }

// NamedCases returns the cases written by hand for `emit: first` and windows.
func NamedCases() ([]Case, error) { return readCases(namedCorpus) }

// PageCases returns the cases reasoned out of single sentences of the
// language's page. Those tagged bounds are of limits that the oracle's answer
// knows nothing of.
func PageCases() ([]Case, error) { return readCases(pageCorpus) }

// SentenceCases returns the cases of windows, keys, time, profiles and lists
// that were written for the sentences of the page, one after the other.
func SentenceCases() ([]Case, error) { return readCases(sentenceCorpus) }

// ValueCases returns the cases of expressions, of aggregates' values and of what
// a summary makes of them.
func ValueCases() ([]Case, error) { return readCases(valueCorpus) }

// DocumentCases returns the cases of how documents, durations, keys, times and
// events may be written.
func DocumentCases() ([]Case, error) { return readCases(documentCorpus) }

// CombinationCases returns the cases of two or three features in one rule.
func CombinationCases() ([]Case, error) { return readCases(combinationCorpus) }

// caseLine is a line of the corpus files.
type caseLine struct {
	ID     string            `json:"id"`
	Tags   []string          `json:"tags"`
	Rule   string            `json:"rule"`
	Input  []json.RawMessage `json:"input"`
	Events []struct {
		ID   string      `json:"id"`
		Kind string      `json:"kind"`
		V    json.Number `json:"v"`
		TS   int64       `json:"ts"`
	} `json:"events"`
	Expect []struct {
		At       int64               `json:"at"`
		Key      *string             `json:"key"`
		M        map[string][]string `json:"m"`
		Measures map[string]float64  `json:"measures"`
		Summary  string              `json:"summary"`
	} `json:"expect"`
	Keys  string `json:"keys"`
	Early *bool  `json:"early"`
}

// onlyKey is the key whose alerts are compared where a case does not ask for
// all keys, and the key of all events of the Flink cases.
const onlyKey = "k1"

func readCases(corpus []byte) ([]Case, error) {
	var cases []Case
	for n, line := range bytes.Split(bytes.TrimSpace(corpus), []byte("\n")) {
		var l caseLine
		if err := json.Unmarshal(line, &l); err != nil {
			return nil, fmt.Errorf("reading corpus line %d: %w", n+1, err)
		}
		cases = append(cases, l.toCase())
	}
	return cases, nil
}

func (l *caseLine) toCase() Case {
	c := Case{ID: l.ID, Tags: l.Tags, Rule: l.Rule, Early: l.Early == nil || *l.Early}
	if l.Keys != "all" {
		c.Key = onlyKey
	}
	for _, in := range l.Input {
		c.Lines = append(c.Lines, in)
	}
	for _, ev := range l.Events {
		c.Lines = append(c.Lines, fmt.Appendf(nil, `{"stream":"e","event_id":%q,"ts":%d,"k":%q,"kind":%q,"v":%s}`, ev.ID, ev.TS, onlyKey, ev.Kind, ev.V))
	}
	for _, x := range l.Expect {
		o := Outcome{At: x.At * 1000, Key: onlyKey, Steps: x.M, Measures: x.Measures, Summary: x.Summary}
		if x.Key != nil {
			o.Key = *x.Key
		}
		c.Want = append(c.Want, o)
	}
	return c
}

// Differ compares alerts with what the case wants: as sets of time, key and
// evidence, and of measures where the case gives them. It returns what is
// missing and what is too much, "" when they agree.
func (c *Case) Differ(got []Outcome) string {
	var b strings.Builder
	left := slices.Clone(got)
	for i := range c.Want {
		at := slices.IndexFunc(left, func(o Outcome) bool { return same(&c.Want[i], &o) })
		if at < 0 {
			fmt.Fprintf(&b, "missing: %v\n", c.Want[i])
			continue
		}
		left = slices.Delete(left, at, at+1)
	}
	for _, o := range left {
		if c.Key == "" || o.Key == c.Key {
			fmt.Fprintf(&b, "too much: %v\n", o)
		}
	}
	return b.String()
}

func same(want, got *Outcome) bool {
	if want.At != got.At || want.Key != got.Key || want.Summary != "" && want.Summary != got.Summary {
		return false
	}
	if want.Steps != nil && !maps.EqualFunc(want.Steps, got.Steps, slices.Equal) {
		return false
	}
	for name, x := range want.Measures {
		if y, ok := got.Measures[name]; !ok || math.Abs(x-y) > measureTolerance*math.Max(1, math.Abs(x)) {
			return false
		}
	}
	return true
}

// OutcomeOf reduces an alert to what the corpus compares.
func OutcomeOf(a *Alert) Outcome {
	o := Outcome{At: a.At, Key: KeyText(a.Key), Summary: a.Summary, Steps: map[string][]string{}, Measures: map[string]float64{}}
	for _, s := range a.Evidence {
		o.Steps[s.Step] = ids(s.Events)
	}
	for _, m := range a.Measures {
		o.Measures[m.Name] = number(m.Value)
	}
	return o
}

func ids(events []*event.Event) []string {
	out := make([]string, len(events))
	for i, ev := range events {
		out[i] = ev.ID
	}
	return out
}

func number(v event.Value) float64 {
	if v.Type() == event.Bool {
		return float64(v.Int())
	}
	return v.Double()
}
