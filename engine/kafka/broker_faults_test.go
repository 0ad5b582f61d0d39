package kafka

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// refuse makes the broker refuse records of a topic until the switch is off.
func (b *bench) refuse(topic string) *atomic.Bool {
	down := &atomic.Bool{}
	down.Store(true)
	b.broker.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		req := r.(*kmsg.ProduceRequest)
		if !down.Load() || len(req.Topics) != 1 || req.Topics[0].Topic != topic && req.Topics[0].TopicID != b.broker.TopicInfo(topic).TopicID {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		named := kmsg.NewProduceResponseTopic()
		named.Topic, named.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
		for _, p := range req.Topics[0].Partitions {
			answer := kmsg.NewProduceResponseTopicPartition()
			answer.Partition, answer.ErrorCode = p.Partition, kerr.NotEnoughReplicas.Code
			named.Partitions = append(named.Partitions, answer)
		}
		resp.Topics = append(resp.Topics, named)
		return resp, nil, true
	})
	return down
}

// With the dead-letter topic down nothing of its partition is committed, so
// nothing is passed over; when it is back all is there once.
func TestT23DeadLetterTopicDown(t *testing.T) {
	b := newBench(t)
	down := b.refuse(b.cluster.Topics().Dead())
	e, _ := b.engine()
	b.produce("{", "poison")
	b.until("a tenure that failed", func() bool {
		for _, s := range e.Status().Tasks {
			if s.ID.Partition == 0 && s.Reason != "" {
				return true
			}
		}
		return false
	})
	b.produce(b.fails("c1", 0)...)
	if n := len(b.alerts()); n != 0 {
		t.Errorf("%d alerts are committed past records that could not be kept", n)
	}
	down.Store(false)
	b.wantAlerts(1)
	b.until("two dead letters", func() bool { return len(b.dead()) >= 2 })
	if n := len(b.dead()); n != 2 {
		t.Errorf("%d dead letters, want 2", n)
	}
}

// What a producer of the input took back was never matched.
func TestT25AbortedInput(t *testing.T) {
	b := newBench(t)
	b.engine()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.broker.ListenAddrs()...), kgo.TransactionalID("core-banking"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("payments"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := testContext(t)
	for i, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for _, v := range b.fails(fmt.Sprint("card-", i), 100*i) {
			if err := client.ProduceSync(ctx, &kgo.Record{Value: []byte(v)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := client.EndTransaction(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	b.wantAlerts(2)
	for _, a := range b.alerts() {
		if key := a.KeyText(); key != "card-1" && key != "card-3" {
			t.Errorf("an alert of %s, which was aborted", key)
		}
	}
}

// A connection that breaks under every third commit costs neither alert nor a
// second one.
func TestT14ConnectionBreaksUnderCommits(t *testing.T) {
	b := newBench(t)
	var lost atomic.Int32
	b.broker.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		if lost.Add(1)%3 != 0 {
			return nil, nil, false
		}
		return nil, fmt.Errorf("the connection breaks"), true
	})
	b.engine()
	for i := range 6 {
		b.produce(b.fails(fmt.Sprint("card-", i), 100*i)...)
		b.wantAlerts(i + 1)
	}
	if lost.Load() < 3 {
		t.Errorf("only %d commits", lost.Load())
	}
}
