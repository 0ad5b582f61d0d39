package offline_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
	"github.com/caltrop/caltrop/sinks/view"
)

var viewSets = flag.Int("offline.views", 60, "how many random sets of views TestViewsEqualTheOracle compares")

// TestViewsEqualTheOracle runs random views over disordered and repeated
// events of two keys through the task that `match` and the engine share. Every
// update of each view equals what the oracle makes of it; versions of a key
// only grow.
func TestViewsEqualTheOracle(t *testing.T) {
	cases, updates := 0, 0
	for seed := range uint64(*viewSets) {
		rng := rand.New(rand.NewPCG(*seedFlag, 1_000_000+seed))
		settings, set := randomViews(t, rng)
		for range filesPerSet {
			lines := randomLines(rng, settings)
			got := updatesOf(t, finished(t, set, lines))
			for name, s := range settings {
				want := judgedView(t, s, lines)
				cases, updates = cases+1, updates+len(want)
				if g := got[name]; !slices.Equal(g, want) {
					t.Fatalf("seed %d, set %d: %s\n%s\nevents\n%s\n\ngot\n%s\nwant\n%s", *seedFlag, seed, name, s.Text[strings.LastIndex(s.Text, "---"):],
						strings.Join(lines, "\n"), strings.Join(g, "\n"), strings.Join(want, "\n"))
				}
			}
		}
	}
	if updates < 5*cases {
		t.Errorf("only %d updates in %d cases", updates, cases)
	}
	t.Logf("seed %d: %d cases, %d updates", *seedFlag, cases, updates)
}

func randomViews(t *testing.T, rng *rand.Rand) (map[string]*ceptest.Setting, *rules.Set) {
	return accepted(t, "View", func() string { return "key: k\n" + ceptest.RandomView(rng) })
}

func judgedView(t *testing.T, s *ceptest.Setting, lines []string) []string {
	oracle, err := s.ViewOracle()
	if err != nil {
		t.Fatal(err)
	}
	raw := make([][]byte, len(lines))
	for i, line := range lines {
		raw[i] = []byte(line)
	}
	events, err := s.Accept(raw)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, u := range oracle.Updates(events) {
		line := fmt.Sprintf("%s %d %s %d %d %d %d", u.Key[0].Str(), u.At, u.Status, u.Start, u.Last, u.End, u.Events)
		for _, v := range u.Values {
			line += fmt.Sprintf(" %s=%s", v.Name, v.Value.AppendText(nil))
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// finished is a run over lines, to the end of event time.
func finished(t *testing.T, set *rules.Set, lines []string) *offline.Run {
	t.Helper()
	run, err := offline.New(set, offline.Options{Views: true})
	if err != nil {
		t.Fatal(err)
	}
	in := offline.NewLines(run, set, strings.NewReader(strings.Join(lines, "\n")))
	for err == nil {
		err = in.Next()
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if err := run.Close(); err != nil {
		t.Fatal(err)
	}
	return run
}

func updatesOf(t *testing.T, run *offline.Run) map[string][]string {
	t.Helper()
	got, versions := map[string][]string{}, map[string]int64{}
	for i := range run.Updates {
		u := &run.Updates[i]
		line := fmt.Sprintf("%s %d %s %d %d %d %d", u.Key[0].Str(), u.At, u.Status, u.Start, u.Last, u.End, u.Events)
		for _, v := range u.Values {
			line += fmt.Sprintf(" %s=%s", v.Name, v.Value.AppendText(nil))
		}
		got[u.View] = append(got[u.View], line)
		if at := string(u.RecordKey()); u.Version <= versions[at] {
			t.Fatalf("%s: version %d after %d", at, u.Version, versions[at])
		} else {
			versions[at] = u.Version
		}
	}
	for _, g := range got {
		slices.Sort(g)
	}
	gone(t, run.Updates)
	return got
}

// gone checks that the last word on every key is that it has nothing more to
// say.
func gone(t *testing.T, updates []view.Update) {
	t.Helper()
	last := map[string]bool{}
	for i := range updates {
		last[string(updates[i].RecordKey())] = updates[i].Gone
	}
	for key, ended := range last {
		if !ended {
			for i := range updates {
				if string(updates[i].RecordKey()) == key {
					t.Logf("%s", updates[i].AppendJSON(nil))
				}
			}
			t.Fatalf("%s goes on for ever", key)
		}
	}
}
