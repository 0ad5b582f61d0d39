package enginetest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/task"
)

// lives are the revisions of the rules of TestLife: all of one text.
const lives = 4

// lifeLibrary holds the rules of the scripts, final, each in revisions that do
// not differ.
func lifeLibrary(t *testing.T) (*Library, []string) {
	t.Helper()
	lib, err := NewLibrary(streamsText + historyText)
	if err != nil {
		t.Fatal(err)
	}
	texts, names := streamRules()
	for rev := 1; rev <= lives; rev++ {
		for _, text := range texts {
			if err := lib.Add(rev, fmt.Sprintf(text+"timing: final\n", 2)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return lib, names
}

// lifeScript is a script without its own switches, but for the first; the rules of
// the first switch are at revision rev, none for 0.
func lifeScript(seed uint64, n int, lib *Library, names []string, rev int) *Script {
	s := NewScript(seed, n, lib)
	for at, acts := range s.Acts {
		s.Acts[at] = slices.DeleteFunc(acts, func(e task.Entry) bool { return e.Kind == task.Switch })
	}
	s.switchTo(0, lib, names, rev)
	return s
}

// switchTo adds a switch before all other acts at a place.
func (s *Script) switchTo(at int64, lib *Library, names []string, rev int) {
	var refs []task.Ref
	for _, name := range names {
		if rev > 0 {
			refs = append(refs, task.Ref{Name: name, Revision: rev})
		}
	}
	s.Acts[at] = append([]task.Entry{{Kind: task.Switch, Set: lib.Set(refs...)}}, s.Acts[at]...)
}

var ofRevision = regexp.MustCompile(`"(id|revision)":("[^"]*"|\d+),?`)

// said are the alerts without what tells the revision.
func (c *Committed) said() []string {
	var all []string
	for _, a := range c.Alerts {
		all = append(all, ofRevision.ReplaceAllString(string(a), ""))
	}
	return all
}

var lifeSeeds = flag.Int("life.seeds", 50, "seeds of each half of TestLife")

// TestLife replaces rules by revisions of the same text, which start warm or carry
// the runs of those before them, and crashes at random. What the rules say
// equals what they say when nothing is replaced.
func TestLife(t *testing.T) {
	t.Parallel()
	lib, names := lifeLibrary(t)
	for _, start := range []string{"warm", "carry"} {
		t.Run(start, func(t *testing.T) {
			t.Parallel()
			alerts, warmed, crashes, seeds := 0, 0, 0, *lifeSeeds
			for seed := range uint64(seeds) {
				want := crashFree(t, lifeScript(seed, 250, lib, names, 1))
				s := lifeScript(seed, 250, lib, names, 1)
				r := rand.New(rand.NewPCG(seed, 23))
				for rev := 2; rev <= lives; rev++ {
					at := s.Records[(rev-2)*len(s.Records)/(lives-1)+r.IntN(len(s.Records)/lives)].Offset + 1
					s.switchTo(at, lib, names, rev)
				}
				s.Start = func(task.Ref) string { return start }
				sim := &Sim{Script: s, Keys: 1, CommitEvery: 6, CheckpointEvery: 20, Crash: func(Point) bool { return r.IntN(60) == 0 }}
				if err := sim.Run(); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if d := firstDifference("alert", sim.Committed.said(), want.said()); d != "" {
					t.Fatalf("seed %d: %s", seed, d)
				}
				alerts, warmed, crashes = alerts+len(want.Alerts), warmed+sim.Warmed, crashes+sim.Crashes
			}
			if alerts < 20*seeds || crashes < seeds || start == "warm" && warmed < 20*seeds {
				t.Errorf("%d alerts, %d rules warmed up, %d crashes: the runs prove too little", alerts, warmed, crashes)
			}
			t.Logf("%d seeds: %d alerts, %d rules warmed up, %d crashes", seeds, alerts, warmed, crashes)
		})
	}
}

// TestWarmStart lets all rules come into a task that has read without rules
// for a while: what they say from then on is what they would have said.
func TestWarmStart(t *testing.T) {
	t.Parallel()
	lib, names := lifeLibrary(t)
	compared := 0
	for seed := range uint64(60) {
		always := crashFree(t, lifeScript(seed, 250, lib, names, 1))
		s := lifeScript(seed, 250, lib, names, 0)
		at := s.Records[len(s.Records)/2].Offset + 1
		s.switchTo(at, lib, names, 1)
		s.Start = func(task.Ref) string { return "warm" }
		got := crashFree(t, s)
		// Suppression is of what was sent: a silent alert opens no period.
		quiet := func(c *Committed) []string {
			return slices.DeleteFunc(c.said(), func(a string) bool {
				return strings.Contains(a, `"card-testing"`) || strings.Contains(a, `"failures"`) || strings.Contains(a, `"busy"`)
			})
		}
		have, last := quiet(got), s.latest(at)
		compared += len(have)
		for _, a := range quiet(always) {
			switch stamp := atOf.FindStringSubmatch(a)[1]; {
			case len(have) > 0 && have[0] == a:
				have = have[1:]
			case stamp > last: // no event of before completes it
				t.Fatalf("seed %d: an alert at %s is missing: %s", seed, stamp, a)
			}
		}
		if len(have) > 0 {
			t.Fatalf("seed %d: an alert that a rule which was always there does not raise, or not here: %s", seed, have[0])
		}
	}
	if compared < 600 {
		t.Errorf("only %d alerts were compared", compared)
	}
	t.Logf("%d alerts compared", compared)
}

var (
	atOf   = regexp.MustCompile(`"at":"([^"]+)"`)
	timeOf = regexp.MustCompile(`"ts":(\d+)`)
)

// stampLayout is how alerts spell times.
const stampLayout = "2006-01-02T15:04:05.000000Z"

// latest is the latest time of an event before a place.
func (s *Script) latest(before int64) string {
	last := int64(0)
	for _, r := range s.Records {
		if m := timeOf.FindSubmatch(r.Value); m != nil && r.Offset < before {
			if ms, err := strconv.ParseInt(string(m[1]), 10, 64); err == nil && ms*1000 <= r.Now+30_000_000 {
				last = max(last, ms*1000)
			}
		}
	}
	return time.UnixMicro(last).UTC().Format(stampLayout)
}
