package kafka

import (
	"bytes"
	"context"
	"fmt"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A barrier says where a new owner of a task marked the ends of the task's
// progress and journal. Who has read as far as the mark has seen all that
// earlier owners committed. The end of a partition proves no such thing: a
// broker that recovers may show an old one.
type barrier struct{ progress, journal int64 }

// barrierKey is the key of marks. No other record of the topics that have them
// has it.
var barrierKey = []byte("barrier")

func isMark(m *ck.Message) bool { return bytes.Equal(m.Key, barrierKey) }

// mark commits a barrier. The caller has fenced the earlier owners.
func (t *tenure) mark(ctx context.Context) (barrier, error) {
	ends, err := t.producer.mark(ctx, t.id.Partition, t.out.progress, t.out.journal)
	if err != nil {
		return barrier{}, fmt.Errorf("marking the end of the progress: %w", err)
	}
	return barrier{progress: ends[0], journal: ends[1]}, nil
}

// mark commits a mark in one partition of each topic and returns their offsets.
// A mark has no value, so that compaction removes it in the end.
func (p *producer) mark(ctx context.Context, partition int32, topics ...string) ([]int64, error) {
	reports := make([]chan ck.Event, len(topics))
	for i, topic := range topics {
		reports[i] = make(chan ck.Event, 1)
		if err := p.sendReported(record(topic, partition, barrierKey, nil), reports[i]); err != nil {
			return nil, err
		}
	}
	if err := p.commit(ctx); err != nil {
		return nil, err
	}
	offsets := make([]int64, len(topics))
	for i := range topics {
		var err error
		if offsets[i], err = lastOffset(reports[i], 1); err != nil {
			return nil, err
		}
	}
	return offsets, nil
}

// through hands every committed record before the mark at offset to do, in
// order, and waits for the mark.
func (r *reader) through(ctx context.Context, offset int64, do func(*ck.Message) error) error {
	for ctx.Err() == nil {
		m, _, err := r.next(pollWait)
		switch {
		case err != nil:
			return err
		case m == nil:
			continue
		case int64(m.TopicPartition.Offset) >= offset:
			return nil
		case isMark(m): // of an earlier owner
			continue
		}
		if err := do(m); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// last returns the newest committed record of a partition, nil when there is none.
func (c *Cluster) last(ctx context.Context, topic string, partition int32) (newest *ck.Message, err error) {
	err = c.lastOf(ctx, []place{{topic, partition}}, func(_ int, m *ck.Message) error { newest = m; return nil })
	return newest, err
}

// lastOf hands the newest committed record of each place to do, where there is one, as
// one reader finds them. It stops at do's first error.
func (c *Cluster) lastOf(ctx context.Context, places []place, do func(i int, m *ck.Message) error) error {
	if len(places) == 0 {
		return nil
	}
	r, err := c.newReader(places[0].topic, places[0].partition, onceWait)
	if err != nil {
		return err
	}
	defer r.close()
	for i, at := range places {
		r.turn(at.topic, at.partition)
		m, err := r.last(-1, func(do func(*ck.Message) error) error { return r.rest(ctx, do) })
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		if err := do(i, m); err != nil {
			return err
		}
	}
	return nil
}

// lastBefore returns the newest committed record of the partition before the mark
// at offset, nil when there is none.
func (r *reader) lastBefore(ctx context.Context, offset int64) (*ck.Message, error) {
	return r.last(offset, func(do func(*ck.Message) error) error { return r.through(ctx, offset, do) })
}

// last returns the newest record that read hands on, marks apart, nil when there
// is none. It looks just before offset end first, the present end where that is
// negative, and further back only as far as it must: offsets near it may be taken
// by marks and by what ends a transaction.
func (r *reader) last(end int64, read func(do func(*ck.Message) error) error) (*ck.Message, error) {
	low, high, err := r.bounds()
	if err != nil {
		return nil, err
	}
	if end < 0 {
		end = high
	}
	var newest *ck.Message
	for step := int64(16); newest == nil; step *= 8 {
		from := max(low, end-step)
		if err := r.seek(ck.Offset(from)); err != nil {
			return nil, err
		}
		err := read(func(m *ck.Message) error {
			if !isMark(m) {
				newest = m
			}
			return nil
		})
		if err != nil || from == low {
			return newest, err
		}
	}
	return newest, nil
}
