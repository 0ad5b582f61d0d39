package window_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

func TestNamedWindowCases(t *testing.T) {
	cases, err := ceptest.NamedCases()
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for i := range cases {
		c := &cases[i]
		s := setting(t, c.Rule)
		if s.Rule.Window == nil {
			continue
		}
		ran++
		t.Run(c.ID, func(t *testing.T) {
			events, err := s.Accept(c.Lines)
			if err != nil {
				t.Fatal(err)
			}
			st := newStore()
			st.feed(t, compile(t, s), events)
			var got []ceptest.Outcome
			alerts := st.alerts()
			for k := range alerts {
				got = append(got, ceptest.OutcomeOf(&alerts[k]))
			}
			if diff := c.Differ(got); diff != "" {
				t.Errorf("%s\n%s", c.Rule, diff)
			}
		})
	}
	if ran < 38 {
		t.Errorf("%d cases are of windows, want 38", ran)
	}
}

const streams = `apiVersion: caltrop/v1
kind: Stream
name: e
source: {topic: e}
time: {field: ts, unit: ms}
partition_key: k
fields: {k: string, v: int, d: double, m: decimal(2), s: string, u: {type: int, optional: true}}
---
apiVersion: caltrop/v1
kind: Stream
name: f
source: {topic: f}
time: {field: ts, unit: ms}
partition_key: k
fields: {k: string, v: int, d: double, m: decimal(2), s: string, u: {type: int, optional: true}}
---
apiVersion: caltrop/v1
kind: Rule
name: case
key: k
`

func pick(rng *rand.Rand, of ...string) string { return of[rng.IntN(len(of))] }

// randomRule returns a window rule of one or two streams.
func randomRule(rng *rand.Rand) string {
	stream, p := "e", ""
	where := pick(rng, "", "", ", where: v > 1", ", where: u > 0")
	if rng.IntN(3) == 0 {
		stream, p = "[e, f]", pick(rng, "e.", "f.")
		where = pick(rng, "", "", ", where: {e: v > 1}", ", where: {e: u > 0, f: v < 4}")
	}
	kind := pick(rng, "rolling: 4s", "rolling: 7s", "rolling: 1s", "tumbling: 5s", "tumbling: 7s, offset: 3s", "sliding: 6s, every: 2s",
		"sliding: 4s, every: 4s", "sliding: 9s, every: 3s, offset: 1s", "session: 2s", "session: 3s")
	agg := func() string {
		f := p + pick(rng, "v", "d", "m", "u")
		return pick(rng, "sum("+f+")", "avg("+f+")", "min("+f+")", "max("+f+")", "stddev("+f+")", "distinct("+p+"s)", "distinct("+f+")",
			"first("+f+")", "last("+f+")", "count()", "count("+p+"v > 2)", "count("+p+"u == 1)", "percentile("+f+", 0.5)")
	}
	having := pick(rng, "n >= 2", "n >= 3", "n >= 2 && double(a) > 1.0", "double(a) >= 2.0", "n > 0", "n >= 2 && count() < 5")
	limits := pick(rng, "", "", "", "limits: {window_events: 3}\n", "limits: {window_events: 1}\n")
	if !strings.HasPrefix(kind, "rolling") && !strings.HasPrefix(kind, "session") {
		limits += pick(rng, "", "", "hot_keys: {salts: 2}\n", "hot_keys: {salts: 5}\n")
	}
	return streams + fmt.Sprintf("window: {stream: %s%s, %s}\nvalues: {n: count(), a: '%s', b: '%s'}\nhaving: '%s'\nalert: {measures: {n: n, a: a, b: b}}\n%s",
		stream, where, kind, agg(), agg(), having, limits)
}

func randomEvents(rng *rand.Rand, s *ceptest.Setting, n int) []*event.Event {
	var events []*event.Event
	at := int64(ceptest.Epoch)
	for i := range n {
		at += int64([]int{0, 0, 1, 1, 1, 2, 3, 8}[rng.IntN(8)]) * 1_000_000
		schema := s.Schemas[pick(rng, "e", "e", "f")]
		ev := &event.Event{Schema: schema, Time: at, ID: fmt.Sprintf("e%d", i), Offset: int64(i), Values: make([]event.Value, len(schema.Fields))}
		ev.Values[0] = event.StringOf(pick(rng, "k1", "k1", "k2"))
		ev.Values[1] = event.IntOf(int64(rng.IntN(6)))
		ev.Values[2] = event.DoubleOf([]float64{0.1, 0.25, 0.7, 1 << 60, -3.75, -1e-9}[rng.IntN(6)])
		ev.Values[3] = event.DecimalOf(int64(rng.IntN(1000)), 2)
		ev.Values[4] = event.StringOf(pick(rng, "a", "b", "c"))
		if rng.IntN(2) == 0 {
			ev.Values[5] = event.IntOf(int64(rng.IntN(3)))
		}
		events = append(events, ev)
	}
	return events
}

var (
	randomRules      = flag.Int("window.rules", 400, "how many random rules TestRandomWindowsEqualTheOracle compares")
	sequencesPerRule = flag.Int("window.sequences", 10, "over how many sequences of events each")
	firstRule        = flag.Uint64("window.first", 0, "the seed of the first of them")
	longRules        = flag.Int("window.long", 40, "how many rules TestLongRollingWindowsEqualTheOracle compares")
)

const sequenceMax = 30

func TestRandomWindowsEqualTheOracle(t *testing.T) {
	alerts := 0
	for seed := *firstRule; seed < *firstRule+uint64(*randomRules); seed++ {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := setting(t, randomRule(rng))
		oracle, err := ceptest.New(s.Rule, s.Schemas)
		if err != nil {
			t.Fatalf("%s\n%v", s.Text, err)
		}
		rule := compile(t, s)
		for range *sequencesPerRule {
			events := randomEvents(rng, s, 1+rng.IntN(sequenceMax))
			st := newStore()
			st.feed(t, rule, events)
			want, got := format(oracle.Alerts(events, 0)), format(st.alerts())
			if got != want {
				t.Fatalf("seed %d:\n%s\nevents:\n%s\ngot\n%swant\n%s", seed, s.Text[len(streams):], list(events), got, want)
			}
			if len(st.states) != 0 || len(st.timers) != 0 {
				t.Fatalf("seed %d: %d states and %d timers are left when all windows are empty", seed, len(st.states), len(st.timers))
			}
			alerts += len(st.raised)
		}
	}
	cases := *randomRules * *sequencesPerRule
	if alerts < cases/4 {
		t.Errorf("only %d alerts in %d cases", alerts, cases)
	}
	t.Logf("%d cases raised %d alerts", cases, alerts)
}

// TestLongRollingWindowsEqualTheOracle compares windows whose events, evidence,
// distinct values and sorted numbers fill many pages.
func TestLongRollingWindowsEqualTheOracle(t *testing.T) {
	alerts := 0
	for seed := range uint64(*longRules) {
		rng := rand.New(rand.NewPCG(seed, 2))
		f := pick(rng, "v", "d", "m", "u")
		aggregates := []string{"sum(F)", "avg(F)", "min(F)", "max(F)", "stddev(F)", "distinct(F)", "first(F)", "last(F)", "count(v > 50)", "percentile(F, 0.5)", "percentile(F, 0.9)", "distinct(s)"}
		a, b := strings.ReplaceAll(pick(rng, aggregates...), "F", f), strings.ReplaceAll(pick(rng, aggregates...), "F", f)
		text := streams + fmt.Sprintf("window: {stream: e, rolling: %ds}\nvalues: {n: count(), a: '%s', b: '%s'}\nhaving: 'double(a) > double(b)'\nalert: {measures: {n: n, a: a, b: b}}\nlimits: {window_events: %d}\n",
			20+rng.IntN(800), a, b, []int{4096, 4096, 100, 37}[rng.IntN(4)])
		s := setting(t, text)
		oracle, err := ceptest.New(s.Rule, s.Schemas)
		if err != nil {
			t.Fatalf("%s\n%v", s.Text, err)
		}
		events := randomEvents(rng, s, 500)
		spread := 1 + rng.IntN(400)
		for i, ev := range events {
			ev.Values[1], ev.Values[4] = event.IntOf(int64(rng.IntN(spread))), event.StringOf(fmt.Sprint("s", rng.IntN(spread)))
			if rng.IntN(3) > 0 {
				ev.Values[2] = event.DoubleOf(float64(rng.IntN(spread)) / 10)
			}
			if spread%2 == 0 { // rising: every value stays a candidate for min
				ev.Values[3] = event.DecimalOf(int64(i), 2)
			}
		}
		want := format(oracle.Alerts(events, 0))
		st := newStore()
		st.feed(t, compile(t, s), events)
		if got := format(st.alerts()); got != want {
			t.Fatalf("seed %d:\n%s\ngot\n%swant\n%s", seed, s.Text[len(streams):], got, want)
		}
		if len(st.states) != 0 || len(st.pages) != 0 || len(st.timers) != 0 {
			t.Fatalf("seed %d: %d states and %d pages are left when the window is empty", seed, len(st.states), len(st.pages))
		}
		alerts += len(st.raised)
	}
	if alerts < *longRules {
		t.Errorf("only %d alerts in %d cases", alerts, *longRules)
	}
	t.Logf("%d rules raised %d alerts", *longRules, alerts)
}

func list(events []*event.Event) string {
	var b strings.Builder
	for _, ev := range events {
		fmt.Fprintf(&b, "%s\n", ev.AppendJSON(nil))
	}
	return b.String()
}

// burst returns n events of one key, a second apart.
func burst(s *ceptest.Setting, n int) []*event.Event {
	rng := rand.New(rand.NewPCG(1, 1))
	var events []*event.Event
	for i := range n {
		ev := randomEvents(rng, s, 1)[0]
		ev.Schema, ev.Time, ev.ID, ev.Offset = s.Schemas["e"], ceptest.Epoch+int64(i)*1_000_000, fmt.Sprintf("e%d", i), int64(i)
		ev.Values[0] = event.StringOf("k1")
		events = append(events, ev)
	}
	return events
}

func TestEvidenceIsTheLatestEvents(t *testing.T) {
	for _, kind := range []string{"rolling: 1h", "tumbling: 1h", "session: 1m"} {
		s := setting(t, streams+"window: {stream: e, "+kind+"}\nvalues: {n: count()}\nhaving: n >= 300\nalert: {measures: {n: n}}\n")
		st := newStore()
		st.feed(t, compile(t, s), burst(s, 300))
		if len(st.raised) != 1 {
			t.Fatalf("%s: %d alerts, want 1", kind, len(st.raised))
		}
		f := st.raised[0].found
		got := f.Evidence[0].Events
		if len(got) != 200 || got[0].ID != "e100" || got[199].ID != "e299" || !f.Truncated || f.Measures[0].Value != event.IntOf(300) {
			t.Errorf("%s: %d events from %s, truncated %v, n %v", kind, len(got), got[0].ID, f.Truncated, f.Measures[0].Value.Int())
		}
	}
}

func TestEvidenceStaysUnder64KB(t *testing.T) {
	s := setting(t, streams+"window: {stream: e, rolling: 1h}\nvalues: {n: count()}\nhaving: n >= 50\n")
	events := burst(s, 50)
	for _, ev := range events {
		ev.Values[4] = event.StringOf(strings.Repeat("x", 2000))
	}
	st := newStore()
	st.feed(t, compile(t, s), events)
	f := st.raised[0].found
	size := 0
	for _, ev := range f.Evidence[0].Events {
		size += len(ev.AppendJSON(nil))
	}
	last := f.Evidence[0].Events[len(f.Evidence[0].Events)-1]
	if size > 60<<10 || size < 50<<10 || !f.Truncated || last.ID != "e49" {
		t.Errorf("%d bytes of evidence up to %s, truncated %v", size, last.ID, f.Truncated)
	}
}

func TestRingIsCapped(t *testing.T) {
	s := setting(t, streams+"window: {stream: e, rolling: 10s}\nvalues: {n: count()}\nhaving: n >= 4\nlimits: {window_events: 4}\n")
	events := burst(s, 6)
	late := burst(s, 20)[16:]
	st := newStore()
	st.feed(t, compile(t, s), slices.Concat(events, late))
	var truncated []bool
	for _, r := range st.raised {
		truncated = append(truncated, r.found.Truncated)
	}
	// The first alert comes before any event left early; by the second, the
	// two that did would have left anyway.
	if !slices.Equal(truncated, []bool{false, false}) {
		t.Errorf("got %v", truncated)
	}
	s = setting(t, streams+"window: {stream: e, rolling: 10s}\nvalues: {n: count(), m: max(v)}\nhaving: n >= 4 && m > 9\nlimits: {window_events: 4}\n")
	events = burst(s, 6)
	events[5].Values[1] = event.IntOf(10)
	st = newStore()
	st.feed(t, compile(t, s), events)
	if len(st.raised) != 1 || !st.raised[0].found.Truncated {
		t.Errorf("got %+v, want one truncated alert", st.raised)
	}
}

func TestEqualEventsGiveEqualState(t *testing.T) {
	s := setting(t, randomRule(rand.New(rand.NewPCG(5, 1))))
	rule := compile(t, s)
	run := func() []raised {
		st := newStore()
		st.feed(t, rule, randomEvents(rand.New(rand.NewPCG(9, 9)), s, 200))
		return st.raised
	}
	one, two := run(), run()
	if len(one) == 0 || len(one) != len(two) {
		t.Errorf("%d and %d alerts", len(one), len(two))
	}
	for i := range one {
		if one[i].found.By == match.ByEvent && one[i].found.Event.ID != two[i].found.Event.ID {
			t.Errorf("alert %d differs", i)
		}
	}
}
