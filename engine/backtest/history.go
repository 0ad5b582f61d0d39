package backtest

import (
	"context"
	"time"
)

// A History is what is kept of source topics. It is safe for concurrent use.
type History interface {
	// Spans returns the offsets of each partition of a topic, in order, from the
	// first record appended at from or later, or the first that is kept where from
	// is zero, up to the present end.
	Spans(ctx context.Context, topic string, from time.Time) ([]Span, error)
	// Open reads a span. The reader belongs to one goroutine.
	Open(ctx context.Context, topic string, span Span) (Reader, error)
}

// A Span is a run of offsets of one partition, [From, To).
type Span struct {
	Partition int32
	From, To  int64
}

// A Reader gives the committed records of a span in order.
type Reader interface {
	// Next fills r with the next record, whose bytes are valid until the next
	// call; io.EOF after the last.
	Next(ctx context.Context, r *Record) error
	Close()
}

// A Record is a record of a topic. Records of aborted transactions never come;
// offsets have gaps there.
type Record struct {
	Offset     int64
	Time       int64 // µs; when it was appended, or made where the topic keeps that instead
	Append     int64 // µs; when it was appended, 0 where the topic does not keep that
	Key, Value []byte
}
