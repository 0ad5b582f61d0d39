package enginetest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/sinks/alert"
)

var (
	earlySeeds = flag.Uint64("earlyseeds", 2000, "seeds of the simulation of early alerts")
	earlyFirst = flag.Uint64("earlyfirst", 0, "the first of them")
	earlyLog   = flag.String("earlylog", "", "file that is told of the seeds that are done, and of those that fail")
)

// TestEarly is the simulation of one task with early alerts. Each seed is one
// run; earlyCase says what must hold.
func TestEarly(t *testing.T) {
	t.Parallel()
	c := newEarlyCase(t)
	n := *earlySeeds
	if testing.Short() {
		n = 200
	}
	for seed := *earlyFirst; seed < *earlyFirst+n; seed++ {
		problem := c.run(seed)
		if problem != "" {
			t.Errorf("seed %d: %s", seed, problem)
		}
		if c.note(t, seed, problem); problem != "" && *earlyLog == "" {
			return
		}
	}
	t.Logf("%d seeds from %d: %+v", n, *earlyFirst, c.seen)
	if c.seen.blind() {
		t.Error("the seeds do not show everything")
	}
}

// earlySeen counts what runs have shown.
type earlySeen struct {
	Alerts, Changed, Retracted, Suppressed, Capped, Above, Prompt, Oracle, Crashes, Pebble int
}

func (s *earlySeen) blind() bool {
	return s.Changed == 0 || s.Retracted == 0 || s.Suppressed == 0 || s.Capped == 0 || s.Above == 0 || s.Prompt == 0 || s.Oracle == 0 || s.Pebble == 0
}

// note tells a long run's log how far it has come.
func (c *earlyCase) note(t *testing.T, seed uint64, problem string) {
	if *earlyLog == "" || problem == "" && (seed+1)%10_000 > 0 {
		return
	}
	t.Helper()
	f, err := os.OpenFile(*earlyLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if problem != "" {
		problem = " FAILS " + problem
	}
	fmt.Fprintf(f, "%s seeds %d to %d: %+v%s\n", time.Now().Format(time.DateTime), *earlyFirst, seed, c.seen, problem)
}

// An earlyCase judges runs of the simulation.
type earlyCase struct {
	sent   *Library // what is under test: early, with suppression
	free   *Library // early, nothing is suppressed
	final  *Library // final, nothing is suppressed
	judges *earlyJudges
	seen   earlySeen
}

const earlySuppress = "6s"

func newEarlyCase(t *testing.T) *earlyCase {
	t.Helper()
	library := func(timing, suppress string) *Library {
		lib, err := NewEarlyLibrary(timing, suppress)
		if err != nil {
			t.Fatal(err)
		}
		lib.KeepDecoders()
		return lib
	}
	judges, err := newEarlyJudges()
	if err != nil {
		t.Fatal(err)
	}
	return &earlyCase{sent: library("early", earlySuppress), free: library("early", ""), final: library("final", ""), judges: judges}
}

// run plays one seed and returns what is wrong, or "".
func (c *earlyCase) run(seed uint64) string {
	s := NewEarlyScript(seed, c.final)
	var runs [3]*played
	for i, lib := range []*Library{c.final, c.free, c.sent} {
		s.Library = lib
		p, err := play(s)
		if err != nil {
			return err.Error()
		}
		runs[i] = p
	}
	final, free, sent := runs[0], runs[1], runs[2]
	for _, check := range []func() string{
		free.contiguous,
		sent.contiguous,
		func() string { return free.agrees(final) },
		func() string { return sent.suppresses(final) },
		func() string { return c.oracle(s, final) },
		func() string { return c.prompt(s, free) },
		func() string { return c.oracleAbove(s, final) },
		func() string { return c.oracleAbove(s, sent) },
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
	for i := range p.sent {
		a := &p.sent[i].Alert
		switch {
		case a.Suppressed > 0:
			c.seen.Suppressed++
		case a.Status == alert.Changed:
			c.seen.Changed++
		case a.Status == alert.Retracted:
			c.seen.Retracted++
		}
		if isAbove(a.Rule) {
			c.seen.Above++
		}
	}
	c.seen.Capped += p.capped
}

// A played is a run without crashes: what was sent, and what was known when.
type played struct {
	sent     []sentAlert
	moments  []moment
	accepted []int // records
	capped   int
}

// A sentAlert is a version of an alert; text is without what tells its version.
type sentAlert struct {
	alert.Alert
	text string
}

// A moment is the end of one call of the task.
type moment struct {
	sent     int   // alerts so far
	mark     int64 // the least watermark
	accepted int   // records so far
}

func play(s *Script) (*played, error) {
	tk := task.New(task.Config{Sources: s.Sources, Resolver: s.Library, State: newPlain()})
	p := &played{}
	var eff task.Effects
	note := func(err error) error {
		for i := range eff.Alerts {
			p.sent = append(p.sent, sentAlert{eff.Alerts[i], contentOf(eff.Alerts[i])})
		}
		eff.Reset()
		payments, _ := tk.Watermark("payment")
		challenges, _ := tk.Watermark("challenge")
		p.moments = append(p.moments, moment{len(p.sent), min(payments, challenges), len(p.accepted)})
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
			p.moments[len(p.moments)-1].accepted++
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

func contentOf(a alert.Alert) string {
	a.Version, a.Status, a.Suppressed = 0, "", 0
	return string(a.AppendJSON(nil))
}

// contiguous checks that the versions of each alert count from 1 and that its
// statuses make sense.
func (p *played) contiguous() string {
	last := map[alert.ID]*alert.Alert{}
	for i := range p.sent {
		a, version, status := &p.sent[i].Alert, 0, alert.Status("")
		if was := last[a.ID]; was != nil {
			version, status = was.Version, was.Status
		}
		if a.Version != version+1 {
			return fmt.Sprintf("version %d after %d: %s", a.Version, version, p.sent[i].text)
		}
		valid := status == alert.Raised || status == alert.Changed
		if (a.Status == alert.Raised) == valid {
			return fmt.Sprintf("%s after %q: %s", a.Status, status, p.sent[i].text)
		}
		last[a.ID] = a
	}
	return ""
}

// standing are the alerts that hold now.
type standing map[alert.ID]*sentAlert

func (s standing) take(sent []sentAlert) {
	for i := range sent {
		if a := &sent[i]; a.Status == alert.Retracted {
			delete(s, a.ID)
		} else {
			s[a.ID] = a
		}
	}
}

// valid returns the alerts that hold in the end.
func (p *played) valid() standing {
	s := standing{}
	s.take(p.sent)
	return s
}

// agrees checks, at every moment, that of the early alerts those that the
// watermark has passed are those of the final run.
func (p *played) agrees(final *played) string {
	if len(p.moments) != len(final.moments) {
		return fmt.Sprintf("%d moments, %d in the final run", len(p.moments), len(final.moments))
	}
	early, want := standing{}, standing{}
	var was, wasFinal moment
	for m, now := range p.moments {
		nowFinal := final.moments[m]
		early.take(p.sent[was.sent:now.sent])
		want.take(final.sent[wasFinal.sent:nowFinal.sent])
		if was == now && wasFinal == nowFinal {
			continue
		}
		was, wasFinal = now, nowFinal
		for id, a := range want {
			if e := early[id]; e == nil || e.text != a.text {
				return fmt.Sprintf("moment %d: final is\n     %s\nearly %+v", m, a.text, e)
			}
		}
		for id, a := range early {
			if a.At <= now.mark && want[id] == nil {
				return fmt.Sprintf("moment %d: not in the final run: %s", m, a.text)
			}
		}
	}
	if len(early) != len(want) {
		return "alerts are left over at the end"
	}
	return ""
}

// suppresses checks that what holds at the end is final, and that what is
// final and was not sent lies in the period of an alert that was. Alerts of
// rules on alerts follow from what was sent: see oracleAbove.
func (p *played) suppresses(final *played) string {
	got, want := p.valid(), final.valid()
	for id, a := range got {
		if w := want[id]; !isAbove(a.Rule) && (w == nil || w.text != a.text) {
			return fmt.Sprintf("sent   %s\nfinal is %+v", a.text, w)
		}
	}
	for id, a := range want {
		if isAbove(a.Rule) || got[id] != nil {
			continue
		}
		if !slices.ContainsFunc(p.sent, func(o sentAlert) bool {
			return got[o.ID] != nil && o.Rule == a.Rule && o.KeyText() == a.KeyText() && o.At <= a.At && a.At < o.At+6_000_000
		}) {
			return "neither sent nor suppressed: " + a.text
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
	if s.Seed%200 == 0 {
		sim.Copies, sim.Keys = false, 1
		c.seen.Pebble++
	}
	if err := sim.Run(); err != nil {
		return "with crashes: " + err.Error()
	}
	c.seen.Crashes += sim.Crashes
	if len(sim.Committed.Alerts) != len(want.sent) {
		return fmt.Sprintf("%d alerts with crashes, %d without", len(sim.Committed.Alerts), len(want.sent))
	}
	var json []byte
	for i, text := range sim.Committed.Alerts {
		if json = want.sent[i].AppendJSON(json[:0]); !bytes.Equal(text, json) {
			return fmt.Sprintf("alert %d with crashes\n     %s\nwant %s", i, text, json)
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
	events, err := c.judges.events(s, final.accepted)
	if err != nil {
		return err.Error()
	}
	for _, ref := range s.Acts[0][0].Set.Rules {
		if ref.Name == "listed" || isAbove(ref.Name) { // the oracle knows no lists
			continue
		}
		if problem := c.compare(ref, c.judges.judge(ref, events), final.valid()); problem != "" {
			return problem
		}
	}
	return ""
}

// oracleAbove compares the alerts of rules on alerts with the oracle's answer
// over the accepted events and the alerts that stand.
func (c *earlyCase) oracleAbove(s *Script, p *played) string {
	if s.Seed%2 == 1 {
		return ""
	}
	for _, ref := range s.Acts[0][0].Set.Rules {
		if !isAbove(ref.Name) {
			continue
		}
		events, err := c.judges.events(s, p.accepted)
		if err != nil {
			return err.Error()
		}
		valid := p.valid()
		events = append(events, c.judges.alerts(valid)...)
		if problem := c.compare(ref, c.judges.judge(ref, events), valid); problem != "" {
			return problem
		}
	}
	return ""
}

// prompt compares what an early run says at some moment before the end with
// the oracle's answer over the events accepted until then: no alert and no
// correction waits for the watermark.
func (c *earlyCase) prompt(s *Script, free *played) string {
	if s.Seed%2 == 1 || free.capped > 0 {
		return ""
	}
	m := int(s.Seed/2) % len(free.moments)
	now := free.moments[m]
	events, err := c.judges.events(s, free.accepted[:now.accepted])
	if err != nil {
		return err.Error()
	}
	valid := standing{}
	valid.take(free.sent[:now.sent])
	for _, ref := range s.Acts[0][0].Set.Rules {
		if ref.Revision == finalRevision || !isEarly(ref.Name) || ref.Name == "listed" {
			continue
		}
		if problem := c.compare(ref, c.judges.judge(ref, events), valid); problem != "" {
			return fmt.Sprintf("moment %d: %s", m, problem)
		}
		c.seen.Prompt++
	}
	return ""
}

func (c *earlyCase) compare(ref task.Ref, want []string, valid standing) string {
	var got []string
	for _, a := range valid {
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
	return ""
}
