package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const streamText = `apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
id: event_id
partition_key: card_id
lateness: 1s
idle: 0s
fields: {card_id: string, status: string}
`

const ruleText = `apiVersion: caltrop/v1
kind: Rule
name: failed
key: card_id
within: 5m
pattern: fail{3}
steps: {fail: {stream: payment, where: status == "declined"}}
`

// forgetful is a keeper without checkpoints: each tenure repeats everything.
type forgetful struct{}

func (forgetful) Open(_ context.Context, _ TaskID, conf task.Config) (Kept, error) {
	conf.State = state.NewMemory()
	return &forgotten{task.New(conf)}, nil
}

func (f forgetful) OpenShare(context.Context, TaskID, task.Config, checkpoint.Share) (Kept, error) {
	return nil, checkpoint.ErrUnsealed
}
func (forgetful) From() (*checkpoint.Savepoint, error) { return nil, nil }
func (forgetful) Sealed(string) ([]string, error)      { return nil, nil }
func (forgetful) Checkpointed(string) (bool, error)    { return false, nil }

type forgotten struct{ t *task.Task }

func (f *forgotten) Task() *task.Task      { return f.t }
func (f *forgotten) Oldest() task.Position { return task.Position{} }
func (f *forgotten) Close() error          { return nil }
func (f *forgotten) Full() bool            { return false }
func (f *forgotten) Copy(int)              {}
func (f *forgotten) Imported() bool        { return false }
func (f *forgotten) CutAs(string) (func(context.Context) error, error) {
	return f.Cut()
}
func (f *forgotten) Cut() (func(context.Context) error, error) {
	return func(context.Context) error { return nil }, nil
}

// A bench is a broker with the topics of one stream and one rule.
type bench struct {
	t       *testing.T
	broker  *kfake.Cluster
	cluster *Cluster
	rules   *rules.Registry
	seq     int
	engines []*Engine
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return newBenchOf(t, streamText)
}

func newBenchOf(t *testing.T, stream string) *bench {
	t.Helper()
	t.Parallel()
	broker, c := startBroker(t, "payments")
	return benchOn(t, broker, c, stream)
}

func benchOn(t *testing.T, broker *kfake.Cluster, c *Cluster, stream string) *bench {
	t.Helper()
	b := &bench{t: t, broker: broker, cluster: c}
	if err := c.Prepare(testContext(t)); err != nil {
		t.Fatal(err)
	}
	b.readRules()
	b.put(rules.KindStream, "payment", stream)
	b.put(rules.KindRule, "failed", ruleText)
	return b
}

// readRules makes a registry that reads the rules and lists anew, as a process
// does that starts.
func (b *bench) readRules() (stop context.CancelFunc) {
	r := rules.NewRegistry(rules.Options{Log: b.cluster.RulesLog(), Lists: b.cluster.Lists(), ListsEvery: time.Millisecond, ListsKept: time.Hour})
	stop = b.background(func(ctx context.Context) { r.Run(ctx) })
	<-r.Ready()
	b.rules = r
	return stop
}

// background runs do until the end of the test.
func (b *bench) background(do func(context.Context)) context.CancelFunc {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); do(ctx) }()
	stop := func() { cancel(); <-done }
	b.t.Cleanup(stop)
	return stop
}

func (b *bench) put(kind rules.Kind, name, text string) {
	b.t.Helper()
	if _, _, err := b.rules.Put(testContext(b.t), rules.Change{Kind: kind, Name: name, Text: []byte(text)}); err != nil {
		b.t.Fatalf("storing %s: %v", name, err)
	}
}

// engine starts an engine and waits until both partitions are live.
func (b *bench) engine() (e *Engine, stop context.CancelFunc) {
	b.t.Helper()
	e, stop = b.start(EngineOptions{Keeper: forgetful{}})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	return e, stop
}

// start starts an engine.
func (b *bench) start(o EngineOptions) (e *Engine, stop context.CancelFunc) {
	e = NewEngine(b.cluster, b.rules, o)
	b.engines = append(b.engines, e)
	return e, b.background(func(ctx context.Context) {
		if err := e.Run(ctx); err != nil {
			b.t.Errorf("the engine ended with %v", err)
		}
	})
}

func (b *bench) live(e *Engine) int {
	n := 0
	for _, t := range e.Status().Tasks {
		if t.State == StateLive && t.RulesVersion == b.rules.Current().Version {
			n++
		}
	}
	return n
}

// until polls another goroutine's work.
func (b *bench) until(what string, holds func() bool) {
	b.t.Helper()
	for ctx := testContext(b.t); !holds(); {
		if !pause(ctx, 100*time.Millisecond) {
			for _, e := range b.engines {
				b.t.Logf("engine: %+v", e.Status())
			}
			b.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// produce writes values to partition 0 of the source.
func (b *bench) produce(values ...string) {
	b.t.Helper()
	p, err := ck.NewProducer(b.cluster.clientConfig(nil))
	if err != nil {
		b.t.Fatal(err)
	}
	defer p.Close()
	reports := make(chan ck.Event, len(values))
	for _, v := range values {
		if err := p.Produce(record("payments", 0, []byte("c1"), []byte(v)), reports); err != nil {
			b.t.Fatal(err)
		}
	}
	for range values {
		<-reports
	}
}

// payment is one event at a second of event time.
func (b *bench) payment(card, status string, second int) string {
	b.seq++
	return fmt.Sprintf(`{"event_id":"e%d","ts":%d,"card_id":%q,"status":%q}`, b.seq, int64(1_700_000_000+second)*1000, card, status)
}

// alerts reads all committed alerts.
func (b *bench) alerts() []alert.Alert {
	b.t.Helper()
	var all []alert.Alert
	for _, m := range b.committed(b.cluster.Topics().Alerts()) {
		a, err := alert.ParseJSON(m.Value)
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, *a)
	}
	return all
}

// committed reads all committed records of a topic of ours.
func (b *bench) committed(topic string) []*ck.Message {
	b.t.Helper()
	r, err := b.cluster.openReader(topic, 0, ck.OffsetBeginning, onceWait)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.close()
	var places []ck.TopicPartition
	for i := range int32(outputPartitions) {
		places = append(places, ck.TopicPartition{Topic: &topic, Partition: i, Offset: ck.OffsetBeginning})
	}
	if err := r.client.Assign(places); err != nil {
		b.t.Fatal(err)
	}
	var all []*ck.Message
	for range places {
		err := r.rest(testContext(b.t), func(m *ck.Message) error { all = append(all, m); return nil })
		if err != nil {
			b.t.Fatal(err)
		}
	}
	return all
}

func (b *bench) wantAlerts(n int) {
	b.t.Helper()
	b.until(fmt.Sprintf("%d alerts", n), func() bool { return len(b.alerts()) >= n })
	got := b.alerts()
	ids := make([]string, len(got))
	for i := range got {
		ids[i] = got[i].ID.String()
	}
	slices.Sort(ids)
	if distinct := len(slices.Compact(slices.Clone(ids))); len(got) != n || distinct != n {
		b.t.Errorf("%d alerts, %d distinct; want %d: %v", len(got), distinct, n, ids)
	}
}

// fails are three declined payments of a card and one later event that moves
// the watermark past them.
func (b *bench) fails(card string, second int) []string {
	return []string{
		b.payment(card, "declined", second), b.payment(card, "declined", second+1),
		b.payment(card, "declined", second+2), b.payment("other", "approved", second+30),
	}
}

func TestAnAlertIsRaisedOnceAcrossRestarts(t *testing.T) {
	b := newBench(t)
	_, stop := b.engine()
	b.produce(b.fails("c1", 0)...)
	b.wantAlerts(1)
	stop()
	_, stop = b.engine()
	b.produce(b.fails("c2", 100)...)
	b.wantAlerts(2)
	stop()
	b.produce(b.fails("c3", 200)...)
	b.engine()
	b.wantAlerts(3)
}

func TestARuleStoredWhileTasksRunIsAdopted(t *testing.T) {
	b := newBench(t)
	e, _ := b.engine()
	b.put(rules.KindRule, "failed-twice", strings.NewReplacer("failed", "failed-twice", "{3}", "{2}").Replace(ruleText))
	b.until("two tasks with the new rule", func() bool { return b.live(e) == 2 })
	b.produce(b.fails("c1", 0)...)
	b.wantAlerts(2)
}

func TestPoisonGoesToTheDeadLettersAndReadingGoesOn(t *testing.T) {
	b := newBench(t)
	b.engine()
	b.produce("{", "\xff\xfe", `{"card_id":"c1"}`)
	b.produce(b.fails("c1", 0)...)
	b.wantAlerts(1)
	b.until("three dead letters", func() bool { return len(b.dead()) == 3 })
	for _, m := range b.dead() {
		h := headers(m)
		if h["reason"] == "" || h["topic"] != "payments" || h["partition"] != "0" || h["stream"] != "payment" {
			t.Errorf("dead letter %q has headers %v", m.Value, h)
		}
	}
}

func TestTwoEnginesShareThePartitionsAndTakeOver(t *testing.T) {
	b := newBench(t)
	first, stop := b.engine()
	second := NewEngine(b.cluster, b.rules, EngineOptions{Keeper: forgetful{}})
	b.background(func(ctx context.Context) { second.Run(ctx) })
	b.until("one task each", func() bool { return b.live(first) == 1 && b.live(second) == 1 })
	b.produce(b.fails("c1", 0)...)
	b.wantAlerts(1)
	stop()
	b.until("both tasks at the second", func() bool { return b.live(second) == 2 })
	b.produce(b.fails("c2", 100)...)
	b.wantAlerts(2)
}

// Deployments with prefixes of their own share brokers and the default name of the
// job: neither fences the other.
func TestTwoPrefixesOfOneJobShareTheBrokers(t *testing.T) {
	b := newBench(t)
	ids := make(chan string, 1000)
	b.broker.ControlKey(int16(kmsg.InitProducerID), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		ids <- *req.(*kmsg.InitProducerIDRequest).TransactionalID
		return nil, nil, false
	})
	b.engine()
	other := benchOn(t, b.broker, openOptions(t, Options{Brokers: b.broker.ListenAddrs(), Job: "test", Prefix: "other", KeyedPartitions: 2}), streamText)
	other.engine()
	b.produce(b.fails("c1", 0)...)
	b.wantAlerts(1)
	other.wantAlerts(1)
	seen := map[string]int{}
	for len(ids) > 0 {
		prefix, _, _ := strings.Cut(<-ids, ".")
		seen[prefix]++
	}
	if len(seen) != 2 || seen["caltrop"] < 2 || seen["other"] < 2 {
		t.Errorf("producers by what their ids begin with: %v, want those of caltrop and other", seen)
	}
}

// The topic of alerts is deleted: it is made again, and what was not committed
// comes, without a restart.
func TestADeletedTopicOfAlertsComesBack(t *testing.T) {
	b := newBench(t)
	b.engine()
	b.produce(b.fails("c1", 0)...)
	b.wantAlerts(1)
	admin, err := b.cluster.admin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DeleteTopics(testContext(t), []string{b.cluster.Topics().Alerts()}); err != nil {
		t.Fatal(err)
	}
	b.produce(b.fails("c2", 100)...)
	b.until("the topic", func() bool { n, err := b.cluster.Partitions(b.cluster.Topics().Alerts()); return n > 0 && err == nil })
	b.wantAlerts(1)
}

func (b *bench) dead() []*ck.Message { return b.committed(b.cluster.Topics().Dead()) }

func headers(m *ck.Message) map[string]string {
	h := map[string]string{}
	for _, x := range m.Headers {
		h[x.Key] = string(x.Value)
	}
	return h
}
