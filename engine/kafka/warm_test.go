package kafka

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
)

const stormText = `apiVersion: caltrop/v1
kind: Rule
name: storm
key: card_id
within: 40s
pattern: fail{2,} -> ok -> fail2
steps:
  fail: {stream: payment, where: status == "declined"}
  ok: {stream: payment, where: status == "approved"}
  fail2: {stream: payment, where: status == "declined"}
`

// traffic are n payments, a little out of order, and one that lets event time
// pass them.
func (b *bench) traffic(r *rand.Rand, from, n int) []string {
	var all []string
	for i := range n {
		status := "declined"
		if r.IntN(3) == 0 {
			status = "approved"
		}
		all = append(all, b.payment(fmt.Sprint("c", r.IntN(3)), status, from+3*i-r.IntN(2)))
	}
	return append(all, b.payment("other", "approved", from+3*n+30))
}

// afterwards lists the alerts that the oracle raises for events of later, with
// earlier before them, by their last event.
func afterwards(t *testing.T, rule string, earlier, later []string) []string {
	t.Helper()
	setting, err := ceptest.Parse(streamText + "---\n" + rule)
	if err != nil {
		t.Fatal(err)
	}
	var lines [][]byte
	for _, v := range slices.Concat(earlier, later) {
		lines = append(lines, []byte(`{"stream":"payment",`+v[1:]))
	}
	found, err := setting.Judge(lines)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range found {
		last := a.Evidence[len(a.Evidence)-1].Events
		id := last[len(last)-1].ID
		if isOf(later, id) {
			all = append(all, fmt.Sprintf("%s %d %s", a.Key[0].Str(), a.At, id))
		}
	}
	slices.Sort(all)
	return all
}

// isOf reports whether an event is among these.
func isOf(events []string, id string) bool {
	return slices.ContainsFunc(events, func(v string) bool { return strings.Contains(v, fmt.Sprintf("%q", id)) })
}

// lastOf lists the committed alerts of a rule as afterwards does.
func (b *bench) lastOf(rule string) []string { return lasts(b.alerts(), rule) }

// lasts lists the alerts of a rule: key, moment, and the last event of the evidence.
func lasts(alerts []alert.Alert, rule string) []string {
	var all []string
	for _, a := range alerts {
		if a.Rule == rule {
			last := a.Evidence[len(a.Evidence)-1].Events
			all = append(all, fmt.Sprintf("%s %d %s", a.KeyText(), a.At, last[len(last)-1].ID))
		}
	}
	slices.Sort(all)
	return all
}

// crashOnce makes each task crash the first time that it gets to a point after
// stored is closed; crashed has those that did.
func crashOnce(stored <-chan struct{}, point Point) (crashed *sync.Map, fail func(TaskID, Point) error) {
	crashed = &sync.Map{}
	return crashed, func(id TaskID, at Point) error {
		select {
		case <-stored:
		default:
			return nil
		}
		if at != point {
			return nil
		}
		if _, again := crashed.LoadOrStore(id, true); again {
			return nil
		}
		return errors.New("crash")
	}
}

// TestARuleStartsWarm stores a rule beside tasks that have read for a while.
// Its alerts are those of a rule that had always been there, for all that comes
// after the switch; the oracle says which.
func TestARuleStartsWarm(t *testing.T) {
	cases := []struct {
		name  string
		rules []string // stored before the events come
		alone bool
		crash Point // after the rule was stored, once a task
	}{
		{"beside another rule", nil, false, ""},
		{"where no rule has read the stream", nil, true, ""},
		{"as a new revision", []string{strings.Replace(stormText, "40s", "20s", 1)}, false, ""},
		{"crash before the switch is committed", nil, false, BeforeTxnCommit},
		{"crash after it", nil, true, AfterTxnCommit},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			if c.alone {
				if err := b.rules.Delete(testContext(t), rules.KindRule, "failed", rules.Condition{}); err != nil {
					t.Fatal(err)
				}
			}
			for _, text := range c.rules {
				b.put(rules.KindRule, "storm", text)
			}
			stored := make(chan struct{})
			crashes, fail := crashOnce(stored, c.crash)
			e, _ := b.start(EngineOptions{Keeper: forgetful{}, Fail: fail})
			b.until("two live tasks", func() bool { return b.live(e) == 2 })
			r := rand.New(rand.NewPCG(7, 7))
			earlier := b.traffic(r, 0, 200)
			earlier = earlier[:len(earlier)-1] // events are held when the rule comes
			b.produce(earlier...)
			b.until("all to be read", func() bool { return b.read(e) >= len(earlier) })
			had := len(b.lastOf("storm"))
			close(stored)
			b.put(rules.KindRule, "storm", stormText)
			b.until("the rule to be live", func() bool { return b.live(e) == 2 })
			later := b.traffic(r, 600, 100)
			b.produce(later...)
			want := afterwards(t, stormText, earlier, later)
			b.until("the last alert", func() bool {
				return slices.Contains(b.lastOf("storm"), want[len(want)-1]) && len(b.lastOf("storm")) >= had+len(want)
			})
			got := b.lastOf("storm")
			got = slices.DeleteFunc(got, func(a string) bool { return isOf(earlier, a[strings.LastIndex(a, " ")+1:]) })
			if _, crashed := crashes.Load(e.task(intake{"payment", 1}, 0)); crashed != (c.crash != "") {
				t.Errorf("crashed: %t", crashed)
			}
			if !slices.Equal(got, want) || len(want) < 5 {
				t.Errorf("after the switch\n got %v\nwant %v", got, want)
			}
		})
	}
}

// read counts the records that the engine's tasks have read.
func (b *bench) read(e *Engine) int {
	n := 0
	for _, t := range e.Status().Tasks {
		n += int(t.Counts.Records)
	}
	return n
}

// TestAKeyedRuleStartsWarm stores a second rule on a keyed log that has been
// read for a while.
func TestAKeyedRuleStartsWarm(t *testing.T) {
	stream := strings.Replace(streamText, "partition_key: card_id", "partition_key: status", 1)
	b := newBenchOf(t, stream)
	e, _ := b.start(EngineOptions{Keeper: forgetful{}})
	b.until("all tasks live", func() bool { return b.live(e) == 4 })
	r := rand.New(rand.NewPCG(7, 7))
	earlier := b.traffic(r, 0, 200)
	b.produce(earlier...)
	b.write("payments", 1, b.payment("other", "approved", 3*200+30))
	b.wantSome("failed")
	b.until("all to be read", func() bool { return b.keyedRead(e) > len(earlier) })
	b.put(rules.KindRule, "storm", stormText)
	b.until("the rule to be live", func() bool { return b.live(e) == 4 })
	later := b.traffic(r, 620, 100)
	b.produce(later...)
	b.write("payments", 1, b.payment("other", "approved", 620+3*100+30))
	want := afterwards(t, stormText, earlier, later)
	b.until("the last alert", func() bool { return len(b.lastOf("storm")) >= len(want) })
	if got := b.lastOf("storm"); !slices.Equal(got, want) || len(want) < 5 {
		t.Errorf("after the switch\n got %v\nwant %v", got, want)
	}
}

func (b *bench) wantSome(rule string) {
	b.t.Helper()
	b.until("an alert of "+rule, func() bool { return len(b.lastOf(rule)) > 0 })
}

// keyedRead counts the events that tasks of keyed logs have read.
func (b *bench) keyedRead(e *Engine) int {
	n := 0
	for _, t := range e.Status().Tasks {
		if rules.IsKeyed(t.ID.Input) {
			n += int(t.Counts.Records)
		}
	}
	return n
}
