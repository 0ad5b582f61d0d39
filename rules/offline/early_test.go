package offline_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
	"github.com/caltrop/caltrop/sinks/alert"
)

const earlyWindow = `apiVersion: caltrop/v1
kind: Stream
name: e
source: {topic: e}
time: {field: ts, unit: s}
partition_key: k
lateness: 30s
fields: {k: string, v: int, s: string}
---
apiVersion: caltrop/v1
kind: Rule
name: long
key: k
window: {stream: e, rolling: %s}
values: {n: count(), low: min(v), high: max(s), middle: 'percentile(v, 0.5)', shops: distinct(s), total: sum(v)}
having: 'n > 5 && %s'
alert: {measures: {n: n, low: low, high: high, middle: middle, shops: shops, total: total}}
limits: {replay: 1000000, evidence: 3, window_events: %d}
timing: %s
`

// A long early window says at every moment what a final one says of the events
// so far, though its pages are shared with the state of the watermark.
func TestLongEarlyWindowsSayWhatFinalOnesDo(t *testing.T) {
	raised, corrected := 0, 0
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 7))
		window := []string{"20m", "4m", "1h"}[rng.IntN(3)]
		having := []string{"middle > 50", "total / n > 50", "shops % 2 == 0", "high > \"s6\" && low < 10"}[rng.IntN(4)]
		limit := []int{4096, 150}[rng.IntN(2)]
		lines := longEvents(rng, 1200)
		early := start(t, fmt.Sprintf(earlyWindow, window, having, limit, "early"))
		for i, line := range lines {
			step(t, early, line)
			if rng.IntN(150) > 0 && i+1 < len(lines) {
				continue
			}
			final := start(t, fmt.Sprintf(earlyWindow, window, having, limit, "final"))
			for _, line := range lines[:i+1] {
				step(t, final, line)
			}
			if err := final.run.Close(); err != nil {
				t.Fatal(err)
			}
			got, want := standing(early.run.Alerts), standing(final.run.Alerts)
			if got != want {
				t.Fatalf("seed %d, rolling %s, having %s, after %d events\ngot\n%s\nwant\n%s", seed, window, having, i+1, got, want)
			}
			raised += strings.Count(want, "\n")
		}
		corrected += len(early.run.Alerts)
	}
	if raised < 500 {
		t.Errorf("only %d alerts were compared", raised)
	}
	t.Logf("%d alerts compared, %d versions", raised, corrected)
}

// longEvents are events of two keys, up to 30 s out of order, with pauses in
// which windows empty.
func longEvents(rng *rand.Rand, n int) []string {
	type stamped struct {
		at   int
		line string
	}
	at := 1_700_000_000
	var all []stamped
	for range n {
		at += rng.IntN(3)
		if rng.IntN(400) == 0 {
			at += 3600
		}
		line := fmt.Sprintf(`{"stream":"e","ts":%d,"k":"k%d","v":%d,"s":"s%d"}`, at, rng.IntN(2), rng.IntN(100), rng.IntN(1+rng.IntN(90)))
		all = append(all, stamped{at + rng.IntN(1+rng.IntN(29)), line})
	}
	slices.SortStableFunc(all, func(a, b stamped) int { return a.at - b.at })
	lines := make([]string, n)
	for i := range all {
		lines[i] = all[i].line
	}
	return lines
}

type reading struct {
	run     *offline.Run
	decoder *event.LineDecoder
}

func start(t *testing.T, text string) *reading {
	t.Helper()
	set, problems := rules.Check(nil, rules.Source{Name: "test", Text: []byte(text)})
	for _, p := range problems {
		if !p.Warning {
			t.Fatal(p)
		}
	}
	run, err := offline.New(set, offline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &reading{run, event.NewLineDecoder([]event.Decl{set.Streams[0].Decl()})}
}

func step(t *testing.T, r *reading, line string) {
	t.Helper()
	ev := r.run.NewEvent()
	if err := r.decoder.Decode([]byte(line), ev); err != nil {
		t.Fatal(err)
	}
	if err := r.run.Step(ev); err != nil {
		t.Fatal(err)
	}
}

// standing are the alerts that their last version does not retract, a line
// each.
func standing(all []alert.Alert) string {
	last := map[alert.ID]*alert.Alert{}
	for i := range all {
		last[all[i].ID] = &all[i]
	}
	var lines []string
	for _, a := range last {
		if a.Status != alert.Retracted {
			lines = append(lines, fmt.Sprintf("%v %d %v %v %v\n", a.Key, a.At, a.Measures, a.Truncated, evidenceOf(a)))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func evidenceOf(a *alert.Alert) string {
	var b strings.Builder
	for _, ev := range a.Evidence[0].Events {
		fmt.Fprintf(&b, " %d/%d", ev.Time, ev.Offset)
	}
	return b.String()
}
