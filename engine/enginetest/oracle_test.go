package enginetest

import (
	"bytes"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/sinks/alert"
)

var oracleSeeds = flag.Int("oracle.seeds", 40, "seeds of TestTaskAgreesWithOracle")

// TestTaskAgreesWithOracle runs each rule of the scripts over disorder, late
// and repeated events of two streams, and compares what the task sends with
// the naive oracle's answer over the accepted events. The rules are final:
// TestEarly is about the others.
func TestTaskAgreesWithOracle(t *testing.T) {
	t.Parallel()
	lib, err := NewLibrary(streamsText + historyText)
	if err != nil {
		t.Fatal(err)
	}
	texts, names := streamRules()
	for rev := 1; rev <= revisions; rev++ {
		for _, text := range texts {
			if err := lib.Add(rev, fmt.Sprintf(text+"timing: final\n", rev+1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	compared, byRule := 0, map[string]int{}
	for seed := range uint64(*oracleSeeds) {
		script := NewScript(50_000+seed, 120, lib)
		lines, records := plainRecords(script)
		for i, text := range texts {
			rev := 1 + int(seed)%revisions
			want := oracleAlerts(t, fmt.Sprintf(text, rev+1), lines)
			got := taskAlerts(t, lib, task.Ref{Name: names[i], Revision: rev}, records)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, rule %s/%d\n got %s\nwant %s", script.Seed, names[i], rev,
					strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
			compared += len(want)
			byRule[names[i]] += len(want)
		}
	}
	if compared < 25**oracleSeeds {
		t.Errorf("only %d alerts were compared", compared)
	}
	for _, name := range names {
		if byRule[name] == 0 {
			t.Errorf("no alert of %s was compared", name)
		}
	}
	t.Logf("%d alerts agree: %v", compared, byRule)
}

// plainRecords are the sound records of a script with no now, as records of a
// task and as lines that name their stream.
func plainRecords(s *Script) (lines [][]byte, records []task.Record) {
	var offsets [2]int64
	for _, r := range s.Records {
		if !bytes.Contains(r.Value, []byte(`"ts":17952`)) || !bytes.Contains(r.Value, []byte(`"card":"`)) {
			continue
		}
		records = append(records, task.Record{Offset: int64(len(records)), Source: r.Source, SourceOffset: offsets[r.Source], Value: r.Value})
		offsets[r.Source]++
		lines = append(lines, append([]byte(`{"stream":"`+s.Sources[r.Source].Stream+`",`), r.Value[1:]...))
	}
	return lines, records
}

func oracleAlerts(t *testing.T, rule string, lines [][]byte) []string {
	t.Helper()
	var sent []string
	for _, a := range judged(t, streamsText+historyText+"---"+rule, lines) {
		line := fmt.Sprintf("%d %s", a.At, a.Key[0].Str())
		for _, s := range a.Evidence {
			line += describe(s.Step, s.Events)
		}
		for _, m := range a.Measures {
			line += fmt.Sprintf(" %s=%s", m.Name, m.Value.AppendText(nil))
		}
		sent = append(sent, line)
	}
	slices.Sort(sent)
	return sent
}

// judged are the oracle's alerts of the one rule of the documents, without
// those that its suppression holds back.
func judged(t *testing.T, documents string, lines [][]byte) []ceptest.Alert {
	t.Helper()
	return judgedAt(t, documents, lines, nil)
}

// judgedAt is judged over lines that stood at these places of their sources; nil:
// one behind the other.
func judgedAt(t *testing.T, documents string, lines [][]byte, places []Place) []ceptest.Alert {
	t.Helper()
	setting, err := ceptest.Parse(documents)
	if err != nil {
		t.Fatal(err)
	}
	oracle, err := setting.Oracle()
	if err != nil {
		t.Fatal(err)
	}
	events, err := setting.Accept(lines)
	if err != nil {
		t.Fatal(err)
	}
	byStream := map[string][]Place{}
	for _, at := range places {
		byStream[at.Stream] = append(byStream[at.Stream], at)
	}
	for _, ev := range events {
		if of := byStream[ev.Schema.Stream]; of != nil {
			at := of[ev.Offset]
			ev.Partition, ev.Offset = at.Partition, at.Offset
		}
	}
	found := oracle.Alerts(events, oracle.Covered(events))
	until := map[string]int64{}
	return slices.DeleteFunc(found, func(a ceptest.Alert) bool {
		key := a.Key[0].Str()
		if end, ok := until[key]; ok && a.At < end {
			return true
		}
		if d := setting.Rule.Alert.Suppress; d > 0 {
			until[key] = a.At + d.Microseconds()
		}
		return false
	})
}

func describe(step string, events []*event.Event) string {
	line := " " + step
	for _, ev := range events {
		line += " " + ev.ID
	}
	return line
}

func taskAlerts(t *testing.T, lib *Library, ref task.Ref, records []task.Record) []string {
	t.Helper()
	tk := task.New(task.Config{Resolver: lib, State: state.NewMemory(), Sources: []task.Source{{Stream: "payment"}, {Stream: "challenge"}}})
	var sent []string
	var eff task.Effects
	note := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for i := range eff.Alerts {
			if a := &eff.Alerts[i]; a.Status == alert.Raised {
				line := fmt.Sprintf("%d %s", a.At, a.KeyText())
				for _, s := range a.Evidence {
					line += describe(s.Name, s.Events)
				}
				for _, m := range a.Measures {
					line += fmt.Sprintf(" %s=%s", m.Name, m.Value.AppendText(nil))
				}
				sent = append(sent, line)
			}
		}
		eff.Reset()
	}
	note(tk.Apply(task.Entry{Kind: task.Switch, Set: lib.Set(ref)}, &eff))
	for i := range records {
		r := records[i]
		note(tk.Step(&r, &eff))
	}
	note(tk.Close(&eff))
	slices.Sort(sent)
	return sent
}
