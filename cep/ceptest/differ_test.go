package ceptest_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
)

var (
	casesFlag = flag.Int("ceptest.cases", 200_000, "how many random cases TestEngineEqualsOracle compares")
	seedFlag  = flag.Uint64("ceptest.seed", 1, "seed of TestEngineEqualsOracle")
)

const (
	sequencesPerRule = 20 // a rule serves so many sequences
	keysPerRun       = 2  // so many of them at once, as keys of one rule
	failuresMax      = 5  // shown before the test gives up
	coveredLongAgo   = ceptest.Epoch - 3_600_000_000
)

// quoted is what tells refusals of one kind apart.
var quoted = regexp.MustCompile("`[^`]*`|\\b[a-d][0-9]\\b|\\(.*\\)")

// A search is the shared state of the workers of one run.
type search struct {
	next, cases, rules, alerts atomic.Int64
	mu                         struct {
		sync.Mutex
		refused map[string]int
		found   []*difference
	}
}

// TestEngineEqualsOracle compares engine and oracle on random rules and random
// events (docs/language.md §4 and §5).
func TestEngineEqualsOracle(t *testing.T) {
	s := &search{}
	s.mu.refused = map[string]int{}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(s.work)
	}
	workers.Wait()
	for _, d := range s.mu.found {
		report(t, shrink(d))
	}
	refused := 0
	for reason, n := range s.mu.refused {
		refused += n
		t.Logf("refused %6d: %s", n, reason)
	}
	t.Logf("seed %d: %d cases over %d rules raised %d alerts; %d rules refused", *seedFlag, s.cases.Load(), s.rules.Load(), s.alerts.Load(), refused)
	if s.rules.Load() > 0 && s.alerts.Load() < s.cases.Load()/10 {
		t.Errorf("only %d alerts in %d cases: the generator has gone blind", s.alerts.Load(), s.cases.Load())
	}
}

func (s *search) work() {
	for s.cases.Load() < int64(*casesFlag) && s.failures() < failuresMax {
		s.rule(uint64(s.next.Add(1)))
	}
}

func (s *search) failures() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.found)
}

// rule makes one random rule and runs its sequences.
func (s *search) rule(index uint64) {
	rng := rand.New(rand.NewPCG(*seedFlag, index))
	options := ceptest.Options{}
	if rng.IntN(2) == 0 {
		options = ceptest.AllOptions()
	}
	draft := ceptest.RandomRule(rng, options)
	c, refusal := compileBoth(draft.Text())
	if refusal != "" {
		s.mu.Lock()
		s.mu.refused[quoted.ReplaceAllString(refusal, "…")]++
		s.mu.Unlock()
		return
	}
	s.rules.Add(1)
	for range sequencesPerRule / keysPerRun {
		if d := s.compare(c, rng); d != nil {
			d.draft, d.index = draft, index
			s.mu.Lock()
			s.mu.found = append(s.mu.found, d)
			s.mu.Unlock()
			return
		}
	}
}

// compare runs one random case a key and returns where the two disagree.
func (s *search) compare(c *compiled, rng *rand.Rand) *difference {
	d := &difference{covered: coveredLongAgo}
	if rng.IntN(3) == 0 {
		d.covered = ceptest.Epoch
	}
	for range keysPerRun {
		d.sequences = append(d.sequences, ceptest.RandomEvents(rng, c.setting, 1+rng.IntN(ceptest.MaxEvents)))
	}
	want, got := compare(c, d.sequences, d.covered)
	s.cases.Add(keysPerRun)
	s.alerts.Add(int64(strings.Count(want, "\n") - keysPerRun + 1))
	if want == got {
		return nil
	}
	return d
}

// report prints a difference as a script.
func report(t *testing.T, d *difference) {
	c, _ := compileBoth(d.draft.Text())
	want, got := compare(c, d.sequences, d.covered)
	var events strings.Builder
	for _, sequence := range d.sequences {
		fmt.Fprintf(&events, "events covered=%d\n%s----\n", (d.covered-ceptest.Epoch)/1_000_000, ceptest.FormatEvents(sequence))
	}
	t.Errorf("seed %d, rule %d\nrule\n%s----\n\n%s%s\nthe engine gives:\n%s", *seedFlag, d.index, d.draft.Body(), &events, want, got)
}
