package kafka

import (
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/engine/backtest"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const strangersText = `apiVersion: caltrop/v1
kind: Rule
name: stranger
key: card_id
within: 5m
pattern: pay
steps: {pay: {stream: payment, where: '!in_list("known", card_id)'}}
`

const knownText = `apiVersion: caltrop/v1
kind: List
name: known
entries: [other]
`

// compared runs the job again and compares.
func (b *bench) compared() *backtest.Result {
	b.t.Helper()
	p := backtest.Plan{Live: &backtest.Live{Job: b.cluster.History(), Rules: b.rules}, Dir: b.t.TempDir(), Parallel: 2}
	r, err := backtest.Run(testContext(b.t), p, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// Direct and keyed tasks run again from their logs and journals give what they
// gave, though a rule and a list changed in between (language §8).
func TestABacktestOfTheJournalEqualsLive(t *testing.T) {
	b := newRoutedBench(t)
	b.put(rules.KindList, "known", knownText)
	b.put(rules.KindRule, "stranger", strangersText)
	e, _ := b.start(EngineOptions{Keeper: forgetful{}})
	adopted := func() bool { return b.live(e) == 2+2+2+3 } // payments, card_id twice, and their routes
	b.until("all tasks", adopted)
	b.write("logins", 2, b.login("c1", 0))
	b.produce(b.fails("c1", 10)...)
	b.pass(100)
	b.wantAlerts(5) // failed, takeover, three strangers
	b.put(rules.KindList, "known", strings.Replace(knownText, "[other]", "[other, c1]", 1))
	b.put(rules.KindRule, "failed", strings.Replace(ruleText, "fail{3}", "fail{2}", 1))
	b.until("the new revisions", adopted)
	b.write("logins", 2, b.login("c1", 400))
	b.produce(b.fails("c1", 410)...)
	b.pass(500)
	b.wantAlerts(7) // and failed by two, takeover, no stranger
	r := b.compared()
	if c := r.Live; !c.Equal || c.Alerts != 7 || c.Tasks != 4 {
		t.Errorf("got %+v", r.Live)
	}
	if len(r.Alerts) != 7 || len(r.Rules) != 3 || len(r.Inputs) != 4 {
		t.Errorf("%d alerts, rules %+v, inputs %+v", len(r.Alerts), r.Rules, r.Inputs)
	}
}

// What the topic has more, less, twice or otherwise is told, each.
func TestABacktestOfTheJournalTellsDifferences(t *testing.T) {
	b := newBench(t)
	b.engine()
	b.produce(b.fails("c1", 10)...)
	b.produce(b.fails("c2", 50)...)
	b.produce(b.fails("c3", 90)...)
	b.wantAlerts(3)
	all := b.alerts()
	slices.SortFunc(all, func(x, y alert.Alert) int { return int(x.At - y.At) })
	strange, changed := all[0], all[1]
	strange.Version = 7
	changed.Score++
	topic := b.cluster.Topics().Alerts()
	b.empty(topic)
	for _, a := range []alert.Alert{strange, changed, all[2], all[2]} {
		b.write(topic, 0, string(a.AppendJSON(nil)))
	}
	got := map[backtest.DifferenceKind]string{}
	for _, d := range b.compared().Live.Differences {
		got[d.What] += d.Key
	}
	want := map[backtest.DifferenceKind]string{backtest.OnlyBacktest: "c1", backtest.OnlyLive: "c1", backtest.Unequal: "c2", backtest.Twice: "c3"}
	for kind, key := range want {
		if got[kind] != key {
			t.Errorf("%s: %q, want %q; all %v", kind, got[kind], key, got)
		}
	}
}

// empty removes all records of a topic of ours.
func (b *bench) empty(topic string) {
	b.t.Helper()
	var places []ck.TopicPartition
	for p := range int32(outputPartitions) {
		places = append(places, ck.TopicPartition{Topic: &topic, Partition: p, Offset: ck.OffsetEnd})
	}
	if _, err := b.admin().DeleteRecords(testContext(b.t), places); err != nil {
		b.t.Fatal(err)
	}
}
