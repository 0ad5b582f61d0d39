package enginetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/sinks/alert"
)

// readerTexts are rules that say again what others say: two, two more, and the
// second of these readers.
var readerTexts = map[string]string{"echo-one": `rule in ["velocity", "never-answered"]`, "echo-two": `rule in ["failures", "straight"]`, "echo-echo": `rule == "echo-two"`}

const readerText = `apiVersion: caltrop/v1
kind: Rule
name: %s
key: key
within: 1s
pattern: a
steps: {a: {stream: alerts, where: '%s'}}
`

// readBy names the reader of a rule's alerts; "" where there is none.
func readBy(rule string) string {
	return map[string]string{"velocity": "echo-one", "never-answered": "echo-one", "failures": "echo-two", "straight": "echo-two", "echo-two": "echo-echo"}[rule]
}

// A wandering draws which revisions of rules are at work: they come, go for ever,
// are paused and are superseded, the readers too. A reader is at work where a rule
// that it reads is, as in a served task (rules.Set.PathOf).
type wandering struct {
	rand     *rand.Rand
	lib      *Library
	revision map[string]int
	is       map[string]bool
}

func (w *wandering) set() task.Set {
	set := w.lib.Set()
	add := func(name string, paused bool) {
		ref := task.Ref{Name: name, Revision: w.revision[name]}
		set.Rules = append(set.Rules, ref)
		if paused {
			set.Paused = append(set.Paused, ref)
		}
	}
	read := map[string]bool{}
	for _, name := range []string{"failures", "never-answered", "straight", "velocity"} {
		was := w.is[name]
		w.is[name] = w.rand.IntN(5) < 2
		if !w.is[name] {
			continue
		}
		if !was || w.rand.IntN(3) == 0 {
			w.revision[name]++
		}
		add(name, was && w.rand.IntN(3) == 0)
		read[readBy(name)] = true
	}
	for _, name := range []string{"echo-echo", "echo-one", "echo-two"} {
		if w.rand.IntN(4) == 0 || w.revision[name] == 0 {
			w.revision[name]++
		}
		if read[name] || name == "echo-echo" && read["echo-two"] {
			add(name, false)
		}
	}
	if len(read) == 0 {
		set.Streams = slices.DeleteFunc(set.Streams, func(r task.Ref) bool { return r.Name == prog.AlertsStream })
	}
	return set
}

// TestReadersMissNothing lets rules and their readers come and go while events are
// held, and crashes at random: each alert that a live rule has raised, of events
// held when it ended too, is one alert of its reader.
func TestReadersMissNothing(t *testing.T) {
	t.Parallel()
	for _, timing := range []string{"final", "as it comes"} {
		t.Run(timing, func(t *testing.T) {
			t.Parallel()
			const places = 8
			lib, _ := statesLibrary(t, timing, places)
			for rev := 1; rev <= places; rev++ {
				for name, where := range readerTexts {
					if err := lib.Add(rev, fmt.Sprintf(readerText, name, where)); err != nil {
						t.Fatal(err)
					}
				}
			}
			seeds, heard, crashes := 25, map[string]int{}, 0
			if testing.Short() {
				seeds = 10
			}
			for seed := range uint64(seeds) {
				crashes += testReaders(t, seed, lib, places, heard)
			}
			if heard["echo-one"] < 5*seeds || heard["echo-two"] < 5*seeds || heard["echo-echo"] < 5*seeds || crashes < seeds {
				t.Errorf("%v, %d crashes: the runs prove too little", heard, crashes)
			}
			t.Logf("%d seeds, %d crashes: %v", seeds, crashes, heard)
		})
	}
}

func testReaders(t *testing.T, seed uint64, lib *Library, places int, heard map[string]int) (crashes int) {
	t.Helper()
	s, r := lifeScript(seed, 250, lib, nil, 0), rand.New(rand.NewPCG(seed, 31))
	w := &wandering{rand: r, lib: lib, revision: map[string]int{}, is: map[string]bool{}}
	for i := range places {
		at := int64(0)
		if i > 0 {
			at = s.Records[(i-1)*len(s.Records)/places+r.IntN(len(s.Records)/places)].Offset + 1
		}
		s.Acts[at] = append([]task.Entry{{Kind: task.Switch, Set: w.set()}}, s.Acts[at]...)
	}
	sim := &Sim{Script: s, Copies: true, CommitEvery: 2, CheckpointEvery: 1, Crash: func(Point) bool { return r.IntN(8) == 0 }}
	if err := sim.Run(); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	said, echoed := map[string]string{}, map[string]int{}
	for _, text := range sim.Committed.Alerts {
		a, err := alert.ParseJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		said[a.ID.String()] = a.Rule
		if a.Status == alert.Retracted {
			delete(said, a.ID.String())
		}
		if _, isReader := readerTexts[a.Rule]; isReader {
			echoed[a.Evidence[0].Events[0].ID]++
		}
	}
	for id, rule := range said {
		if by := readBy(rule); by != "" {
			if heard[by]++; echoed[id] != 1 {
				t.Fatalf("seed %d: alert %s of %s is %d alerts of %s, want 1", seed, id, rule, echoed[id], by)
			}
		}
	}
	return sim.Crashes
}
