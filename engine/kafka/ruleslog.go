package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

var _ rules.Log = (*RulesLog)(nil)

// A RulesLog is the log of documents in the compacted topic of rules. All
// processes of one prefix share one transactional id for it, so of two writers
// that look at the same end at most one commits. A writer marks the end that it
// looks at, as a task's owner does. It is safe for concurrent use.
type RulesLog struct{ cluster *Cluster }

// RulesLog returns the log of documents. The topic must exist.
func (c *Cluster) RulesLog() *RulesLog { return &RulesLog{cluster: c} }

// Tail hands every committed entry after offset after to apply and goes on with
// new ones as they come; see rules.Log. Without the right to read it waits for it.
func (l *RulesLog) Tail(ctx context.Context, after int64, apply func(rules.Entry) error, caughtUp func()) error {
	told := sync.OnceFunc(caughtUp)
	for {
		err := l.tail(ctx, &after, apply, func() {
			l.cluster.denied("rules log", nil)
			told()
		})
		if lacks(err) == "" {
			return err
		}
		l.cluster.denied("rules log", err)
		pause(ctx, retryMost)
	}
}

// tail moves after along.
func (l *RulesLog) tail(ctx context.Context, after *int64, apply func(rules.Entry) error, atEnd func()) error {
	r, err := l.cluster.openReader(l.cluster.Topics().Rules(), 0, startAfter(*after), stayWait)
	if err != nil {
		return err
	}
	defer r.close()
	for ctx.Err() == nil {
		m, end, err := r.next(pollWait)
		if err != nil {
			return err
		}
		if m != nil && !isMark(m) {
			if err := apply(entryOf(m)); err != nil {
				return err
			}
		}
		if m != nil {
			*after = int64(m.TopicPartition.Offset)
		}
		if end {
			atEnd()
		}
	}
	return ctx.Err()
}

// Append writes records as one unit if the log still ends at last; see rules.Log.
func (l *RulesLog) Append(ctx context.Context, last int64, records []rules.Record) (int64, error) {
	if len(records) == 0 {
		return last, l.grown(last, func(r *reader, found func(*ck.Message) error) error { return r.rest(ctx, found) })
	}
	topic := l.cluster.Topics().Rules()
	p, err := l.cluster.openProducer(ctx, topic)
	if err != nil {
		return 0, conflict(err)
	}
	defer p.close()
	ends, err := p.mark(ctx, 0, topic)
	if err != nil {
		return 0, conflict(err)
	}
	if err := l.grown(last, func(r *reader, found func(*ck.Message) error) error { return r.through(ctx, ends[0], found) }); err != nil {
		return 0, err
	}
	reports := make(chan ck.Event, len(records))
	for i := range records {
		if err := p.sendReported(record(topic, 0, []byte(records[i].Key), records[i].Value), reports); err != nil {
			return 0, conflict(err)
		}
	}
	if err := p.commit(ctx); err != nil {
		return 0, conflict(err)
	}
	return lastOffset(reports, len(records))
}

// lastOffset returns the greatest offset that n delivered records were given.
func lastOffset(reports chan ck.Event, n int) (int64, error) {
	last := int64(-1)
	for range n {
		m, ok := (<-reports).(*ck.Message)
		if !ok || m.TopicPartition.Error != nil {
			return 0, fmt.Errorf("reading the fate of a written record: %w", m.TopicPartition.Error)
		}
		last = max(last, int64(m.TopicPartition.Offset))
	}
	return last, nil
}

// grown returns nil when read finds no committed entry after last.
func (l *RulesLog) grown(last int64, read func(r *reader, found func(*ck.Message) error) error) error {
	r, err := l.cluster.openReader(l.cluster.Topics().Rules(), 0, startAfter(last), onceWait)
	if err != nil {
		return err
	}
	defer r.close()
	return read(r, func(m *ck.Message) error {
		if isMark(m) {
			return nil
		}
		return fmt.Errorf("%w: entry %d was written after %d", rules.ErrConflict, m.TopicPartition.Offset, last)
	})
}

// conflict turns being fenced into rules.ErrConflict: another writer came between.
func conflict(err error) error {
	if errors.Is(err, ErrFenced) {
		return fmt.Errorf("%w: %w", rules.ErrConflict, err)
	}
	return err
}

func entryOf(m *ck.Message) rules.Entry {
	return rules.Entry{
		Offset: int64(m.TopicPartition.Offset),
		Record: rules.Record{Key: string(m.Key), Value: m.Value},
	}
}

func startAfter(offset int64) ck.Offset {
	if offset < 0 {
		return ck.OffsetBeginning
	}
	return ck.Offset(offset + 1)
}
