package enginetest

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/sinks/alert"
)

var (
	sameSeeds = flag.Int("same.seeds", 30, "seeds of TestOrderAndPartitionsDoNotMatter")
	sameFirst = flag.Uint64("same.first", 0, "the first of them")
)

// An arriving event is one of a stream by its source: 0 payment, 1 challenge.
type arriving struct {
	source int
	card   int
	at, ts int64 // ms
	value  []byte
}

// TestOrderAndPartitionsDoNotMatter runs all rules over the same events in
// order, shuffled within the lateness, and spread over eight partitions of each
// stream by key: the alerts are the same.
func TestOrderAndPartitionsDoNotMatter(t *testing.T) {
	t.Parallel()
	lib, err := NewLibrary(streamsText + historyText)
	if err != nil {
		t.Fatal(err)
	}
	texts, names := streamRules()
	var refs []task.Ref
	for i, text := range texts {
		if err := lib.Add(1, fmt.Sprintf(text+"timing: final\n", 2+i%2)); err != nil {
			t.Fatal(err)
		}
		if names[i] != "shop-load" { // salts go by the offset in the partition, and its key is not the partitions'
			refs = append(refs, task.Ref{Name: names[i], Revision: 1})
		}
	}
	alerts := 0
	for seed := range uint64(*sameSeeds) {
		rng := rand.New(rand.NewPCG(*sameFirst+seed, 23))
		events := arrivals(rng)
		want := playArrivals(t, lib, refs, events, 1)
		for i := 1; i < len(events); i++ { // the first stays: from it on the state covers time
			events[i].at = events[i].ts + int64(rng.IntN(2900))
		}
		slices.SortFunc(events, func(a, b arriving) int { return cmp.Compare(a.at, b.at) })
		for _, partitions := range []int{1, 8} {
			if got := playArrivals(t, lib, refs, events, partitions); !slices.Equal(got, want) {
				t.Fatalf("seed %d, %d partitions, shuffled\n got %s\nwant %s", *sameFirst+seed, partitions, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
		}
		alerts += len(want)
	}
	if alerts < 20**sameSeeds {
		t.Errorf("only %d alerts", alerts)
	}
	t.Logf("seeds %d to %d: %d alerts, three times each", *sameFirst, *sameFirst+uint64(*sameSeeds)-1, alerts)
}

// arrivals makes events of different times, in order.
func arrivals(rng *rand.Rand) []arriving {
	g := &generator{rand: rng, now: scriptStart}
	var events []arriving
	for i := range 150 {
		g.now += 1 + int64(rng.IntN(1200))
		e := arriving{source: min(i, rng.IntN(4)/3), card: rng.IntN(6), at: g.now, ts: g.now}
		if e.source == 0 {
			e.value = fmt.Appendf(nil, `{"event_id":"e%d","card":"c%d","ts":%d,"amount":%g,"status":%q,"shop":"s%d"}`,
				i, e.card, e.ts, pick(g, 1.5, 2.25, 4, 30, 120, 350, 500, 900), pick(g, "approved", "declined"), rng.IntN(4))
		} else {
			e.value = fmt.Appendf(nil, `{"card":"c%d","ts":%d,"result":%q}`, e.card, e.ts, pick(g, "passed", "failed"))
		}
		events = append(events, e)
	}
	return events
}

// playArrivals returns what is raised, by rule, key and time, with the times of
// the evidence: ids of challenges name their partition.
func playArrivals(t *testing.T, lib *Library, refs []task.Ref, events []arriving, partitions int) []string {
	t.Helper()
	var sources []task.Source
	for _, stream := range []string{"payment", "challenge"} {
		for p := range partitions {
			sources = append(sources, task.Source{Stream: stream, Partition: int32(p)})
		}
	}
	tk := task.New(task.Config{Resolver: lib, State: state.NewMemory(), Sources: sources})
	var sent []string
	var eff task.Effects
	note := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for i := range eff.Alerts {
			if a := &eff.Alerts[i]; a.Status == alert.Raised {
				sent = append(sent, inTimes(a))
			}
		}
		eff.Reset()
	}
	note(tk.Apply(task.Entry{Kind: task.Switch, Set: lib.Set(refs...)}, &eff))
	offsets := make([]int64, len(sources))
	for i, e := range events {
		source := e.source*partitions + e.card%partitions
		note(tk.Step(&task.Record{Offset: int64(i), Source: source, SourceOffset: offsets[source], Value: e.value}, &eff))
		offsets[source]++
	}
	note(tk.Close(&eff))
	slices.Sort(sent)
	return sent
}

func inTimes(a *alert.Alert) string {
	line := fmt.Sprintf("%s %s %d v%d suppressed %d %q", a.Rule, a.KeyText(), a.At, a.Version, a.Suppressed, a.Summary)
	for _, s := range a.Evidence {
		line += " " + s.Name
		for _, ev := range s.Events {
			line += fmt.Sprintf(" %d", ev.Time)
		}
	}
	for _, m := range a.Measures {
		line += fmt.Sprintf(" %s=%s", m.Name, m.Value.AppendText(nil))
	}
	return line
}
