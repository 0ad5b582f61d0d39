package enginetest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
)

var (
	chains    = flag.Int("chains", 200, "how many random chains of rules TestChainsAgreeWithOracle compares")
	chainSeed = flag.Uint64("chains.seed", 1, "seed of TestChainsAgreeWithOracle")
)

// TestChainsAgreeWithOracle compares task and oracle on random rules, rules on
// their alerts and rules on those: two keys, three streams, disorder within
// the lateness (docs/language.md, Rules on rules).
func TestChainsAgreeWithOracle(t *testing.T) {
	t.Parallel()
	compared, above, refused := 0, 0, 0
	for n := range *chains {
		c := newChainCase(rand.New(rand.NewPCG(*chainSeed, uint64(n))))
		set, problems := rules.Check(nil, rules.Source{Name: "chain", Text: []byte(c.text)})
		if syntax.Failed(problems) {
			if refused++; !c.mayBeRefused(problems) {
				t.Fatalf("seed %d, chain %d: %v\n%s", *chainSeed, n, problems, c.text)
			}
			continue
		}
		c.draw(set)
		want, got := c.judge(t, set), c.run(t, set)
		if want != got {
			t.Fatalf("seed %d, chain %d\n%s\nevents %s\nonly the oracle gives\n%s\nonly the task gives\n%s", *chainSeed, n, c.text, describe("", c.arrival), missing(want, got), missing(got, want))
		}
		compared += strings.Count(want, "\n")
		above += strings.Count(want, "d1 ") + strings.Count(want, "d2 ")
	}
	if above < *chains/4 {
		t.Errorf("only %d alerts of rules on rules in %d chains: the generator has gone blind", above, *chains)
	}
	t.Logf("seed %d: %d chains, %d refused, %d alerts agree, %d of rules on rules", *chainSeed, *chains, refused, compared, above)
}

// A chainCase is a chain of four rules: r1 and r2 over streams, d1 over their
// alerts, d2 over those of all three.
type chainCase struct {
	rng     *rand.Rand
	text    string
	reads   map[string][]string
	arrival []*event.Event
}

func newChainCase(rng *rand.Rand) *chainCase {
	c := &chainCase{rng: rng, reads: map[string][]string{}}
	texts := []string{strings.ReplaceAll(ceptest.DraftText(""), "lateness: 0s", "lateness: 10s")}
	texts[0] = texts[0][:strings.LastIndex(texts[0], "---")]
	for i, name := range []string{"r1", "r2"} {
		body := ceptest.RandomRule(rng, ceptest.AllOptions()).Body()
		for strings.Contains(body, "profile.") { // judged elsewhere
			body = ceptest.RandomRule(rng, ceptest.AllOptions()).Body()
		}
		body = strings.Replace(body, "measures: {}", "measures: {m0: '3'}", 1)
		if !strings.Contains(body, "measures") {
			body += "alert: {measures: {m0: '" + c.pick("1 + 1", "3") + "'}" + c.pick("", ", suppress: 5s") + "}\n"
		}
		texts = append(texts, fmt.Sprintf("apiVersion: caltrop/v1\nkind: Rule\nname: %s\nseverity: %s\nscore: %d\nkey: k\n%s", name, c.pick("low", "high"), 10+30*i, body))
	}
	texts = append(texts, c.above("d1", `rule in ["r1", "r2"]`), c.above("d2", c.pick(`rule == "r1" || rule == "d1"`, `rule != "r2" && score < 60`)))
	c.text = strings.Join(texts, "---\n")
	return c
}

func (c *chainCase) pick(from ...string) string { return from[c.rng.IntN(len(from))] }

// above writes a rule over the alerts that read selects.
func (c *chainCase) above(name, read string) string {
	n := 1 + c.rng.IntN(3)
	all := map[string][]string{"d1": {"r1", "r2"}, "d2": {"r1", "d1"}}[name]
	limits := "limits: {runs_per_key: 100000}\n"
	step := func(step string) string {
		only := c.pick("", "", "", " && m0 > 1", ` && rule != "r2"`, " && has(m0)", " && score > 20")
		for _, below := range all { // what the steps leave open; the score of r1 is 10
			if !(only == ` && rule != "r2"` && below == "r2" || only == " && score > 20" && below == "r1") && !slices.Contains(c.reads[name], below) {
				c.reads[name] = append(c.reads[name], below)
			}
		}
		return fmt.Sprintf("  %s: {stream: alerts, where: '(%s)%s'%s}\n", step, read, only, map[bool]string{true: c.pick("", "", ", gap: 3s")}[step == "y"])
	}
	also := func(name string) string {
		return fmt.Sprintf("  %s: {stream: e, where: 'kind == \"%s\"', key: k}\n", name, c.pick("a", "b", "c"))
	}
	within := fmt.Sprintf("within: %ds\n", []int{3, 8, 20}[c.rng.IntN(3)])
	var body string
	switch c.rng.IntN(9) {
	case 0:
		body = within + "pattern: 'x " + c.pick("->", ",") + " y'\nsteps:\n" + step("x") + step("y")
	case 1:
		body = within + fmt.Sprintf("pattern: 'x{%d,}'\nsteps:\n", n) + step("x")
	case 2:
		body = within + "pattern: 'x -> " + c.pick("z", "!z", "!z -> y") + "'\nsteps:\n" + step("x") + also("z")
		if strings.Contains(body, "-> y") {
			body += step("y")
		}
	case 3:
		body = within + "pattern: 'z " + c.pick("->", ",") + " x'\nsteps:\n" + step("x") + also("z")
	case 4:
		body = within + "pattern: '!z -> x'\nsteps:\n" + step("x") + also("z")
	case 5:
		body = within + "pattern: 'x -> y'\nsteps:\n" + step("x") + strings.Replace(step("y"), "where: '", "where: 'm0 >= x.m0 && score >= x.score && ", 1)
	case 6:
		c.reads[name] = all
		body = fmt.Sprintf("window: {stream: alerts, where: '%s', %s: %ds}\nvalues: {n: count(), total: sum(score), most: max(m0), rules: distinct(rule)}\nhaving: %s >= %d\n",
			read, c.pick("rolling", "tumbling", "session"), 2+n, c.pick("n", "rules", "total / 20"), n)
		limits = ""
	case 7:
		c.reads[name] = all
		body = fmt.Sprintf("window: {stream: [alerts, e], where: {alerts: '%s'}, keys: {e: k}, %s: %ds}\nvalues: {n: count(), total: sum(alerts.score), v: sum(e.v)}\nhaving: n >= %d && total > 5\n",
			read, c.pick("rolling", "tumbling"), 2+n, n)
		limits = ""
	case 8:
		body = within + "pattern: 'x ->> y'\nemit: all\nsteps:\n" + step("x") + step("y")
		limits = "limits: {runs_per_key: 100000, matches_per_event: 100000}\n"
	}
	return fmt.Sprintf("apiVersion: caltrop/v1\nkind: Rule\nname: %s\nscore: 50\nkey: key\n%s%salert: {measures: {m0: '%d'}%s}\n", name, body, limits, n, c.pick("", "", ", suppress: 3s"))
}

// mayBeRefused: random patterns often are, rules on alerts only where a measure
// that they read has two types.
func (c *chainCase) mayBeRefused(problems []syntax.Problem) bool {
	last := strings.Count(c.text[:strings.Index(c.text, "name: d1")], "\n")
	return slices.ContainsFunc(problems, func(p syntax.Problem) bool {
		return p.Line <= last || strings.Contains(p.Hint, "where all rules give it one type")
	})
}

// draw makes events of two keys and lets them arrive out of order.
func (c *chainCase) draw(set *rules.Set) {
	schemas := map[string]*event.Schema{}
	for _, st := range set.Streams {
		schemas[st.Doc.Name] = st.Schema
	}
	for key := range 2 {
		for i, rule := range []*syntax.Rule{set.Rule("r1").Doc, set.Rule("r2").Doc, {Steps: []*syntax.Step{{Stream: "e"}}}} {
			s := &ceptest.Setting{Schemas: schemas, Rule: rule}
			for _, ev := range ceptest.RandomEvents(c.rng, s, 1+c.rng.IntN(ceptest.MaxEvents/2)) {
				ev.ID = fmt.Sprintf("%s%d%d", ev.ID, key, i)
				for i, v := range ev.Values {
					if v == event.StringOf("k1") {
						ev.Values[i] = event.StringOf([]string{"k1", "k3"}[key])
					}
				}
				c.arrival = append(c.arrival, ev)
			}
		}
	}
	arrives := map[*event.Event]int64{}
	for _, ev := range c.arrival {
		arrives[ev] = ev.Time + c.rng.Int64N(10_000_000)
	}
	slices.SortStableFunc(c.arrival, func(a, b *event.Event) int { return int(arrives[a] - arrives[b]) })
	offsets := map[string]int64{}
	for _, ev := range c.arrival {
		ev.Offset = offsets[ev.Schema.Stream]
		offsets[ev.Schema.Stream]++
	}
}

func alertName(r *syntax.Rule, a *ceptest.Alert) string {
	id := &alert.Identity{Rule: r.Name, Revision: 1, Key: ceptest.KeyText(a.Key)}
	switch a.By {
	case ceptest.ByEvent:
		id.By = alert.ByEvent(a.Event.ID)
	case ceptest.ByDeadline:
		id.By = alert.ByDeadline(a.Instant)
	case ceptest.ByWindow:
		id.By = alert.ByWindow(a.Instant)
	}
	if r.Emit == "all" {
		for _, s := range a.Evidence {
			id.Evidence = append(id.Evidence, alert.Step{Name: s.Step, Events: s.Events})
		}
	}
	return alert.MakeID(id).String()
}

func (c *chainCase) judge(t *testing.T, set *rules.Set) string {
	t.Helper()
	schemas := map[string]*event.Schema{}
	for _, st := range set.Streams {
		schemas[st.Doc.Name] = st.Schema
	}
	var lists []*syntax.List
	for _, l := range set.Lists {
		lists = append(lists, l.Doc)
	}
	var linked []ceptest.Linked
	for _, name := range []string{"r1", "r2", "d1", "d2"} {
		linked = append(linked, ceptest.Linked{Rule: set.Rule(name).Doc, Reads: c.reads[name], Lists: lists})
	}
	sent, err := ceptest.Chain(linked, schemas, c.arrival, 0, alertName)
	if err != nil {
		t.Fatalf("%v\n%s", err, c.text)
	}
	var lines []string
	for rule, alerts := range sent {
		for i := range alerts {
			a := &alerts[i]
			line := fmt.Sprintf("%s %d %s %s", rule, a.At, ceptest.KeyText(a.Key), alertName(set.Rule(rule).Doc, a))
			for _, s := range a.Evidence {
				line += describe(s.Step, s.Events)
			}
			for _, m := range a.Measures {
				line += " " + m.Name + "=" + string(m.Value.AppendText(nil))
			}
			lines = append(lines, line+"\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (c *chainCase) run(t *testing.T, set *rules.Set) string {
	t.Helper()
	conf := task.Config{Resolver: set, State: state.NewMemory(), Covered: true}
	source := map[string]int{}
	for i, st := range set.Streams {
		source[st.Doc.Name] = i
		conf.Sources = append(conf.Sources, task.Source{Stream: st.Doc.Name})
	}
	tk := task.New(conf)
	var eff task.Effects
	var lines []string
	note := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for i := range eff.Alerts {
			if a := &eff.Alerts[i]; a.Version == 1 {
				line := fmt.Sprintf("%s %d %s %s", a.Rule, a.At, a.KeyText(), a.ID)
				for _, s := range a.Evidence {
					line += describe(s.Name, s.Events)
				}
				for _, m := range a.Measures {
					line += " " + m.Name + "=" + string(m.Value.AppendText(nil))
				}
				lines = append(lines, line+"\n")
			}
		}
		eff.Reset()
	}
	note(tk.Apply(task.Entry{Kind: task.Switch, Set: set.Names()}, &eff))
	for i, ev := range c.arrival {
		sent := *ev
		sent.Values = slices.Clone(ev.Values)
		note(tk.Step(&task.Record{Offset: int64(i), Source: source[ev.Schema.Stream], SourceOffset: ev.Offset, Event: &sent}, &eff))
	}
	note(tk.Close(&eff))
	if n := tk.Counts().Late; n > 0 {
		t.Fatalf("%d events were late\n%s", n, c.text)
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// missing returns the lines of a that b has not.
func missing(a, b string) string {
	var lines []string
	for line := range strings.Lines(a) {
		if !strings.Contains(b, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
