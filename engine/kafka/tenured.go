package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caltrop/caltrop/engine/partitioner"
	"github.com/caltrop/caltrop/engine/task"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A tenured is what the tenures of matching and of routing tasks have in
// common.
type tenured struct {
	id       TaskID
	topic    string // that is read
	opts     *EngineOptions
	cluster  *Cluster
	rules    Rules
	report   func(TaskStatus)
	producer *producer
	reader   *reader
	out      output
	status   TaskStatus
	traces   *traces // nil: none

	gone      <-chan struct{} // closed when what run has left behind has ended; nil: nothing
	first     *ck.Message     // read already, to be processed before what the reader has; nil: none
	wait      time.Duration   // the last wait for the schema registry; 0: it answers
	quiet     time.Time       // when the end of the partition was last reached; zero while there is more
	opened    time.Time       // when the frames that are open were
	published time.Time
	changed   <-chan struct{} // closed when the rules may have
}

// An owner is one tenure of one task.
type owner interface {
	// run owns the task until ctx ends, which is no error, or something fails.
	run(ctx context.Context) error
	// end makes known how run ended.
	end(state State, err error)
	// leftover is closed when nothing of run goes on any more; nil: nothing does.
	leftover() <-chan struct{}
}

// takeOver fences who had the task before. Its transactional id is
// PREFIX.JOB.INPUT.GENERATION.PARTITION, as jobs of one name share brokers.
func (t *tenured) takeOver(ctx context.Context) (*producer, error) {
	return t.cluster.openProducer(ctx, t.cluster.opts.Prefix+"."+t.id.String())
}

func (t *tenured) leftover() <-chan struct{} { return t.gone }

func (t *tenured) halt(format string, args ...any) error {
	return &HaltError{Input: t.id.Input, Partition: t.id.Partition, Reason: fmt.Sprintf(format, args...)}
}

// readFailed names what an unreadable input means for the partition.
func (t *tenured) readFailed(err error, offset int64) error {
	var ke ck.Error
	if errors.As(err, &ke) && (ke.Code() == ck.ErrAutoOffsetReset || ke.Code() == ck.ErrOffsetOutOfRange) {
		return t.halt("offset %d is not in topic %s any more: retention has passed it, or the topic was made anew; a new generation begins with what it holds", offset, t.topic)
	}
	return err
}

// next returns the record that was put off, then what the reader has. With an
// open transaction, or frame, it waits only as long as that may.
func (t *tenured) next(open bool) (*ck.Message, bool, error) {
	if m := t.first; m != nil {
		t.first = nil
		return m, false, nil
	}
	if open {
		return t.reader.next(emptyWait)
	}
	return t.reader.next(pollWait)
}

// misplaced makes known which records are not where their stream's partitioner
// puts them. They are events all the same.
func (t *tenured) misplaced(m partitioner.Misplaced) {
	if m.Records > 0 && t.status.Misplaced.Records == 0 {
		t.cluster.opts.Log.Warn("records are not where the stream's declared partitioner puts them: direct rules may miss what belongs together",
			"partition", t.id.String(), "offset", m.First, "why", m.Why)
	}
	t.status.Misplaced = m
}

// commitOpen commits the open transaction.
func (t *tenured) commitOpen(ctx context.Context) error {
	if err := t.opts.Fail(t.id, BeforeTxnCommit); err != nil {
		return err
	}
	if err := t.producer.commit(ctx); err != nil {
		return err
	}
	return t.opts.Fail(t.id, AfterTxnCommit)
}

// fillRecord makes the task's record of a message. Its time counts as now where
// the broker stamps it.
func fillRecord(rec *task.Record, m *ck.Message) {
	offset := int64(m.TopicPartition.Offset)
	*rec = task.Record{Offset: offset, SourceOffset: offset, Key: m.Key, Value: m.Value}
	if m.TimestampType == ck.TimestampLogAppendTime {
		rec.Append = m.Timestamp.UnixMicro()
	}
}
