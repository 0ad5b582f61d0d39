package kafka

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/caltrop/caltrop/engine/backtest"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A History reads what the cluster keeps of its topics, with readers of its
// own. It is safe for concurrent use.
type History struct{ cluster *Cluster }

var _ backtest.History = History{}

// History returns the cluster's.
func (c *Cluster) History() History { return History{c} }

// Spans implements backtest.History.
func (h History) Spans(ctx context.Context, topic string, from time.Time) ([]backtest.Span, error) {
	n, err := h.cluster.Partitions(topic)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, fmt.Errorf("topic %s does not exist", topic)
	}
	r, err := h.cluster.newReader(topic, 0, onceWait)
	if err != nil {
		return nil, err
	}
	defer r.close()
	spans := make([]backtest.Span, n)
	for i := range spans {
		spans[i].Partition = int32(i)
		r.place.Partition = int32(i)
		if spans[i].From, spans[i].To, err = r.bounds(); err != nil {
			return nil, err
		}
	}
	if !from.IsZero() {
		if err := r.begin(spans, from); err != nil {
			return nil, err
		}
	}
	return spans, ctx.Err()
}

// begin lets each span start at the first record of a time or later.
func (r *reader) begin(spans []backtest.Span, at time.Time) error {
	places := make([]ck.TopicPartition, len(spans))
	for i := range spans {
		places[i] = ck.TopicPartition{Topic: r.place.Topic, Partition: spans[i].Partition, Offset: ck.Offset(at.UnixMilli())}
	}
	found, err := r.client.OffsetsForTimes(places, int(metadataTimeout.Milliseconds()))
	if err != nil {
		return fmt.Errorf("asking for the offsets of %s at %s: %w", *r.place.Topic, at.UTC().Format(time.RFC3339), err)
	}
	for i, f := range found {
		s := &spans[i]
		switch {
		case f.Error != nil:
			return fmt.Errorf("asking for the offset of %s/%d at %s: %w", *f.Topic, f.Partition, at.UTC().Format(time.RFC3339), f.Error)
		case f.Offset < 0: // nothing that late
			s.From = s.To
		default:
			s.From = max(s.From, int64(f.Offset))
		}
	}
	return nil
}

// Open implements backtest.History.
func (h History) Open(_ context.Context, topic string, span backtest.Span) (backtest.Reader, error) {
	r, err := h.cluster.openReader(topic, span.Partition, ck.Offset(span.From), onceWait)
	if err != nil {
		return nil, err
	}
	if err := r.lend(""); err != nil {
		r.close()
		return nil, err
	}
	return &spanReader{reader: r, span: span}, nil
}

// A spanReader reads one span.
type spanReader struct {
	*reader
	span backtest.Span
	read bool // up to the span's end
}

// Next implements backtest.Reader.
func (s *spanReader) Next(ctx context.Context, r *backtest.Record) error {
	if s.span.From >= s.span.To {
		return io.EOF
	}
	for ctx.Err() == nil && !s.read {
		m, end, err := s.next(pollWait)
		switch {
		case err != nil:
			return err
		case end:
			s.read = true // markers of transactions may end the span
		case m != nil && int64(m.TopicPartition.Offset) >= s.span.To:
			s.read = true
		case m != nil:
			*r = backtest.Record{Offset: int64(m.TopicPartition.Offset), Key: m.Key, Value: m.Value}
			if m.TimestampType != ck.TimestampNotAvailable {
				r.Time = m.Timestamp.UnixMicro()
			}
			if m.TimestampType == ck.TimestampLogAppendTime {
				r.Append = r.Time
			}
			s.read = r.Offset == s.span.To-1
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return io.EOF
}

// Close implements backtest.Reader.
func (s *spanReader) Close() { s.close() }
