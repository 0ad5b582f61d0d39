package fraudgen

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/partitioner"
)

// catalogueRun plays all scenarios of the catalogue.
func catalogueRun(t testing.TB, seed uint64) (lines []string, incidents []*Incident) {
	t.Helper()
	return run(t, Options{Seed: seed, Count: 60_000, Rate: 20, Incidents: 0.01, Scenarios: Catalogue(), Disorder: time.Second})
}

func TestCatalogueHasThirtyTwoScenarios(t *testing.T) {
	names := Catalogue()
	if slices.Sort(names); len(slices.Compact(names)) != 32 {
		t.Errorf("%d scenarios: %q", len(names), names)
	}
}

func TestEveryScenarioOfTheCatalogueIsLabelled(t *testing.T) {
	lines, incidents := catalogueRun(t, 10)
	byID, streams := map[string]line{}, map[string]int{}
	for _, e := range parse(t, lines) {
		byID[e.ID] = e
		streams[e.Stream]++
	}
	count := map[string]int{}
	for _, i := range incidents {
		count[i.Scenario]++
		first, last := byID[i.Events[0]], byID[i.Events[len(i.Events)-1]]
		if !slices.Contains(i.Events, i.Decisive) || i.First != first.TS || i.Last != last.TS || i.AtRisk <= 0 || i.Key == "" {
			t.Errorf("%s: label %+v does not fit its events", i.ID, i)
		}
	}
	for _, name := range Catalogue() {
		if count[name] < 5 {
			t.Errorf("%d incidents of %s, want at least 5", count[name], name)
		}
	}
	if all := AllStreams(); len(streams) != len(all) {
		t.Errorf("events in %q, want some in %q", slices.Sorted(maps.Keys(streams)), all)
	}
	if len(lines) != 60_000 {
		t.Errorf("%d records", len(lines))
	}
}

func TestTheCatalogueIsDeterministic(t *testing.T) {
	one, _ := catalogueRun(t, 12)
	two, _ := catalogueRun(t, 12)
	if !slices.Equal(one, two) {
		t.Error("seed 12 gave two runs")
	}
}

// TestInnocentScenesHaveNoLabel: what only looks like fraud adds no incident.
func TestInnocentScenesHaveNoLabel(t *testing.T) {
	for _, s := range catalogue() {
		g, err := New(Options{Seed: 1, Scenarios: []string{s.name}})
		if err != nil {
			t.Fatal(err)
		}
		for _, act := range s.innocent {
			act(g, 0)
		}
		if g.labelled != 0 || g.drafted == 0 || g.drafted > g.roomy {
			t.Errorf("%s: %d labels, %d events", s.name, g.labelled, g.drafted)
		}
		if s.guilty(g, 0); g.labelled != 1 || g.drafted > 2*g.roomy {
			t.Errorf("%s: %d labels, %d events", s.name, g.labelled, g.drafted)
		}
	}
}

func TestClosingRecordsOfAllStreams(t *testing.T) {
	g, err := New(Options{Seed: 9, Count: 100, Scenarios: Catalogue()})
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range g.Streams() {
		r := g.Closing(stream, 1, 2, time.Hour)
		var fields map[string]any
		if err := json.Unmarshal(r.Value, &fields); err != nil || r.Stream != stream || partitioner.Murmur2([]byte(r.Key), 2) != 1 {
			t.Errorf("closing %s: %+v, %s: %v", stream, r, r.Value, err)
		}
		if k := shapes[slices.Index(AllStreams(), stream)].keyField; fields[k] != r.Key {
			t.Errorf("closing %s: %s is %v, want %s", stream, k, fields[k], r.Key)
		}
	}
}

func BenchmarkGenerateCatalogue(b *testing.B) {
	g, err := New(Options{Seed: 1, Count: Endless, Disorder: time.Second, Scenarios: Catalogue()})
	if err != nil {
		b.Fatal(err)
	}
	var rec Record
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		g.Next(&rec)
		buf = rec.AppendLine(buf[:0])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
