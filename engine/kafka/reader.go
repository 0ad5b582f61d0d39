package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/caltrop/caltrop/engine/budget"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// pollWait bounds one wait for a record, so that a reader notices the end of
// its context.
const pollWait = 100 * time.Millisecond

// The broker waits so long for one more record before it says that there is
// none: a reader that stays at the end asks seldom, one that reads up to it and
// goes has its answer soon, and is closed as soon.
const (
	stayWait = 100 * time.Millisecond
	onceWait = 10 * time.Millisecond
)

// endTimeout bounds the question whether a partition has more.
const endTimeout = time.Second

// A reader reads one partition from an offset on, committed records only. It is
// no member of any group. One goroutine owns it.
type reader struct {
	client *ck.Consumer
	place  ck.TopicPartition
	batch  *batch        // nil: messages are copies, valid for ever
	asked  time.Time     // when reading began; zero once a record or an end has come
	mute   time.Duration // how long that may take
	from   string        // the brokers
	group  string        // that the client names
	end    int64         // where the end of the partition was last reached
	loan   budget.Loan   // the memory of its queue; none where it is read for a short while
}

// openReader starts at offset, which may be ck.OffsetBeginning, and waits
// onceWait or stayWait at the end. An offset that the partition no longer holds
// comes back as an error of next, never as a jump.
func (c *Cluster) openReader(topic string, partition int32, offset ck.Offset, wait time.Duration) (*reader, error) {
	r, err := c.newReader(topic, partition, wait)
	if err != nil {
		return nil, err
	}
	if err := r.seek(offset); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// newReader makes a reader that reads nothing before seek. It can be asked for
// the bounds of the partition.
func (c *Cluster) newReader(topic string, partition int32, wait time.Duration) (*reader, error) {
	return c.readerOf(topic, partition, wait, budget.Loan{Bytes: fetchQueueBytes})
}

// taskReader is newReader for as long as a task lasts: what it reads ahead is part
// of the process's budget.
func (c *Cluster) taskReader(topic string, partition int32) (*reader, error) {
	loan := c.opts.Memory.Lend(budget.Read)
	r, err := c.readerOf(topic, partition, stayWait, loan)
	if err != nil {
		loan.Return()
	}
	return r, err
}

func (c *Cluster) readerOf(topic string, partition int32, wait time.Duration, loan budget.Loan) (*reader, error) {
	group := c.Topics().group() + ".readers" // the library asks for one; nothing is committed to it
	client, err := ck.NewConsumer(c.clientConfig(ck.ConfigMap{
		"group.id":                   group,
		"enable.auto.commit":         false,
		"enable.auto.offset.store":   false,
		"enable.partition.eof":       true,
		"isolation.level":            "read_committed",
		"auto.offset.reset":          "error",
		"fetch.message.max.bytes":    int(min(loan.Bytes/4, fetchMessageBytes)), // what comes at once, and is more than the queue holds
		"fetch.max.bytes":            fetchBytesMax,
		"receive.message.max.bytes":  receiveBytesMax,
		"queued.max.messages.kbytes": int(loan.Bytes >> 10),
		"queued.min.messages":        fetchQueueMessages,
		"fetch.error.backoff.ms":     fetchErrorBackoffMs,
		"fetch.queue.backoff.ms":     fetchQueueBackoffMs,
		"fetch.wait.max.ms":          int(wait.Milliseconds()),
		"check.crcs":                 true,
		"allow.auto.create.topics":   false,
	}))
	if err != nil {
		return nil, fmt.Errorf("opening a reader of %s/%d: %w", topic, partition, err)
	}
	return &reader{client: client, place: ck.TopicPartition{Topic: &topic, Partition: partition}, mute: c.mute, from: c.at(), group: group, loan: loan}, nil
}

// lend makes the reader faster: a record is then valid until the next call of
// next only. Of its headers the one that is named is read; "" is none.
func (r *reader) lend(header string) (err error) {
	r.batch, err = newBatch(r.client, header)
	return err
}

// next returns the next record; or nil with end true at the end of the
// partition, told once each time it is reached; or nil and end false when wait
// passed. Trouble that passes by itself is not an error; that nothing at all
// comes after seek is: such a client may never give anything again.
func (r *reader) next(wait time.Duration) (m *ck.Message, end bool, err error) {
	if r.batch != nil {
		if m := r.batch.next(r.place.Topic); m != nil {
			return r.judge(m)
		}
	}
	switch e := r.client.Poll(int(wait.Milliseconds())).(type) {
	case *ck.Message:
		return r.judge(e)
	case ck.PartitionEOF:
		r.asked = time.Time{}
		r.end = int64(e.Offset)
		return nil, true, nil
	case ck.Error:
		return nil, false, r.fail(e)
	}
	if !r.asked.IsZero() && time.Since(r.asked) > r.mute {
		return nil, false, fmt.Errorf("reading %s/%d: neither a record nor the end came in %s from %s", *r.place.Topic, r.place.Partition, r.mute, r.from)
	}
	return nil, false, nil
}

// judge tells a record from an error that comes in place of one.
func (r *reader) judge(m *ck.Message) (*ck.Message, bool, error) {
	err := m.TopicPartition.Error
	var ke ck.Error
	switch {
	case err == nil:
		r.asked = time.Time{}
		return m, false, nil
	case errors.As(err, &ke) && ke.Code() == ck.ErrPartitionEOF:
		r.asked = time.Time{}
		r.end = int64(m.TopicPartition.Offset)
		return nil, true, nil
	}
	return nil, false, r.fail(err)
}

// fail returns nil for an error that the client recovers from by itself.
func (r *reader) fail(err error) error {
	var ke ck.Error
	if errors.As(err, &ke) && !ke.IsFatal() {
		switch ke.Code() {
		case ck.ErrAllBrokersDown, ck.ErrTransport, ck.ErrResolve, ck.ErrTimedOut, ck.ErrMsgTimedOut,
			ck.ErrLeaderNotAvailable, ck.ErrNotLeaderForPartition, ck.ErrNetworkException, ck.ErrBrokerNotAvailable,
			ck.ErrRequestTimedOut, ck.ErrUnknownTopicOrPart, ck.ErrUnknownTopic, ck.ErrCoordinatorNotAvailable,
			ck.ErrSsl, ck.ErrAuthentication: // a new connection is refused; the cluster says why
			return nil
		}
	}
	err = fmt.Errorf("reading %s/%d: %w", *r.place.Topic, r.place.Partition, err)
	if lacks(err) == "group" {
		return right(err, "Read", r.group)
	}
	return right(err, "Read", *r.place.Topic)
}

// rested says that nothing was read for a while because nobody asked.
func (r *reader) rested() {
	if !r.asked.IsZero() {
		r.asked = time.Now()
	}
}

func (r *reader) close() {
	if r.batch != nil {
		r.batch.close()
	}
	r.client.Close()
	r.loan.Return()
}

// rest hands every committed record up to the present end to do, in order.
func (r *reader) rest(ctx context.Context, do func(*ck.Message) error) error {
	_, err := r.before(ctx, math.MaxInt64, do)
	return err
}

// before hands every committed record with an offset below to to do, in order,
// and reports whether the present end of the partition came first.
func (r *reader) before(ctx context.Context, to int64, do func(*ck.Message) error) (end bool, err error) {
	for ctx.Err() == nil {
		m, end, err := r.next(pollWait)
		switch {
		case err != nil || end:
			return end, err
		case m == nil:
			continue
		case int64(m.TopicPartition.Offset) >= to:
			return false, nil
		}
		if err := do(m); err != nil || int64(m.TopicPartition.Offset) == to-1 {
			return false, err
		}
	}
	return false, ctx.Err()
}

// bounds returns the first offset that is held and the one after the last.
func (r *reader) bounds() (low, high int64, err error) {
	topic, partition := *r.place.Topic, r.place.Partition
	low, high, err = r.client.QueryWatermarkOffsets(topic, partition, int(metadataTimeout.Milliseconds()))
	if err != nil {
		return 0, 0, right(fmt.Errorf("asking for the bounds of %s/%d: %w", topic, partition, err), "Read", topic)
	}
	return low, high, nil
}

// atEnd asks the partition's leader whether the end that was last reached still
// is the end. One that does not answer may have more, and so may one with an
// open transaction.
func (r *reader) atEnd() bool {
	_, high, err := r.client.QueryWatermarkOffsets(*r.place.Topic, r.place.Partition, int(endTimeout.Milliseconds()))
	return err == nil && high <= r.end
}

// turn makes the reader one of another partition. It reads nothing there before
// seek.
func (r *reader) turn(topic string, partition int32) {
	r.place, r.end = ck.TopicPartition{Topic: &topic, Partition: partition}, 0
}

// seek goes on reading at offset, which may be ck.OffsetBeginning. Where that is,
// the partition's leader says; a client that does not know the leader yet would
// wait half a second before it asks again, so it gets to know it here.
func (r *reader) seek(offset ck.Offset) error {
	if offset < 0 {
		r.atEnd() // next tells what is wrong, if it stays so
	}
	r.place.Offset = offset
	return r.assign(r.place)
}

// assign goes on reading at these places, of this reader's topic.
func (r *reader) assign(places ...ck.TopicPartition) error {
	if r.batch != nil {
		r.batch.drop()
	}
	r.asked = time.Now()
	if err := r.client.Assign(places); err != nil {
		return fmt.Errorf("reading %s/%d at %s: %w", *r.place.Topic, r.place.Partition, r.place.Offset, err)
	}
	return nil
}

// lag returns how many offsets lie between offset and the end of the partition
// as the last fetch showed it; 0 before the first.
func (r *reader) lag(offset int64) int64 {
	_, high, err := r.client.GetWatermarkOffsets(*r.place.Topic, r.place.Partition)
	if err != nil || high < offset {
		return 0
	}
	return high - offset
}
