package kafka

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
)

// on stores a rule in a state.
func (b *bench) on(state rules.State, name, text string) {
	b.t.Helper()
	if _, _, err := b.rules.Put(testContext(b.t), rules.Change{Kind: rules.KindRule, Name: name, Text: []byte(text), State: state}); err != nil {
		b.t.Fatalf("storing %s as %s: %v", name, state, err)
	}
}

// move brings a rule to a state and waits until every task runs it so.
func (b *bench) move(e *Engine, name string, to rules.State) {
	b.t.Helper()
	if _, err := b.rules.Move(testContext(b.t), rules.Move{Name: name, To: to}); err != nil {
		b.t.Fatalf("%s to %s: %v", name, to, err)
	}
	b.until("the rule to be "+string(to), func() bool { return b.live(e) == 2 })
}

// onTrial lists the alerts of a rule on trial as lastOf does those that are live.
func (b *bench) onTrial(rule string) []string {
	b.t.Helper()
	var all []alert.Alert
	for _, m := range b.committed(b.cluster.Topics().Shadow()) {
		a, err := alert.ParseJSON(m.Value)
		if err != nil || a.Mode != "shadow" || a.Version != 1 {
			b.t.Fatalf("in the topic of rules on trial: %s, %v", m.Value, err)
		}
		all = append(all, *a)
	}
	return lasts(all, rule)
}

// TestAShadowIsPromotedAndPaused runs a rule on trial beside another, makes it live,
// pauses it and lets it go on, with a crash at each commit point once a task. Each
// alert of the oracle comes once: in the topic of its time, and while it is paused in none.
func TestAShadowIsPromotedAndPaused(t *testing.T) {
	b := newBench(t)
	var crashes sync.Map
	fail := func(id TaskID, at Point) error {
		if _, again := crashes.LoadOrStore(fmt.Sprint(id, at), true); again || at != BeforeTxnCommit && at != AfterTxnCommit {
			return nil
		}
		return errors.New("crash")
	}
	e, _ := b.start(EngineOptions{Keeper: forgetful{}, Fail: fail})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	r := rand.New(rand.NewPCG(11, 11))
	var spans [4][]string
	var before []string
	for i, to := range []rules.State{rules.Shadow, rules.Live, rules.Paused, rules.Live} {
		if i == 0 {
			b.on(to, "storm", stormText)
			b.until("the rule on trial", func() bool { return b.live(e) == 2 })
		} else {
			b.move(e, "storm", to)
		}
		crashes.Clear() // each state is crashed in
		traffic := b.traffic(r, i*400, 100)
		b.produce(traffic...)
		spans[i] = afterwards(t, stormText, before, traffic)
		before = append(before, traffic...)
		read := len(before)
		b.until("all to be read", func() bool { return b.read(e) >= read })
	}
	shadow, live := spans[0], slices.Concat(spans[1], spans[3])
	slices.Sort(live)
	b.until("all alerts", func() bool { return len(b.onTrial("storm")) >= len(shadow) && len(b.lastOf("storm")) >= len(live) })
	if got := b.onTrial("storm"); !slices.Equal(got, shadow) || len(shadow) < 5 {
		t.Errorf("on trial\n got %v\nwant %v", got, shadow)
	}
	if got := b.lastOf("storm"); !slices.Equal(got, live) || len(spans[1]) < 5 || len(spans[2]) < 5 || len(spans[3]) < 5 {
		t.Errorf("live\n got %v\nwant %v", got, live)
	}
}

// TestAShadowRunsBesideTheLiveRevision stores a stricter text on trial beside a live
// rule, and retires the rule in the end.
func TestAShadowRunsBesideTheLiveRevision(t *testing.T) {
	b := newBench(t)
	e, _ := b.engine()
	b.on(rules.Shadow, "failed", strings.Replace(ruleText, "{3}", "{4}", 1))
	b.until("the rule on trial", func() bool { return b.live(e) == 2 })
	b.produce(append(b.fails("c1", 0), b.payment("c1", "declined", 40), b.payment("other", "approved", 80))...)
	b.until("an alert of each", func() bool { return len(b.lastOf("failed")) == 1 && len(b.onTrial("failed")) == 1 })
	modes := map[string]bool{}
	for _, s := range e.Status().Tasks {
		for _, r := range s.Rules {
			modes[fmt.Sprintf("%d %s", r.Ref.Revision, r.Mode)] = true
		}
	}
	if !modes["1 live"] || !modes["2 shadow"] || len(modes) != 2 {
		t.Errorf("at work: %v", modes)
	}
	b.move(e, "failed", rules.Retired)
	b.until("nothing at work", func() bool {
		n := 0
		for _, s := range e.Status().Tasks {
			for _, r := range s.Rules {
				if r.Live { // else it only finishes what is held
					n++
				}
			}
		}
		return n == 0
	})
}
