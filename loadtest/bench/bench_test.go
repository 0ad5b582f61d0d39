package bench_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/loadtest/bench"
	"github.com/caltrop/caltrop/rules"
)

// Every suite compiles, both lanes raise the same alerts, and the oracle
// raises them too.
func TestSuitesAgreeWithTheOracle(t *testing.T) {
	for _, s := range bench.Suites() {
		t.Run(s.Name, func(t *testing.T) {
			set, err := s.Load()
			if err != nil {
				t.Fatal(err)
			}
			if len(set.Rules) > 10 {
				t.Skip("too many rules for a test; `caltrop bench` judges them")
			}
			few := s.Traffic
			few.Keys, few.Events, few.Probes, few.Large = 2, min(s.Prefix, 300), 300, 100
			open := func() (bench.Source, error) { return few.Lines(), nil }
			parsed, err := bench.Judge(set, open, bench.Parsed, few.Events)
			if err != nil {
				t.Fatal(err)
			}
			read, err := bench.Judge(set, open, bench.Bytes, few.Events)
			if err != nil {
				t.Fatal(err)
			}
			if !parsed.Equal() || parsed.Engine != read.Engine {
				t.Errorf("parsed %+v, from bytes %+v, oracle %+v", parsed.Engine, read.Engine, parsed.Oracle)
			}
		})
	}
}

// A rolling window keeps a key's events in pages: each is a record, and none is a
// key.
func TestBytesAreByKeyAndNotByPage(t *testing.T) {
	const keys = 5
	for _, s := range bench.Suites() {
		if s.Name != "velocity/1k" {
			continue
		}
		set, err := s.Load()
		if err != nil {
			t.Fatal(err)
		}
		few := s.Traffic
		few.Keys, few.Events = keys, 5000
		run, err := bench.Measure(set, few.Lines(), bench.Parsed)
		if err != nil {
			t.Fatal(err)
		}
		if run.Keys != keys || run.Records < 2*keys {
			t.Errorf("%d keys and %d records, want %d keys and a page or more of each", run.Keys, run.Records, keys)
		}
		report, err := bench.Summarize([]*bench.Run{run})
		if err != nil {
			t.Fatal(err)
		}
		if report.BytesPerKey != float64(run.StateBytes)/keys {
			t.Errorf("%.0f bytes a key, want %d by %d", report.BytesPerKey, run.StateBytes, keys)
		}
		return
	}
	t.Fatal("there is no such suite")
}

func TestTrafficIsTheSameEachTime(t *testing.T) {
	traffic := bench.Traffic{Events: 100, Keys: 10, Probes: 100, Large: 10}
	var texts [2][]byte
	for i := range texts {
		in := traffic.Lines()
		for {
			line, more, err := in.Next(nil)
			if err != nil {
				t.Fatal(err)
			}
			if !more {
				break
			}
			texts[i] = append(texts[i], line...)
		}
	}
	if len(texts[0]) == 0 || !bytes.Equal(texts[0], texts[1]) {
		t.Errorf("%d and %d bytes, not the same", len(texts[0]), len(texts[1]))
	}
}

func TestFilePassesOverEmptyLines(t *testing.T) {
	in := bench.File(&rules.Set{}, strings.NewReader("\ufeff{\"a\":1}\r\n\n  \n{\"b\":2}"))
	var got []string
	for {
		line, more, err := in.Next(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		got = append(got, string(line))
	}
	if strings.Join(got, " ") != `{"a":1} {"b":2}` || in.Line() != 4 {
		t.Errorf("lines %q up to line %d", got, in.Line())
	}
}
