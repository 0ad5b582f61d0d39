package fraudgen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/partitioner"
)

// run returns all records as lines, and the incidents.
func run(t testing.TB, o Options) (lines []string, incidents []*Incident) {
	t.Helper()
	o.Incident = func(i *Incident) { incidents = append(incidents, i) }
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	var rec Record
	var arrival int64
	for g.Next(&rec) {
		if rec.Arrival < arrival || rec.Arrival < rec.Time {
			t.Fatalf("%s arrives at %d, after one that arrived at %d", rec.ID, rec.Arrival, arrival)
		}
		arrival = rec.Arrival
		lines = append(lines, string(rec.AppendLine(nil)))
	}
	return lines, incidents
}

type line struct {
	Stream string  `json:"stream"`
	ID     string  `json:"event_id"`
	TS     int64   `json:"ts"`
	Card   string  `json:"card_id"`
	User   string  `json:"user_id"`
	Order  string  `json:"order_id"`
	Amount float64 `json:"amount"`
	Status string  `json:"status"`
	Shop   string  `json:"merchant_id"`
	Lat    float64 `json:"lat"`
	Lon    float64 `json:"lon"`
}

func parse(t testing.TB, lines []string) []line {
	t.Helper()
	events := make([]line, len(lines))
	for i, s := range lines {
		if err := json.Unmarshal([]byte(s), &events[i]); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return events
}

func TestEqualOptionsGiveEqualBytes(t *testing.T) {
	digest := func(seed uint64) uint64 {
		h := fnv.New64a()
		lines, incidents := run(t, Options{Seed: seed, Count: 20_000, Disorder: 5 * time.Second, Duplicates: 0.01, Late: 0.01})
		for _, s := range lines {
			h.Write([]byte(s))
		}
		if err := json.NewEncoder(h).Encode(incidents); err != nil {
			t.Fatal(err)
		}
		return h.Sum64()
	}
	if one, two := digest(1), digest(1); one != two {
		t.Errorf("seed 1 gave %x and %x", one, two)
	}
	if digest(1) == digest(2) {
		t.Error("seeds 1 and 2 gave the same")
	}
}

func TestCountIsExact(t *testing.T) {
	for _, n := range []int{1, 7, 1000, 20_000} {
		for _, incidents := range []float64{NoIncidents, 0.02} {
			if lines, _ := run(t, Options{Seed: 3, Count: n, Incidents: incidents}); len(lines) != n {
				t.Errorf("count %d, incidents %v: %d records", n, incidents, len(lines))
			}
		}
	}
}

func TestDisorderStaysBelowItsBound(t *testing.T) {
	lines, _ := run(t, Options{Seed: 4, Count: 20_000, Disorder: 2 * time.Second})
	var newest, worst int64
	for _, e := range parse(t, lines) {
		newest = max(newest, e.TS)
		worst = max(worst, newest-e.TS)
	}
	if worst == 0 || worst >= 2000 {
		t.Errorf("an event came %d ms out of order, want some and less than 2000", worst)
	}
}

func TestDuplicatesAndLateEvents(t *testing.T) {
	lines, _ := run(t, Options{Seed: 5, Count: 20_000, Disorder: time.Second, Duplicates: 0.05, Late: 0.02})
	seen := map[string]bool{}
	var newest int64
	repeated, late := 0, 0
	for _, e := range parse(t, lines) {
		if seen[e.ID] {
			repeated++
		}
		seen[e.ID] = true
		if newest = max(newest, e.TS); newest-e.TS > 60_000 {
			late++
		}
	}
	if len(seen) != 20_000 || repeated < 800 || repeated > 1200 {
		t.Errorf("%d ids, %d repeated, want 20000 and about 1000", len(seen), repeated)
	}
	// In 20 s of events the latest come after all others and are not told
	// apart by their time alone.
	if late > 500 {
		t.Errorf("%d late events, want at most about 400", late)
	}
}

func TestIncidentsHappenAsLabelled(t *testing.T) {
	lines, incidents := run(t, Options{Seed: 6, Count: 200_000, Rate: 50, Disorder: time.Second})
	byID := map[string]line{}
	for _, e := range parse(t, lines) {
		byID[e.ID] = e
	}
	scenarios := map[string]int{}
	for _, i := range incidents {
		scenarios[i.Scenario]++
		events := make([]line, len(i.Events))
		for k, id := range i.Events {
			events[k] = byID[id]
		}
		if !slices.Contains(i.Events, i.Decisive) || i.First != events[0].TS || i.Last != events[len(events)-1].TS || i.AtRisk <= 0 {
			t.Errorf("%s: label %+v does not fit its events", i.ID, i)
		}
		if problem := judge(i, events); problem != "" {
			t.Errorf("%s (%s): %s: %+v", i.ID, i.Scenario, problem, events)
		}
	}
	for _, s := range []string{CardTesting, FailedPayments, ImpossibleTravel, Velocity, UndeliveredOrder} {
		if scenarios[s] < 20 {
			t.Errorf("%d incidents of %s, want at least 20", scenarios[s], s)
		}
	}
}

// judge says how an incident misses its scenario.
func judge(i *Incident, events []line) string {
	span := time.Duration(i.Last-i.First) * time.Millisecond
	last := events[len(events)-1]
	shops := map[string]bool{}
	for _, e := range events {
		shops[e.Shop] = true
	}
	switch i.Scenario {
	case CardTesting:
		if span >= time.Hour || len(shops) < 2 || last.Amount <= 500 || last.Status != "approved" || len(events) < 4 {
			return "no card testing"
		}
	case FailedPayments:
		if span >= 5*time.Minute || len(events) < 3 || slices.ContainsFunc(events, func(e line) bool { return e.Status != "declined" }) {
			return "no failed payments"
		}
	case ImpossibleTravel:
		a := city{lat: events[0].Lat, lon: events[0].Lon}
		if d := km(a, city{lat: last.Lat, lon: last.Lon}); d <= 900*span.Hours() {
			return "possible travel"
		}
	case Velocity:
		if span >= 5*time.Minute || len(events) < 10 || len(shops) < 3 {
			return "no velocity"
		}
	case UndeliveredOrder:
		if last.Status != "paid" || events[0].Order != i.Key {
			return "not paid"
		}
	}
	return ""
}

// Whoever is played again lives where they lived, and nothing of before happens
// again.
func TestPeopleLiveOn(t *testing.T) {
	homes, ids := map[string]string{}, map[string]bool{}
	for _, after := range []uint64{0, 5_000_000} {
		lines, _ := run(t, Options{Seed: 7, After: after, Count: 5_000, Cards: 100, Incidents: NoIncidents})
		for _, e := range parse(t, lines) {
			if ids[e.ID] {
				t.Fatalf("event %s came before", e.ID)
			}
			ids[e.ID] = true
			if e.Stream != Login {
				continue
			}
			home := fmt.Sprint(e.Lat, e.Lon)
			if was := homes[e.User]; was != "" && was != home {
				t.Fatalf("%s moved from %s to %s", e.User, was, home)
			}
			homes[e.User] = home
		}
	}
}

func TestZipfIsSkewed(t *testing.T) {
	lines, _ := run(t, Options{Seed: 7, Count: 50_000, Cards: 10_000, Skew: 1.1, Incidents: NoIncidents})
	count := map[string]int{}
	for _, e := range parse(t, lines) {
		if e.Stream == Payment {
			count[e.Card]++
		}
	}
	counts := slices.Sorted(maps.Values(count))
	if top := counts[len(counts)-1]; top < 1000 || len(counts) < 1000 {
		t.Errorf("busiest of %d cards has %d payments", len(counts), top)
	}
	even, _ := run(t, Options{Seed: 7, Count: 50_000, Cards: 10_000, Skew: EvenSkew, Incidents: NoIncidents})
	clear(count)
	for _, e := range parse(t, even) {
		count[e.Card]++
	}
	delete(count, "")
	if counts = slices.Sorted(maps.Values(count)); counts[len(counts)-1] > 30 {
		t.Errorf("without skew a card has %d payments", counts[len(counts)-1])
	}
}

func TestPaymentsTakeAbout200Bytes(t *testing.T) {
	lines, _ := run(t, Options{Seed: 8, Count: 5_000})
	total, n := 0, 0
	for _, s := range lines {
		if strings.Contains(s, `"stream":"payment"`) {
			total, n = total+len(s), n+1
		}
	}
	if mean := total / n; mean < 180 || mean > 230 {
		t.Errorf("a payment takes %d bytes", mean)
	}
}

func TestClosingRecordsReachTheirPartitions(t *testing.T) {
	g, err := New(Options{Seed: 9, Count: 100})
	if err != nil {
		t.Fatal(err)
	}
	var rec Record
	for g.Next(&rec) {
	}
	for _, stream := range Streams() {
		for p := range int32(8) {
			r := g.Closing(stream, p, 8, DefaultClosingAfter)
			if r.Stream != stream || r.Partition != p || partitioner.Murmur2([]byte(r.Key), 8) != p || r.Time != g.Last()+DefaultClosingAfter.Milliseconds() || !json.Valid(r.Value) {
				t.Errorf("closing %s/%d: %+v", stream, p, r)
			}
			if !bytes.Contains(r.Value, []byte(r.Key)) {
				t.Errorf("closing %s/%d: %s lacks its key %s", stream, p, r.Value, r.Key)
			}
		}
	}
}

func TestBadOptionsAreNamedTogether(t *testing.T) {
	_, err := New(Options{Rate: -1, Cards: 1, Duplicates: 2, Incidents: 0.5})
	for _, word := range []string{"rate", "cards", "duplicates", "incidents"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error %v does not name %s", err, word)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	g, err := New(Options{Seed: 1, Count: Endless, Disorder: time.Second})
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
