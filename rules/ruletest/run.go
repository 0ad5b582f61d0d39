// Package ruletest runs the tests that rule documents bring with them
// (language §1, Tests) through the same task that the engine runs, and says
// readably how alerts differ from the expected ones. It reads no files and
// prints nothing: the command line and the REST interface do.
package ruletest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
	"github.com/caltrop/caltrop/sinks/alert"
)

// Epoch is +0s of every test.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// alertsMax bounds the alerts of one test: a test that raises more is a mistake,
// and fails.
const alertsMax = 10_000

// A Result is the outcome of one test of one rule.
type Result struct {
	Rule   string  `json:"rule"`
	Test   string  `json:"test"`
	Line   int     `json:"line"` // of the test in its document
	Passed bool    `json:"passed"`
	Error  string  `json:"error,omitempty"` // why the test could not run
	Want   []Alert `json:"want"`
	Got    []Alert `json:"got"`
	Diff   string  `json:"diff,omitempty"` // for a person; "" when passed
}

// An Alert is one alert as tests speak of it.
type Alert struct {
	At      string          `json:"at"` // e.g. +1m30s
	Key     json.RawMessage `json:"key"`
	Summary string          `json:"summary,omitempty"` // of an alert that was raised
}

// Run runs all tests of the rules of a set, in the order of rules by name and
// then of the text. only, when not empty, names the rules to test. The error
// is a broken engine, never a failed test.
func Run(set *rules.Set, only ...string) ([]Result, error) {
	return RunContext(context.Background(), set, only...)
}

// RunContext is Run until ctx ends; then the error is that of ctx.
func RunContext(ctx context.Context, set *rules.Set, only ...string) ([]Result, error) {
	results := []Result{}
	for _, r := range set.Rules {
		if len(r.Doc.Tests) == 0 || !chosen(r.Doc.Name, only) {
			continue
		}
		bench, err := newBench(set, r)
		if err != nil {
			return nil, err
		}
		for _, t := range r.Doc.Tests {
			result, err := bench.run(ctx, t)
			if err != nil {
				return nil, fmt.Errorf("rule %s, test %s: %w", r.Doc.Name, t.Name, err)
			}
			results = append(results, result)
		}
	}
	return results, nil
}

func chosen(name string, only []string) bool {
	for _, o := range only {
		if o == name {
			return true
		}
	}
	return len(only) == 0
}

// A bench runs the tests of one rule: the rule alone, or with the rules whose
// alerts it reads, over streams all of whose fields are optional and read by
// name.
type bench struct {
	rule     string
	set      *rules.Set
	decoders map[string]*event.Decoder
}

func newBench(set *rules.Set, r *rules.Rule) (*bench, error) {
	b := &bench{rule: r.Doc.Name, decoders: map[string]*event.Decoder{}}
	relaxed, problems := set.Alone(r, relax)
	if relaxed == nil {
		return nil, fmt.Errorf("compiling rule %s for its tests: %s", r.Doc.Name, problems[0].Detail)
	}
	b.set = relaxed
	for _, st := range append(slices.Clone(relaxed.Streams), relaxed.Alerts) {
		if st == nil {
			continue
		}
		decl := st.Decl()
		decl.Time, decl.ID, decl.HashID, decl.Keys = []string{timeMember}, nil, false, nil
		b.decoders[st.Doc.Name] = event.NewDecoder(decl)
	}
	return b, nil
}

// relax returns a stream as tests see it.
func relax(d *syntax.Stream) *syntax.Stream {
	doc := *d
	doc.Fields = make([]syntax.FieldDecl, len(d.Fields))
	for i, f := range d.Fields {
		f.Optional, f.Path = true, nil
		doc.Fields[i] = f
	}
	return &doc
}

// run runs one test. A fault in its events fails the test.
func (b *bench) run(ctx context.Context, t *syntax.Test) (Result, error) {
	result := Result{Rule: b.rule, Test: t.Name, Line: t.Pos.Line, Want: wanted(t), Got: []Alert{}}
	given := func(e syntax.TestEvent) bool { return e.Stream == prog.AlertsStream }
	run, err := offline.New(b.set, offline.Options{Covered: true, Alerts: slices.ContainsFunc(t.Events, given)})
	if err != nil {
		return result, err
	}
	for i := range t.Events {
		if ctx.Err() != nil {
			return result, ctx.Err()
		}
		ev := run.NewEvent()
		if err := b.read(&t.Events[i], i, ev); err != nil {
			result.Error = fmt.Sprintf("line %d: %v", t.Events[i].Pos.Line, err)
			result.Diff = result.Error
			return result, nil
		}
		if err := run.Step(ev); err != nil {
			return result, err
		}
		if len(run.Alerts) > alertsMax {
			result.Error = fmt.Sprintf("more than %d alerts", alertsMax)
			result.Diff = result.Error
			return result, nil
		}
	}
	if err := run.Close(); err != nil {
		return result, err
	}
	result.Got = raised(run.Alerts, b.rule)
	result.Diff = diff(result.Want, result.Got)
	result.Passed = result.Diff == ""
	return result, nil
}

// timeMember is the member that holds a test event's time. No field can have
// its name.
const timeMember = "+"

// read makes the event of a test's line, through the stream's own decoder so
// that values are read as they would be from the stream.
func (b *bench) read(line *syntax.TestEvent, number int, ev *event.Event) error {
	decoder := b.decoders[line.Stream]
	if decoder == nil {
		return fmt.Errorf("unknown stream %s", line.Stream)
	}
	st := b.set.Stream(line.Stream)
	record := map[string]any{timeMember: epochIn(st.Doc.TimeUnit)}
	for name, value := range line.Fields {
		if st.Schema.Index(name) < 0 && !st.Schema.Drops(name) {
			return fmt.Errorf("stream %s has no field %s", line.Stream, name)
		}
		record[name] = value
	}
	text, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encoding the event: %w", err)
	}
	if err := decoder.Decode(text, ev); err != nil {
		return err
	}
	ev.Time = epoch.Add(line.At).UnixMicro()
	ev.ID = "e" + strconv.Itoa(number+1)
	return nil
}

// epochIn writes the epoch in a stream's time unit.
func epochIn(unit string) any {
	switch unit {
	case "s":
		return epoch.Unix()
	case "us":
		return epoch.UnixMicro()
	case "ns":
		return epoch.UnixNano()
	case "rfc3339":
		return epoch.Format(time.RFC3339)
	}
	return epoch.UnixMilli()
}

// raised lists the version-1 alerts of a rule in the order of `match`.
func raised(alerts []alert.Alert, rule string) []Alert {
	offline.Sort(alerts)
	got := []Alert{}
	for i := range alerts {
		if a := &alerts[i]; a.Version == 1 && a.Rule == rule {
			got = append(got, Alert{At: offset(time.UnixMicro(a.At).Sub(epoch)), Key: keyOf(a), Summary: a.Summary})
		}
	}
	return got
}
