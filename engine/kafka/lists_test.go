package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const stolenText = `apiVersion: caltrop/v1
kind: List
name: stolen
topic: stolen-cards
attributes: {level: int}
`

const stolenUsedText = `apiVersion: caltrop/v1
kind: Rule
name: stolen-used
key: card_id
within: 5m
pattern: use
steps: {use: {stream: payment, where: 'in_list("stolen", card_id) && lookup("stolen", card_id).level > 1'}}
`

// newListBench is a bench with a rule that reads a list from a topic.
func newListBench(t *testing.T) *bench {
	b := newBench(t)
	b.topic("stolen-cards", 1)
	b.put(rules.KindList, "stolen", stolenText)
	b.put(rules.KindRule, "stolen-used", stolenUsedText)
	return b
}

// list writes an entry to the list's topic, "" deletes it.
func (b *bench) list(card, value string) {
	b.t.Helper()
	p, err := ck.NewProducer(b.cluster.clientConfig(nil))
	if err != nil {
		b.t.Fatal(err)
	}
	defer p.Close()
	m := record("stolen-cards", 0, []byte(card), nil)
	if value != "" {
		m.Value = []byte(value)
	}
	report := make(chan ck.Event, 1)
	if err := p.Produce(m, report); err != nil {
		b.t.Fatal(err)
	}
	<-report
}

// switched waits until the task of partition 0 has journaled a version of the
// list that ends at an offset.
func (b *bench) switched(offset int) {
	b.t.Helper()
	want := fmt.Sprintf("%d-", offset)
	b.until("the version "+want, func() bool {
		r, err := b.cluster.openReader(b.cluster.Topics().Journal("payment", 1), 0, ck.OffsetBeginning, onceWait)
		if err != nil {
			b.t.Fatal(err)
		}
		defer r.close()
		found := false
		err = r.rest(testContext(b.t), func(m *ck.Message) error {
			if isMark(m) {
				return nil
			}
			e, err := task.DecodeEntry(m.Value)
			for _, l := range e.Set.Lists {
				found = found || strings.HasPrefix(l.Content, want)
			}
			return err
		})
		if err != nil {
			b.t.Fatal(err)
		}
		return found
	})
}

// uses are one payment of each card, and one that moves the watermark past them.
func (b *bench) uses(second int, cards ...string) []string {
	var all []string
	for _, c := range cards {
		all = append(all, b.payment(c, "approved", second))
	}
	return append(all, b.payment("other", "approved", second+30))
}

// raisedBy tells the cards and list versions of the alerts of the list's rule.
func (b *bench) raisedBy() string {
	var all []string
	for _, a := range b.alerts() {
		if a.Rule == "stolen-used" {
			all = append(all, fmt.Sprintf("%s@%d", a.KeyText(), a.Lists["stolen"]))
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// A list from a topic changes while events come. Each event reads the version
// that was current when it was accepted; a process that starts over repeats all
// of it with the versions of then, which it reads from the topic, and raises
// nothing twice. A version that the topic does not hold any more halts it.
func TestListFromATopicAcrossRestarts(t *testing.T) {
	b := newListBench(t)
	b.list("c1", `{"level":2}`)
	b.list("c2", `{"level":1}`)
	e, stop := b.start(EngineOptions{Keeper: forgetful{}})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	b.switched(2)
	b.produce(b.uses(0, "c1", "c2", "c3")...)
	b.wantAlerts(1)
	b.list("c1", "")
	b.list("c2", `{"level":5}`)
	b.switched(4)
	b.produce(b.uses(100, "c1", "c2", "c3")...)
	b.wantAlerts(2)
	stop()
	b.list("c3", `{"level":9}`)
	stopRules := b.readRules()
	e, stop = b.start(EngineOptions{Keeper: forgetful{}})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	b.switched(5)
	b.produce(b.uses(200, "c1", "c3")...)
	b.wantAlerts(3)
	if got, want := b.raisedBy(), "c1@2 c2@4 c3@5"; got != want {
		t.Errorf("alerts %q, want %q", got, want)
	}
	stop()
	stopRules()
	topic := "stolen-cards"
	_, err := b.admin().DeleteRecords(testContext(t), []ck.TopicPartition{{Topic: &topic, Partition: 0, Offset: 2}})
	b.settled(err)
	b.readRules()
	e, _ = b.start(EngineOptions{Keeper: forgetful{}})
	b.halted(e, "a version of a list is gone")
}

// A task that is new waits for the lists that it begins with; one that runs goes
// on with the rules it has.
func TestTasksWaitForTheirLists(t *testing.T) {
	b := newListBench(t)
	stopRules := b.readRules()
	stopRules() // what it has read of the list is gone, and nobody reads on
	e := NewEngine(b.cluster, b.rules, EngineOptions{Keeper: forgetful{}})
	b.engines = append(b.engines, e)
	b.background(func(ctx context.Context) { e.Run(ctx) })
	b.until("a task that waits", func() bool { return strings.Contains(status(e).Reason, "lists [stolen]") })
	b.produce(b.fails("c1", 0)...)
	b.background(func(ctx context.Context) { b.rules.Run(ctx) })
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	b.wantAlerts(1)
}

// A topic is asked for what a list needs to know of it.
func TestTopicsOfListsAreLookedAt(t *testing.T) {
	b := newBench(t)
	results, err := b.admin().CreateTopics(testContext(t), []ck.TopicSpecification{{Topic: "kept", NumPartitions: 1, ReplicationFactor: 1,
		Config: map[string]string{"cleanup.policy": "compact", "min.compaction.lag.ms": "90000"}}})
	b.settled(err, results...)
	for topic, want := range map[string]rules.ListTopic{
		"kept": {Partitions: 1, Compacted: true, Lag: 90e9}, "nowhere": {}, "payments": {Partitions: 2, Deleted: true},
	} {
		if got, err := b.cluster.Lists().Look(testContext(t), topic); err != nil || got != want {
			t.Errorf("%s is %+v, %v; want %+v", topic, got, err, want)
		}
	}
	if err := b.cluster.Lists().Read(testContext(t), "kept", 0, 3, nil); err == nil || !strings.Contains(err.Error(), "before 3") {
		t.Errorf("reading past the end: %v", err)
	}
}
