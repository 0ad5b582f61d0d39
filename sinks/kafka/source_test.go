package kafka

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caltrop/caltrop/sinks"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A topicOf is an in-process broker with the one topic of a test.
type topicOf struct {
	t      *testing.T
	broker *kfake.Cluster
	seq    int
}

func newTopic(t *testing.T) *topicOf {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "alerts"))
	if err != nil {
		t.Fatalf("starting a broker: %v", err)
	}
	t.Cleanup(broker.Close)
	return &topicOf{t: t, broker: broker}
}

// produce writes n records, numbered on, to both partitions in turn.
func (o *topicOf) produce(n int) {
	o.t.Helper()
	p, err := ck.NewProducer(&ck.ConfigMap{"bootstrap.servers": o.broker.ListenAddrs()[0], "enable.metrics.push": false})
	if err != nil {
		o.t.Fatal(err)
	}
	defer p.Close()
	reports, topic := make(chan ck.Event, n), "alerts"
	for range n {
		m := &ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic, Partition: int32(o.seq % 2)}, Value: fmt.Append(nil, o.seq)}
		o.seq++
		if err := p.Produce(m, reports); err != nil {
			o.t.Fatal(err)
		}
	}
	for range n {
		<-reports
	}
}

// open opens a source that does not run.
func (o *topicOf) open() *Source {
	o.t.Helper()
	s, err := Open(Options{Brokers: o.broker.ListenAddrs(), Topics: []string{"alerts"}, Group: "history", Instance: "test",
		Settings: map[string]string{"enable.metrics.push": "false"}})
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

// source starts a source; stop ends it and waits.
func (o *topicOf) source() (s *Source, stop func()) {
	o.t.Helper()
	s = o.open()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	stop = func() { cancel(); <-done }
	o.t.Cleanup(stop)
	return s, stop
}

// fetch takes records until it has seen want distinct values.
func (o *topicOf) fetch(s *Source, want int) map[string]bool {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 5*time.Minute)
	defer cancel()
	seen := map[string]bool{}
	for len(seen) < want {
		batch, err := s.Fetch(ctx)
		if err != nil {
			o.t.Fatalf("fetched %d of %d: %v", len(seen), want, err)
		}
		for _, m := range batch {
			seen[string(m.Value)] = true
		}
	}
	return seen
}

func TestWhatWasNotCommittedComesAgain(t *testing.T) {
	o := newTopic(t)
	o.produce(100)
	s, stop := o.source()
	o.fetch(s, 100)
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.produce(50)
	o.fetch(s, 50)
	stop()
	s, _ = o.source()
	again := o.fetch(s, 50)
	for i := 100; i < 150; i++ {
		if !again[fmt.Sprint(i)] {
			t.Errorf("record %d was not committed and did not come again", i)
		}
	}
	if len(again) != 50 {
		t.Errorf("%d records came again, want the 50 that were not committed", len(again))
	}
}

func TestASlowSinkIsReadAheadOfByABoundedAmount(t *testing.T) {
	o := newTopic(t)
	s, _ := o.source()
	o.produce(3 * batchRecords)
	first, err := s.Fetch(t.Context())
	if err != nil || len(first) > batchRecords {
		t.Fatalf("the first batch has %d records, %v; want at most %d", len(first), err, batchRecords)
	}
	o.fetch(s, 3*batchRecords-len(first))
}

// What was read ahead of a sink that takes its time is not thrown away: every
// fetch goes on behind the one before it.
func TestASlowSinkCostsNoFetchTwice(t *testing.T) {
	o := newTopic(t)
	var mu sync.Mutex
	asked, again := map[int32]int64{}, 0
	o.broker.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		o.broker.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		for _, topic := range req.(*kmsg.FetchRequest).Topics {
			for _, p := range topic.Partitions {
				if p.FetchOffset < asked[p.Partition] {
					again++
				}
				asked[p.Partition] = max(asked[p.Partition], p.FetchOffset)
			}
		}
		return nil, nil, false
	})
	o.produce(10 * batchRecords)
	s, _ := o.source()
	for got := 0; got < 10*batchRecords; {
		batch, err := s.Fetch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got += len(batch)
		o.produce(1) // while the sink stores
		if err := s.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if again > 0 {
		t.Errorf("%d times a partition was fetched from before what was fetched of it", again)
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	o := newTopic(t)
	s, _ := o.source()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Fetch(ctx); err != context.Canceled {
		t.Errorf("Fetch returned %v, want %v", err, context.Canceled)
	}
	if err := s.Commit(t.Context()); err != nil {
		t.Errorf("a commit of nothing returned %v", err)
	}
	var _ sinks.Source = s
}

// A source that is paused when the group moves partitions reads on in all that it
// has once its batch is taken: in those that it kept, and in those that were taken
// and given back.
func TestASourceReadsOnAfterARebalanceWhilePaused(t *testing.T) {
	none, topic := ck.TopicPartition{Offset: ck.OffsetInvalid}, "alerts"
	first, second := none, none
	first.Topic, second.Topic, second.Partition = &topic, &topic, 1
	both := []ck.TopicPartition{first, second}
	for name, moves := range map[string]struct{ paused, taken []ck.Event }{
		"more are given":        {paused: []ck.Event{ck.AssignedPartitions{}}},
		"taken and given later": {paused: []ck.Event{ck.RevokedPartitions{Partitions: both}}, taken: []ck.Event{ck.AssignedPartitions{Partitions: both}}},
		"taken and given":       {paused: []ck.Event{ck.RevokedPartitions{Partitions: both}, ck.AssignedPartitions{Partitions: both}}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newTopic(t)
			s := o.open()
			defer s.close()
			if err := s.member.Subscribe(s.opts.Topics); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			turn := func() {
				if err := s.turn(ctx); err != nil || ctx.Err() != nil {
					t.Fatalf("a turn: %v, %v", err, ctx.Err())
				}
			}
			move := func(all []ck.Event) {
				for _, ev := range all {
					if err := s.rebalance(s.member.Consumer, ev); err != nil {
						t.Fatal(err)
					}
				}
			}
			const all = 3 * batchRecords
			o.produce(all)
			for !s.paused {
				turn()
			}
			move(moves.paused)
			s.batches = make(chan []*ck.Message, 1) // the loop is waiting
			seen := map[string]bool{}
			for s.paused {
				turn()
			}
			move(moves.taken)
			for len(seen) < all {
				select {
				case batch := <-s.batches:
					for _, m := range batch {
						seen[string(m.Value)] = true
					}
				default:
					turn()
				}
			}
		})
	}
}

// The mark that ends a transaction is no record: a sink that has delivered all
// is not behind.
func TestLagCountsNoMarks(t *testing.T) {
	o := newTopic(t)
	p, err := ck.NewProducer(&ck.ConfigMap{"bootstrap.servers": o.broker.ListenAddrs()[0], "enable.metrics.push": false, "transactional.id": "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.InitTransactions(t.Context()); err != nil {
		t.Fatal(err)
	}
	topic := "alerts"
	for i := range 3 {
		if err := p.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := p.Produce(&ck.Message{TopicPartition: ck.TopicPartition{Topic: &topic, Partition: 0}, Value: fmt.Append(nil, i)}, nil); err != nil {
			t.Fatal(err)
		}
		if err := p.CommitTransaction(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := o.source()
	o.fetch(s, 3)
	if lag, err := s.Lag(); err != nil || lag < 3 {
		t.Errorf("lag %d, %v before anything is committed, want at least 3", lag, err)
	}
	if err := s.CommitBefore(t.Context(), map[int32]int64{0: 2}); err != nil {
		t.Fatal(err)
	}
	if lag, err := s.Lag(); err != nil || lag < 2 {
		t.Errorf("lag %d, %v with two records held, want at least 2", lag, err)
	}
	if err := s.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Minute); ; {
		lag, err := s.Lag()
		if err == nil && lag == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("lag %d, %v once all is committed, want 0", lag, err)
		}
	}
}
