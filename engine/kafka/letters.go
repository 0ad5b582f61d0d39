package kafka

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// The headers of late and dead records, and those that a replay adds.
const (
	headerReason    = "reason"
	headerDetail    = "detail"
	headerStream    = "stream"
	headerTopic     = "topic"
	headerPartition = "partition"
	headerOffset    = "offset"
	headerTime      = "time_us"
	headerCut       = "truncated_from_bytes"

	headerReplayedFrom   = "caltrop_replayed_from" // TOPIC/PARTITION/OFFSET of the letter
	headerReplayedReason = "caltrop_replayed_reason"
	headerReplayedAt     = "caltrop_replayed_at" // RFC 3339
)

// A Letter is one record of the late or the dead-letter topic: a record of a
// source topic that became no event, and why.
type Letter struct {
	Topic     string // where the letter is
	Partition int32
	Offset    int64
	Written   time.Time // when the record was refused

	Reason string // "" in a record that none of ours wrote
	Detail string
	Stream string
	Source struct { // where the record was
		Topic     string
		Partition int32
		Offset    int64
	}
	Time    int64 // event time in µs; 0 where it was not read
	CutFrom int64 // bytes of key and value before they were cut; 0: they are whole
	Key     []byte
	Value   []byte
}

// A LetterFilter picks letters; a zero field picks all.
type LetterFilter struct {
	Topics  []string  // of Topics().Late() and Topics().Dead(); empty: both
	Streams []string  // of one of these streams
	Reasons []string  // with one of these reasons
	From    time.Time // written at or after
	To      time.Time // written before
}

func (f *LetterFilter) takes(l *Letter) bool {
	return (len(f.Streams) == 0 || slices.Contains(f.Streams, l.Stream)) &&
		(len(f.Reasons) == 0 || slices.Contains(f.Reasons, l.Reason)) &&
		!l.Written.Before(f.From) && (f.To.IsZero() || l.Written.Before(f.To))
}

// Letters are the letters that a filter picks of those that were there when
// Cluster.Letters was called. Owned by one goroutine.
type Letters struct {
	cluster *Cluster
	filter  LetterFilter
	spans   []span
}

// A span is a part of one partition, from low to before high.
type span struct {
	topic     string
	partition int32
	low, high int64
}

// Letters looks where the topics of letters begin and end now. An error says
// that a topic does not exist or the cluster did not answer.
func (c *Cluster) Letters(f LetterFilter) (*Letters, error) {
	if len(f.Topics) == 0 {
		f.Topics = []string{c.Topics().Dead(), c.Topics().Late()}
	}
	l := &Letters{cluster: c, filter: f}
	r, err := c.newReader(f.Topics[0], 0, onceWait)
	if err != nil {
		return nil, err
	}
	defer r.close()
	for _, topic := range f.Topics {
		n, err := c.Partitions(topic)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, fmt.Errorf("topic %s does not exist", topic)
		}
		for p := range int32(n) {
			if err := l.bound(r, topic, p); err != nil {
				return nil, err
			}
		}
	}
	return l, nil
}

// bound adds what of a partition may hold letters of the filter; r only asks.
func (l *Letters) bound(r *reader, topic string, partition int32) (err error) {
	s := span{topic: topic, partition: partition}
	r.place = ck.TopicPartition{Topic: &topic, Partition: partition}
	if s.low, s.high, err = r.bounds(); err != nil {
		return err
	}
	if !l.filter.From.IsZero() {
		at := []ck.TopicPartition{{Topic: &topic, Partition: partition, Offset: ck.Offset(l.filter.From.UnixMilli())}}
		at, err := r.client.OffsetsForTimes(at, int(metadataTimeout.Milliseconds()))
		if err != nil {
			return fmt.Errorf("asking for the offset of a time in %s/%d: %w", topic, partition, err)
		}
		if s.low = int64(at[0].Offset); s.low < 0 { // nothing is that new
			s.low = s.high
		}
	}
	if s.low < s.high {
		l.spans = append(l.spans, s)
	}
	return nil
}

// Each hands the letters to do, partition by partition in the order in which
// they were written, and stops at its first error. A letter's bytes are its own.
func (l *Letters) Each(ctx context.Context, do func(*Letter) error) error {
	for _, s := range l.spans {
		if err := l.read(ctx, s, do); err != nil {
			return err
		}
	}
	return nil
}

func (l *Letters) read(ctx context.Context, s span, do func(*Letter) error) error {
	r, err := l.cluster.openReader(s.topic, s.partition, ck.Offset(s.low), onceWait)
	if err != nil {
		return err
	}
	defer r.close()
	_, err = r.before(ctx, s.high, func(m *ck.Message) error {
		letter := letterOf(m)
		if !l.filter.takes(letter) {
			return nil
		}
		return do(letter)
	})
	return err
}

// letterOf reads what output.rejected wrote.
func letterOf(m *ck.Message) *Letter {
	l := &Letter{
		Topic: *m.TopicPartition.Topic, Partition: m.TopicPartition.Partition, Offset: int64(m.TopicPartition.Offset),
		Written: m.Timestamp, Key: m.Key, Value: m.Value,
	}
	for _, h := range m.Headers {
		text := string(h.Value)
		number, _ := strconv.ParseInt(text, 10, 64) // 0 where the header is no number
		switch h.Key {
		case headerReason:
			l.Reason = text
		case headerDetail:
			l.Detail = text
		case headerStream:
			l.Stream = text
		case headerTopic:
			l.Source.Topic = text
		case headerPartition:
			l.Source.Partition = int32(number)
		case headerOffset:
			l.Source.Offset = number
		case headerTime:
			l.Time = number
		case headerCut:
			l.CutFrom = number
		}
	}
	return l
}
