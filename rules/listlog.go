package rules

import (
	"context"
	"time"
)

// A ListLog reads the topics of lists: partition 0 of each, in its order. All
// methods may be called at the same time from several goroutines.
type ListLog interface {
	// Look tells what a topic is. An error says nothing of the topic: it cannot
	// be asked for now.
	Look(ctx context.Context, topic string) (ListTopic, error)
	// Tail hands every committed record to apply, in the topic's order, and goes
	// on with new ones as they come. It calls pause with the number of records
	// still to come whenever it has reached the end, and now and then before. It
	// returns ctx.Err() when ctx ends, apply's error when apply fails, or the
	// error of reading; it never returns nil.
	Tail(ctx context.Context, topic string, apply func(Entry) error, pause func(lag int64)) error
	// Read hands the committed records from offset from up to before to to apply.
	// A topic that ends before to is an error.
	Read(ctx context.Context, topic string, from, to int64, apply func(Entry) error) error
}

// A ListTopic is what a topic is.
type ListTopic struct {
	Partitions int // 0: it does not exist
	Compacted  bool
	Deleted    bool          // old records leave it by age or size
	Lag        time.Duration // min.compaction.lag.ms: a value that was replaced can be read again that long
}
