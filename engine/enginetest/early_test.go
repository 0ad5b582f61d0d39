package enginetest

import (
	"bytes"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/sinks/alert"
)

var (
	earlySeeds = flag.Uint64("earlyseeds", 2000, "seeds of the simulation of early alerts")
	earlyFirst = flag.Uint64("earlyfirst", 0, "the first of them")
)

// TestEarly is the simulation of one task with early alerts. Each seed is one
// run; earlyCase says what must hold.
func TestEarly(t *testing.T) {
	c := newEarlyCase(t)
	n := *earlySeeds
	if testing.Short() {
		n = 200
	}
	for seed := *earlyFirst; seed < *earlyFirst+n; seed++ {
		if problem := c.run(seed); problem != "" {
			t.Fatalf("seed %d: %s", seed, problem)
		}
	}
	t.Logf("%d seeds from %d: %+v", n, *earlyFirst, c.seen)
	if c.seen.Retracted == 0 || c.seen.Changed == 0 || c.seen.Suppressed == 0 || c.seen.Capped == 0 || c.seen.Oracle == 0 || c.seen.Pebble == 0 {
		t.Error("the seeds do not show everything")
	}
}

// An earlyCase judges runs of the simulation.
type earlyCase struct {
	sent  *Library // what is under test: early, with suppression
	free  *Library // early, nothing is suppressed
	final *Library // final, nothing is suppressed
	seen  struct{ Alerts, Changed, Retracted, Suppressed, Capped, Oracle, Crashes, Pebble int }
}

const earlySuppress = "6s"

func newEarlyCase(t *testing.T) *earlyCase {
	t.Helper()
	library := func(timing, suppress string) *Library {
		lib, err := NewEarlyLibrary(timing, suppress)
		if err != nil {
			t.Fatal(err)
		}
		return lib
	}
	return &earlyCase{sent: library("early", earlySuppress), free: library("early", ""), final: library("final", "")}
}

// run plays one seed and returns what is wrong, or "".
func (c *earlyCase) run(seed uint64) string {
	final, err := play(NewEarlyScript(seed, c.final))
	if err != nil {
		return err.Error()
	}
	free, err := play(NewEarlyScript(seed, c.free))
	if err != nil {
		return err.Error()
	}
	s := NewEarlyScript(seed, c.sent)
	sent, err := play(s)
	if err != nil {
		return err.Error()
	}
	for _, check := range []func() string{
		func() string { return free.contiguous() },
		func() string { return sent.contiguous() },
		func() string { return free.agrees(final) },
		func() string { return sent.suppresses(final) },
		func() string { return c.oracle(s, final) },
		func() string { return c.crash(s, sent) },
	} {
		if problem := check(); problem != "" {
			return problem
		}
	}
	c.count(sent)
	return ""
}

func (c *earlyCase) count(p *played) {
	c.seen.Alerts += len(p.sent)
	for _, a := range p.sent {
		switch {
		case a.Suppressed > 0:
			c.seen.Suppressed++
		case a.Status == alert.Changed:
			c.seen.Changed++
		case a.Status == alert.Retracted:
			c.seen.Retracted++
		}
	}
	c.seen.Capped += p.capped
}

// A played is a run without crashes: what was sent, and what was known when.
type played struct {
	sent     []alert.Alert
	marks    []map[string]int64 // by moment and stream
	upTo     []int              // by moment: alerts sent
	accepted []int              // records
	capped   int
	json     [][]byte
}

func play(s *Script) (*played, error) {
	tk := task.New(task.Config{Sources: s.Sources, Resolver: s.Library, State: newPlain()})
	p := &played{}
	var eff task.Effects
	note := func(err error) error {
		for i := range eff.Alerts {
			p.sent = append(p.sent, eff.Alerts[i])
			p.json = append(p.json, eff.Alerts[i].AppendJSON(nil))
		}
		eff.Reset()
		marks := map[string]int64{}
		for _, src := range s.Sources {
			marks[src.Stream], _ = tk.Watermark(src.Stream)
		}
		p.marks, p.upTo = append(p.marks, marks), append(p.upTo, len(p.sent))
		return err
	}
	act := func() error {
		for _, e := range s.Acts[tk.Position().Offset] {
			if err := note(tk.Apply(e, &eff)); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range s.Records {
		if err := act(); err != nil {
			return nil, err
		}
		r, before := s.Records[i], tk.Counts().Accepted
		if err := note(tk.Step(&r, &eff)); err != nil {
			return nil, err
		}
		if tk.Counts().Accepted > before {
			p.accepted = append(p.accepted, i)
		}
	}
	if err := act(); err != nil {
		return nil, err
	}
	for _, st := range tk.Rules() {
		p.capped += int(st.Counts.ReplayCapped)
	}
	return p, nil
}

// contiguous checks that the versions of each alert count from 1 and that its
// statuses make sense.
func (p *played) contiguous() string {
	last := map[alert.ID]alert.Alert{}
	for i, a := range p.sent {
		was := last[a.ID]
		if a.Version != was.Version+1 {
			return fmt.Sprintf("version %d after %d: %s", a.Version, was.Version, p.json[i])
		}
		valid := was.Status == alert.Raised || was.Status == alert.Changed
		if (a.Status == alert.Raised) == valid {
			return fmt.Sprintf("%s after %q: %s", a.Status, was.Status, p.json[i])
		}
		last[a.ID] = a
	}
	return ""
}

// valid returns the alerts that hold after the first n that were sent, without
// what tells their versions.
func (p *played) valid(n int) map[alert.ID]string {
	now := map[alert.ID]string{}
	for _, a := range p.sent[:n] {
		if a.Status == alert.Retracted {
			delete(now, a.ID)
			continue
		}
		now[a.ID] = contentOf(a)
	}
	return now
}

func contentOf(a alert.Alert) string {
	a.Version, a.Status, a.Suppressed = 0, "", 0
	return string(a.AppendJSON(nil))
}

// agrees checks, at every moment, that of the early alerts those that the
// watermark has passed are those of the final run.
func (p *played) agrees(final *played) string {
	if len(p.upTo) != len(final.upTo) {
		return fmt.Sprintf("%d moments, %d in the final run", len(p.upTo), len(final.upTo))
	}
	for m := range p.upTo {
		early, want := p.valid(p.upTo[m]), final.valid(final.upTo[m])
		for id, text := range want {
			if early[id] != text {
				return fmt.Sprintf("moment %d: final is\n     %s\nearly %s", m, text, early[id])
			}
			delete(early, id)
		}
		for _, a := range p.sent[:p.upTo[m]] {
			least := min(p.marks[m]["payment"], p.marks[m]["challenge"])
			if text, ok := early[a.ID]; ok && a.At <= least {
				return fmt.Sprintf("moment %d: not in the final run: %s", m, text)
			}
		}
	}
	if m := len(p.upTo) - 1; len(p.valid(p.upTo[m])) != len(final.valid(final.upTo[m])) {
		return "alerts are left over at the end"
	}
	return ""
}

// suppresses checks that what holds at the end is final, and that what is
// final and was not sent lies in the period of an alert that was.
func (p *played) suppresses(final *played) string {
	got, want := p.valid(len(p.sent)), final.valid(len(final.sent))
	for id, text := range got {
		if want[id] != text {
			return fmt.Sprintf("sent   %s\nfinal is %s", text, want[id])
		}
	}
	for _, a := range final.sent {
		if _, ok := got[a.ID]; ok {
			continue
		}
		if !slices.ContainsFunc(p.sent, func(o alert.Alert) bool {
			_, valid := got[o.ID]
			return valid && o.Rule == a.Rule && o.KeyText() == a.KeyText() && o.At <= a.At && a.At < o.At+6_000_000
		}) {
			return "neither sent nor suppressed: " + contentOf(a)
		}
	}
	return ""
}

// crash kills the process once after every step, restores copies, and compares
// what is committed; now and then over the real store with a cache of one key.
func (c *earlyCase) crash(s *Script, want *played) string {
	crashed := map[Point]bool{}
	sim := &Sim{Script: s, Copies: true, CommitEvery: 3, CheckpointEvery: 6, Crash: func(p Point) bool {
		if p.Name != "step" || crashed[p] {
			return false
		}
		crashed[p] = true
		return true
	}}
	if s.Seed%100 == 0 {
		sim.Copies, sim.Keys = false, 1
		c.seen.Pebble++
	}
	if err := sim.Run(); err != nil {
		return "with crashes: " + err.Error()
	}
	c.seen.Crashes += sim.Crashes
	if len(sim.Committed.Alerts) != len(want.json) {
		return fmt.Sprintf("%d alerts with crashes, %d without", len(sim.Committed.Alerts), len(want.json))
	}
	for i, text := range sim.Committed.Alerts {
		if !bytes.Equal(text, want.json[i]) {
			return fmt.Sprintf("alert %d with crashes\n     %s\nwant %s", i, text, want.json[i])
		}
	}
	return ""
}

// oracle compares the final run of a script without switches with the naive
// oracle's answer over the accepted events.
func (c *earlyCase) oracle(s *Script, final *played) string {
	if s.Seed%2 == 1 {
		return ""
	}
	for _, ref := range s.Acts[0][0].Set.Rules {
		if ref.Name == "listed" { // the oracle knows no lists
			continue
		}
		want, err := judge(earlyText(slices.Index(earlyNames, ref.Name), ref.Revision, "final", ""), s, final.accepted)
		if err != nil {
			return ref.Name + ": " + err.Error()
		}
		var got []string
		for _, a := range final.sent {
			if a.Rule == ref.Name {
				line := fmt.Sprintf("%d %s", a.At, a.KeyText())
				for _, step := range a.Evidence {
					line += describe(step.Name, step.Events)
				}
				got = append(got, line)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Sprintf("%s/%d\n got %s\nwant %s", ref.Name, ref.Revision, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
		c.seen.Oracle += len(want)
	}
	return ""
}

// judge returns the oracle's alerts over accepted records. Nothing is late for
// it: what is accepted has been decided.
func judge(rule string, s *Script, accepted []int) ([]string, error) {
	setting, err := ceptest.Parse(strings.NewReplacer("lateness: 5s", "lateness: 10h", "lateness: 3s", "lateness: 10h").Replace(earlyStreams) + "---" + rule)
	if err != nil {
		return nil, err
	}
	var lines [][]byte
	for _, i := range accepted {
		r := &s.Records[i]
		lines = append(lines, append([]byte(`{"stream":"`+s.Sources[r.Source].Stream+`",`), r.Value[1:]...))
	}
	found, err := setting.Judge(lines)
	if err != nil {
		return nil, err
	}
	var alerts []string
	for _, a := range found {
		line := fmt.Sprintf("%d %s", a.At, a.Key[0].Str())
		for _, step := range a.Evidence {
			line += describe(step.Step, step.Events)
		}
		alerts = append(alerts, line)
	}
	slices.Sort(alerts)
	return alerts, nil
}
