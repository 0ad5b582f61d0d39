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

// barrierKey is the key of marks. No other record of the two topics has it.
var barrierKey = []byte("barrier")

func isMark(m *ck.Message) bool { return bytes.Equal(m.Key, barrierKey) }

// mark commits a barrier. The caller has fenced the earlier owners. A mark has
// no value, so that compaction removes it in the end.
func (t *tenure) mark(ctx context.Context) (barrier, error) {
	progress, journal := make(chan ck.Event, 1), make(chan ck.Event, 1)
	err := t.producer.sendReported(record(t.out.progress, t.id.Partition, barrierKey, nil), progress)
	if err == nil {
		err = t.producer.sendReported(record(t.out.journal, t.id.Partition, barrierKey, nil), journal)
	}
	if err == nil {
		err = t.producer.commit(ctx)
	}
	if err != nil {
		return barrier{}, fmt.Errorf("marking the end of the progress: %w", err)
	}
	var b barrier
	if b.progress, err = lastOffset(progress, 1); err != nil {
		return b, err
	}
	b.journal, err = lastOffset(journal, 1)
	return b, err
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

// lastBefore returns the newest committed record of a partition before the mark
// at offset, nil when there is none. It looks just before the mark first and
// further back only as far as it must: offsets near it may be taken by other
// marks and by what ends a transaction.
func (c *Cluster) lastBefore(ctx context.Context, topic string, partition int32, offset int64) (*ck.Message, error) {
	r, err := c.openReader(topic, partition, ck.OffsetEnd)
	if err != nil {
		return nil, err
	}
	defer r.close()
	low, _, err := r.bounds()
	if err != nil {
		return nil, err
	}
	var newest *ck.Message
	for step := int64(16); newest == nil; step *= 8 {
		from := max(low, offset-step)
		if err := r.seek(from); err != nil {
			return nil, err
		}
		err := r.through(ctx, offset, func(m *ck.Message) error {
			newest = m
			return nil
		})
		if err != nil || from == low {
			return newest, err
		}
	}
	return newest, nil
}
