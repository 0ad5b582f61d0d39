package kafka

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const loginText = `apiVersion: caltrop/v1
kind: Stream
name: login
source: {topic: logins}
time: {field: ts, unit: ms}
id: event_id
partition_key: user
lateness: 1s
idle: 0s
fields: {user: string, card: string}
`

// takeoverText reads two streams that are keyed differently.
const takeoverText = `apiVersion: caltrop/v1
kind: Rule
name: takeover
key: card_id
within: 5m
pattern: entry -> fail{2}
steps:
  entry: {stream: login, key: card}
  fail: {stream: payment, where: status == "declined"}
`

// newRoutedBench is a bench with a rule over two streams beside the direct one.
func newRoutedBench(t *testing.T) *bench {
	b := newBench(t)
	b.topic("logins", 3)
	b.put(rules.KindStream, "login", loginText)
	b.put(rules.KindRule, "takeover", takeoverText)
	return b
}

func (b *bench) topic(name string, partitions int) {
	b.t.Helper()
	results, err := b.admin().CreateTopics(testContext(b.t), []ck.TopicSpecification{{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}})
	b.settled(err, results...)
}

// write writes one record to a partition.
func (b *bench) write(topic string, partition int32, value string) {
	b.t.Helper()
	p, err := ck.NewProducer(b.cluster.clientConfig(nil))
	if err != nil {
		b.t.Fatal(err)
	}
	defer p.Close()
	report := make(chan ck.Event, 1)
	if err := p.Produce(record(topic, partition, nil, []byte(value)), report); err != nil {
		b.t.Fatal(err)
	}
	<-report
}

func (b *bench) login(card string, second int) string {
	b.seq++
	return fmt.Sprintf(`{"event_id":"l%d","ts":%d,"user":"u","card":%q}`, b.seq, int64(1_700_000_000+second)*1000, card)
}

// pass moves the watermark of every partition past a second.
func (b *bench) pass(second int) {
	for p := range int32(2) {
		b.write("payments", p, b.payment("other", "approved", second+2))
	}
	for p := range int32(3) {
		b.write("logins", p, b.login("other", second+2))
	}
}

func TestARuleOverTwoStreamsRaisesAnAlertOnce(t *testing.T) {
	b := newRoutedBench(t)
	for card := range 3 {
		name := fmt.Sprintf("c%d", card)
		b.write("logins", int32(card), b.login(name, 0))
		b.write("payments", 1, b.payment(name, "declined", 1))
		b.write("payments", 0, b.payment(name, "declined", 2))
	}
	b.pass(10)
	_, stop := b.start(EngineOptions{Keeper: forgetful{}})
	b.wantAlerts(3)
	stop()
	b.start(EngineOptions{Keeper: forgetful{}})
	b.write("logins", 2, b.login("c9", 100))
	b.write("payments", 1, b.payment("c9", "declined", 101))
	b.write("payments", 0, b.payment("c9", "declined", 102))
	b.pass(110)
	b.wantAlerts(4)
}

// TestT57RulesOnDifferentKeysDoNotFenceEachOther runs a direct rule and rules of
// two keys in one job, so that tasks of three kinds have the same partition
// numbers: none fences another, and bad input is a dead letter once.
func TestT57RulesOnDifferentKeysDoNotFenceEachOther(t *testing.T) {
	b := newRoutedBench(t)
	b.put(rules.KindRule, "users", "apiVersion: caltrop/v1\nkind: Rule\nname: users\nkey: card\nwithin: 5m\npattern: entry{2}\nsteps: {entry: {stream: login}}\n")
	e, _ := b.start(EngineOptions{Keeper: forgetful{}})
	b.until("all tasks live", func() bool { return b.live(e) == 2+2+3+2+2 })
	b.write("payments", 0, "nonsense")
	b.write("logins", 0, "nonsense")
	b.write("logins", 0, b.login("c1", 0))
	b.write("logins", 1, b.login("c1", 1))
	b.produce(b.fails("c1", 2)...)
	b.pass(60)
	b.wantAlerts(3) // failed, takeover, users
	seen := map[string]bool{}
	for _, s := range e.Status().Tasks {
		if s.State != StateLive || seen[s.ID.String()] {
			t.Errorf("task %s is %s: %s", s.ID, s.State, s.Reason)
		}
		seen[s.ID.String()] = true
	}
	if n := len(b.dead()); n != 2 {
		t.Errorf("%d dead letters, want one for each bad record", n)
	}
}

// TestAnIdlePartitionLetsARoutedRuleFire raises an absence by the clock alone:
// every partition is silent, and one of the streams has never had an event.
func TestAnIdlePartitionLetsARoutedRuleFire(t *testing.T) {
	b := newBench(t)
	b.topic("logins", 3)
	b.topic("charges", 2)
	b.put(rules.KindStream, "login", strings.Replace(loginText, "idle: 0s", "idle: 1s", 1))
	b.put(rules.KindStream, "charge", strings.NewReplacer("name: payment", "name: charge", "payments", "charges", "idle: 0s", "idle: 1s").Replace(streamText))
	b.put(rules.KindRule, "unannounced", "apiVersion: caltrop/v1\nkind: Rule\nname: unannounced\nkey: card_id\nwithin: 1s\n"+
		"pattern: pay -> !entry\nsteps: {pay: {stream: charge}, entry: {stream: login, key: card}}\n")
	b.start(EngineOptions{Keeper: forgetful{}})
	b.write("charges", 1, fmt.Sprintf(`{"event_id":"x","ts":%d,"card_id":"c1","status":"ok"}`, time.Now().UnixMilli()))
	b.wantAlerts(1)
}

func TestMorePartitionsOfARoutedStreamHaltItsTasks(t *testing.T) {
	b := newRoutedBench(t)
	e, _ := b.start(EngineOptions{Keeper: forgetful{}})
	b.until("all tasks live", func() bool { return b.live(e) == 2+2+3+2 })
	results, err := b.admin().CreatePartitions(testContext(t), []ck.PartitionsSpecification{{Topic: "logins", IncreaseTo: 4}})
	b.settled(err, results...)
	b.until("the routing tasks of logins halted", func() bool {
		n := 0
		for _, s := range e.Status().Tasks {
			if s.Topic == "logins" && s.State == StateHalted {
				n++
			}
		}
		return n >= 3
	})
}
