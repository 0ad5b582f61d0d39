package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caltrop/caltrop/engine/route"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// skewWait is how long a partition that is too far ahead waits between two looks
// at the others.
const skewWait = 50 * time.Millisecond

// skews follow how far the routing tasks of all processes have come: one reader
// of progress for all tasks of a stream that this process runs. It is safe for
// concurrent use.
type skews struct {
	cluster *Cluster
	mu      sync.Mutex
	watched map[string]*skewWatch // by the topic of the progress
}

// A skewWatch is what is known of one stream.
type skewWatch struct {
	topic  string
	users  int // owned by skews
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	skew *route.Skew
}

// open begins or shares the watch of a progress topic of so many partitions. The
// caller closes it.
func (s *skews) open(topic string, partitions int) *skewWatch {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watched[topic]
	if w == nil {
		ctx, cancel := context.WithCancel(context.Background())
		w = &skewWatch{topic: topic, cancel: cancel, done: make(chan struct{}), skew: route.NewSkew(partitions)}
		s.watched[topic] = w
		go func() { defer close(w.done); w.run(ctx, s.cluster, partitions) }()
	}
	w.users++
	return w
}

// close ends a watch that nobody else shares.
func (s *skews) close(w *skewWatch) {
	s.mu.Lock()
	w.users--
	last := w.users == 0
	if last {
		delete(s.watched, w.topic)
	}
	s.mu.Unlock()
	if last {
		w.cancel()
		<-w.done
	}
}

// run reads the progress of all partitions until ctx ends, and begins again
// after an error: what it knows until then is too old, which only makes tasks
// wait.
func (w *skewWatch) run(ctx context.Context, c *Cluster, partitions int) {
	for wait := retryFirst; ctx.Err() == nil; wait = min(2*wait, retryMost) {
		if err := w.follow(ctx, c, partitions); err != nil && ctx.Err() == nil {
			c.opts.Log.Warn("the progress of other partitions is not known at present", "topic", w.topic, "error", err)
			pause(ctx, wait)
		}
	}
}

func (w *skewWatch) follow(ctx context.Context, c *Cluster, partitions int) error {
	r, err := c.newReader(w.topic, 0, stayWait)
	if err != nil {
		return err
	}
	defer r.close()
	places := make([]ck.TopicPartition, partitions)
	for i := range places {
		places[i] = ck.TopicPartition{Topic: &w.topic, Partition: int32(i), Offset: ck.OffsetBeginning}
	}
	if err := r.assign(places...); err != nil {
		return err
	}
	for ctx.Err() == nil {
		m, _, err := r.next(pollWait)
		if err != nil {
			return err
		}
		if m == nil || len(m.Value) == 0 { // an owner's mark of the end
			continue
		}
		p, err := route.DecodeProgress(m.Value)
		if err != nil {
			return fmt.Errorf("%s/%d at offset %d: %w", w.topic, m.TopicPartition.Partition, m.TopicPartition.Offset, err)
		}
		w.mu.Lock()
		w.skew.Note(m.TopicPartition.Partition, p)
		w.mu.Unlock()
	}
	return nil
}

// ahead is route.Skew's.
func (w *skewWatch) ahead(partition int32, own route.Progress, never bool) (slowest int32, by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.skew.Ahead(partition, own, never)
}

// tooFar reports whether the partition is more than max_skew ahead of the
// slowest one of its stream that is not idle. Until that has come nearer it is
// not read, which is no silence.
func (t *routing) tooFar() bool {
	own := t.router.Progress()
	if t.skew == nil || t.doc == nil || own.Mark <= t.limit {
		return false
	}
	slowest, by := t.skew.ahead(t.id.Partition, own, t.doc.Idle == 0)
	t.limit = own.Mark + (t.doc.MaxSkew - by).Microseconds()
	if by <= t.doc.MaxSkew {
		if t.far {
			t.far = false
			t.reader.rested()
			t.say(StateLive, "")
		}
		return false
	}
	if !t.far {
		t.far = true
		t.say(StatePaused, fmt.Sprintf("more than max_skew (%s) ahead of partition %d", t.doc.MaxSkew, slowest))
	}
	t.quiet = time.Time{}
	return true
}

// read returns what the partition has, and nothing while it is too far ahead.
func (t *routing) read(ctx context.Context) (*ck.Message, bool, error) {
	writing := t.producer.open || t.router.Open()
	if t.tooFar() {
		if !writing {
			began := time.Now()
			pause(ctx, skewWait)
			t.opts.Metrics.heldBack(ctx, t.stream, time.Since(began))
		}
		return nil, false, nil
	}
	return t.next(writing)
}
