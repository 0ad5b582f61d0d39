package enginetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/sinks/alert"
)

// A stage is what is at work of a rule from an offset on.
type stage struct {
	from  int64
	modes []task.Mode // of its revisions, rising
}

// stages draws the life of a rule: on trial or live, paused and live again, with the
// next revision on trial beside it, and promoted.
func stages(r *rand.Rand, places []int64) []stage {
	revision, at := 1, []task.Mode{task.Mode(r.IntN(2))}
	all := []stage{{0, at}}
	for _, from := range places {
		switch now := at[len(at)-1]; {
		case now == task.ModeShadow: // promoted
			at = slices.Clone(at)
			for i := range at[:len(at)-1] {
				at[i] = none
			}
			at[len(at)-1] = task.ModeLive
		case now == task.ModeLive && r.IntN(2) == 0:
			at = append(slices.Clone(at[:len(at)-1]), task.ModePaused)
		case now == task.ModePaused && r.IntN(2) == 0:
			at = append(slices.Clone(at[:len(at)-1]), task.ModeLive)
		default:
			revision++
			at = append(slices.Clone(at), task.ModeShadow)
		}
		all = append(all, stage{from, at})
	}
	return all
}

// none stands for a revision that is no longer at work.
const none = task.Mode(99)

// raising returns the modes in which a rule raises at an offset, sorted.
func raising(stages []stage, offset int64) (modes []task.Mode) {
	for _, s := range stages {
		if s.from <= offset {
			modes = s.modes
		}
	}
	return slices.DeleteFunc(slices.Clone(modes), func(m task.Mode) bool { return m == none || m == task.ModePaused })
}

// lived are the acts of a script whose rules live so.
func (s *Script) lived(lib *Library, names []string, lives map[string][]stage, places []int64) {
	for at, acts := range s.Acts {
		s.Acts[at] = slices.DeleteFunc(acts, func(e task.Entry) bool { return e.Kind == task.Switch })
	}
	for i, from := range append([]int64{0}, places...) {
		set := lib.Set()
		for _, name := range names {
			for rev, mode := range lives[name][i].modes {
				ref := task.Ref{Name: name, Revision: rev + 1}
				switch mode {
				case none:
					continue
				case task.ModeShadow:
					set.Shadow = append(set.Shadow, ref)
				case task.ModePaused:
					set.Paused = append(set.Paused, ref)
				}
				set.Rules = append(set.Rules, ref)
			}
		}
		s.Acts[from] = append([]task.Entry{{Kind: task.Switch, Set: set}}, s.Acts[from]...)
	}
}

// play runs a script without a crash and tells of each alert that was not withdrawn, by
// what it says, the offset where that was sent.
func (s *Script) play(t *testing.T) map[string]int64 {
	t.Helper()
	tk := task.New(task.Config{Sources: s.Sources, Resolver: s.Library, State: state.NewMemory()})
	said, sent := map[alert.ID]string{}, map[string]int64{}
	var eff task.Effects
	note := func(at int64, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for i := range eff.Alerts {
			a := &eff.Alerts[i]
			delete(sent, said[a.ID])
			said[a.ID] = essence(a.AppendJSON(nil))
			if a.Status != alert.Retracted {
				sent[said[a.ID]] = at
			}
		}
		eff.Reset()
	}
	act := func() {
		at := tk.Position().Offset
		for _, e := range s.Acts[at] {
			note(at, tk.Apply(e, &eff))
		}
	}
	for _, r := range s.Records {
		act()
		note(r.Offset, tk.Step(&r, &eff))
	}
	act()
	return sent
}

var ofVersion = regexp.MustCompile(`"(id|revision|version|status|mode)":("[^"]*"|\d+),?`)

// essence is what an alert says, whatever its revision and mode.
func essence(a []byte) string { return string(ofVersion.ReplaceAll(a, nil)) }

// standing are the alerts that were not withdrawn, each with its mode.
func (c *Committed) standing(t *testing.T) []string {
	t.Helper()
	last := map[alert.ID]string{}
	for _, text := range c.Alerts {
		a, err := alert.ParseJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		if last[a.ID] = a.Mode + " " + essence(text); a.Status == alert.Retracted {
			delete(last, a.ID)
		}
	}
	var all []string
	for _, a := range last {
		all = append(all, a)
	}
	slices.Sort(all)
	return all
}

var (
	ruleOf = regexp.MustCompile(`"rule":"([^"]+)"`)
	keyOf  = regexp.MustCompile(`"key":"([^"]+)"`)
	// What one of these raises depends on where the one before was cut, and so on
	// without end: more than a warm start reads.
	chained    = []string{"card-testing", "failures", "never-answered", "out-of-nothing", "unusual"}
	byDeadline = []string{"never-answered", "declines", "busy", "sitting", "shop-load"}
)

// completed lists the offsets of the records that may have completed an alert.
func (s *Script) completed(says string) (offsets []int64) {
	stamp, key := atOf.FindStringSubmatch(says)[1], keyOf.FindStringSubmatch(says)[1]
	for _, r := range s.Records {
		if m := timeOf.FindSubmatch(r.Value); m != nil && bytes.Contains(r.Value, []byte(`"`+key+`"`)) && stampOf(m[1]) == stamp {
			offsets = append(offsets, r.Offset)
		}
	}
	return offsets
}

// TestStates draws the life of each rule, its revisions being of one text, and
// crashes at random. What a rule raises live, and what it raises on trial, equals what it
// raises where it is always live, over the times when it was so. Alerts that two
// records may have completed, one before a change and one after it, are left out.
func TestStates(t *testing.T) {
	t.Parallel()
	for _, timing := range []string{"final", "as it comes"} {
		t.Run(timing, func(t *testing.T) {
			t.Parallel()
			lib, names := statesLibrary(t, timing, lives)
			seeds, total := 60, map[string]int{}
			if testing.Short() {
				seeds = 12
			}
			for seed := range uint64(seeds) {
				testStates(t, seed, lib, names, total)
			}
			if total["live"] < 20*seeds || total["shadow"] < 10*seeds || total["silent"] < 3*seeds || total["crashes"] < seeds || total["left out"]*10 > total["live"] {
				t.Errorf("%v: the runs prove too little", total)
			}
			t.Logf("%d seeds: %v", seeds, total)
		})
	}
}

// statesLibrary is lifeLibrary without suppression: what is not sent silences nothing.
func statesLibrary(t *testing.T, timing string, revisions int) (*Library, []string) {
	t.Helper()
	lib, err := NewLibrary(streamsText + historyText)
	if err != nil {
		t.Fatal(err)
	}
	texts, names := streamRules()
	for rev := 1; rev <= revisions; rev++ {
		for _, text := range texts {
			text = regexp.MustCompile(`(alert: \{suppress: \d+s\}|, suppress: \d+s)`).ReplaceAllString(fmt.Sprintf(text, 2), "")
			if timing == "final" {
				text += "timing: final\n"
			}
			if err := lib.Add(rev, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	return lib, names
}

func testStates(t *testing.T, seed uint64, lib *Library, names []string, total map[string]int) {
	t.Helper()
	always := lifeScript(seed, 250, lib, names, 1)
	want, r := always.play(t), rand.New(rand.NewPCG(seed, 29))
	s := NewScript(seed, 250, lib)
	var places []int64
	for i := range lives {
		places = append(places, s.Records[i*len(s.Records)/lives+r.IntN(len(s.Records)/lives)].Offset+1)
	}
	life := map[string][]stage{}
	for _, name := range names {
		life[name] = stages(r, places)
	}
	s.lived(lib, names, life, places)
	start := []string{"warm", "carry"}[seed%2]
	s.Start = func(ref task.Ref) string {
		if slices.Contains(chained, ref.Name) {
			return "carry"
		}
		return start
	}
	sim := &Sim{Script: s, Keys: 1, CommitEvery: 6, CheckpointEvery: 20, Crash: func(Point) bool { return r.IntN(60) == 0 }}
	if err := sim.Run(); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	total["crashes"] += sim.Crashes
	unsure := map[string]bool{}
	var due []string
	for says, sent := range want {
		rule := ruleOf.FindStringSubmatch(says)[1]
		offsets := []int64{sent}
		if !slices.Contains(byDeadline, rule) {
			offsets = s.completed(says)
		}
		modes := raising(life[rule], offsets[0])
		unsure[says] = slices.ContainsFunc(offsets, func(o int64) bool { return !slices.Equal(raising(life[rule], o), modes) })
		switch {
		case unsure[says]:
			total["left out"]++
			continue
		case len(modes) == 0:
			total["silent"]++
		}
		for _, m := range modes {
			due = append(due, m.String()+" "+says)
			total[m.String()]++
		}
	}
	slices.Sort(due)
	got := slices.DeleteFunc(sim.Committed.standing(t), func(a string) bool {
		_, says, _ := strings.Cut(a, " ")
		return unsure[says]
	})
	if over, lost := beyond(got, due), beyond(due, got); len(over)+len(lost) > 0 {
		t.Fatalf("seed %d, %s, places %v\ntoo much: %s\n    lost: %s\nlives %v", seed, start, places, strings.Join(over, "\n          "), strings.Join(lost, "\n          "), life)
	}
}

// beyond lists what a has and b has not.
func beyond(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return slices.Contains(b, x) })
}

// stampOf is a time in ms as alerts spell it.
func stampOf(ms []byte) string {
	n, err := strconv.ParseInt(string(ms), 10, 64)
	if err != nil {
		return ""
	}
	return time.UnixMicro(n * 1000).UTC().Format(stampLayout)
}

// What a rule on trial has sent silences it only while it is on trial, and what a
// paused one has found silences nothing.
func TestATrialSilencesNothing(t *testing.T) {
	lib, err := NewLibrary(paymentText)
	if err != nil {
		t.Fatal(err)
	}
	if err := lib.Add(1, "apiVersion: caltrop/v1\nkind: Rule\nname: large\nkey: card\nwithin: 1m\npattern: a\nsteps: {a: {stream: payment, where: amount > 100.0}}\nalert: {suppress: 1h}\n"); err != nil {
		t.Fatal(err)
	}
	ref := task.Ref{Name: "large", Revision: 1}
	s := &Script{Library: lib, Sources: []task.Source{{Stream: "payment"}}, Acts: map[int64][]task.Entry{}}
	for i, mode := range []task.Mode{task.ModeShadow, task.ModeLive, task.ModePaused, task.ModeLive} {
		set := lib.Set(ref)
		switch mode {
		case task.ModeShadow:
			set.Shadow = set.Rules
		case task.ModePaused:
			set.Paused = set.Rules
		}
		at := int64(2 * i)
		s.Acts[at] = []task.Entry{{Kind: task.Switch, Set: set}}
		for n := range int64(2) {
			s.Records = append(s.Records, task.Record{Offset: at + n, SourceOffset: at + n,
				Value: fmt.Appendf(nil, `{"event_id":"e%d","card":"c1","ts":%d,"amount":900,"status":"x"}`, at+n, scriptStart+1000*(at+n))})
		}
	}
	s.Records = append(s.Records, task.Record{Offset: 8, SourceOffset: 8, Value: fmt.Appendf(nil, `{"event_id":"end","card":"c2","ts":%d,"amount":1,"status":"x"}`, scriptStart+7_200_000)})
	var got []string
	for _, text := range crashFree(t, s).Alerts {
		a, err := alert.ParseJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s/%d %d", a.Mode, a.Evidence[0].Events[0].ID, a.Version, a.Suppressed))
	}
	// e0 on trial silences e1; e2 silences e3, e6 and e7, and e4 and e5 count for nothing.
	slices.Sort(got)
	if want := []string{"live e2/1 0", "live e2/2 3", "shadow e0/1 0", "shadow e0/2 1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
