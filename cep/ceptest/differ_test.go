package ceptest_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
)

var (
	casesFlag = flag.Int("ceptest.cases", 100_000, "how many random cases TestEngineEqualsOracle compares")
	seedFlag  = flag.Uint64("ceptest.seed", 1, "seed of TestEngineEqualsOracle")
)

const (
	sequencesPerRule = 20 // a rule serves so many sequences
	failuresMax      = 5  // shown before the test gives up
	coveredLongAgo   = ceptest.Epoch - 3_600_000_000
)

// A difference is a case on which engine and oracle disagree.
type difference struct {
	draft   *ceptest.Draft
	events  []*event.Event
	covered int64
	index   uint64 // of the rule
}

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
	if rng.IntN(3) == 0 {
		options = ceptest.AllOptions()
	}
	draft := ceptest.RandomRule(rng, options)
	c, refusal := compileBoth(draft)
	if refusal != "" {
		s.mu.Lock()
		s.mu.refused[refusal]++
		s.mu.Unlock()
		return
	}
	s.rules.Add(1)
	for range sequencesPerRule {
		events := ceptest.RandomEvents(rng, c.setting, 1+rng.IntN(ceptest.MaxEvents))
		covered := int64(coveredLongAgo)
		if rng.IntN(3) == 0 {
			covered = ceptest.Epoch
		}
		want, got := compare(c.oracle, c.rule, events, covered)
		s.cases.Add(1)
		if want != "" {
			s.alerts.Add(1)
		}
		if want != got {
			s.mu.Lock()
			s.mu.found = append(s.mu.found, &difference{draft, events, covered, index})
			s.mu.Unlock()
			return
		}
	}
}

// report prints a difference as a script.
func report(t *testing.T, d *difference) {
	c, _ := compileBoth(d.draft)
	want, got := compare(c.oracle, c.rule, eventsOf(c.setting, d.events), d.covered)
	t.Errorf("seed %d, rule %d\n%s", *seedFlag, d.index, fmt.Sprintf("rule\n%s----\n\nevents covered=%d\n%s----\n%s\nthe engine gives:\n%s",
		d.draft.Body(), (d.covered-ceptest.Epoch)/1_000_000, ceptest.FormatEvents(d.events), want, got))
}
