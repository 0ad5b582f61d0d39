// Package kafka reads the alerts topic for the delivery loop: one member of a
// consumer group per sink, committed records only, offsets committed after the
// sink has stored. It refuses to know what an alert is. cmd makes it and gives
// it to sinks.Deliver.
package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/caltrop/caltrop/internal/group"
	"github.com/caltrop/caltrop/sinks"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

var _ sinks.HoldingSource = (*Source)(nil)

// Bounds of what is read ahead of a sink. Past them partitions are paused.
const (
	batchRecords   = 500 // where Options do not say
	batchBytes     = 4 << 20
	queueKiB       = 2 << 10
	clientLogs     = 64
	pollWait       = 100 * time.Millisecond
	lingerWait     = 5 * time.Millisecond   // from a batch's first record until it is offered
	takeWait       = 2 * time.Second        // for a full batch to be taken, before reading is paused
	commitEvery    = 200 * time.Millisecond // what is stored is committed, also as partitions go and at the end
	sessionTimeout = 6 * time.Second
	lagTimeoutMs   = 1000
	noticeEvery    = 10 * time.Second
)

// Options say what to read.
type Options struct {
	Brokers  []string          // required
	Topics   []string          // required
	Group    string            // required: one per sink, shared by all processes
	Instance string            // names this process to the brokers
	Settings map[string]string // passed to the client library as they are
	Batch    int               // records that Fetch returns at most; 0 means 500
	Log      *slog.Logger      // nil: discarded
}

// A Source is one member of a sink's group. Run reads; Fetch and Commit are for
// the delivery loop, one goroutine. Delivery is at least once: after a
// rebalance a record may come again, at this member or another.
type Source struct {
	opts    Options
	member  *group.Member // replaced under life
	batches chan []*ck.Message
	logs    chan ck.LogEvent

	// Owned by Run.
	batch   []*ck.Message
	bytes   int
	began   time.Time // when the batch's first record came
	paused  bool
	noticed time.Time // when a right was last said to be lacking

	mu struct {
		sync.Mutex
		fetched map[place]ck.Offset // to commit: behind the last record handed out
		read    map[place]ck.Offset // behind the last record read
		ends    map[place]ck.Offset // where the partition was last seen to end, behind the marks of transactions
	}
	// life is held while the client commits, so that Run does not close it
	// under the delivery loop. Taken before mu.
	life struct {
		sync.Mutex
		closed bool
	}
}

type place struct {
	topic     string
	partition int32
}

// Open makes a source. It does not wait for a broker; Run connects.
func Open(o Options) (*Source, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Batch = cmp.Or(o.Batch, batchRecords)
	s := &Source{opts: o, batches: make(chan []*ck.Message), logs: make(chan ck.LogEvent, clientLogs)}
	s.mu.fetched, s.mu.read, s.mu.ends = map[place]ck.Offset{}, map[place]ck.Offset{}, map[place]ck.Offset{}
	conf := ck.ConfigMap{
		"bootstrap.servers":                  strings.Join(o.Brokers, ","),
		"client.id":                          o.Instance,
		"group.id":                           o.Group,
		"partition.assignment.strategy":      "cooperative-sticky",
		"session.timeout.ms":                 int(sessionTimeout.Milliseconds()),
		"enable.auto.commit":                 true, // of what Commit says is stored
		"auto.commit.interval.ms":            int(commitEvery.Milliseconds()),
		"enable.partition.eof":               true,
		"enable.auto.offset.store":           false,
		"auto.offset.reset":                  "earliest",
		"isolation.level":                    "read_committed",
		"queued.max.messages.kbytes":         queueKiB,
		"fetch.queue.backoff.ms":             5, // the library waits a second before it looks at a full queue again
		"topic.metadata.refresh.interval.ms": 10_000,
		"log.connection.close":               false,
		"go.logs.channel.enable":             true,
		"go.logs.channel":                    s.logs,
	}
	for k, v := range o.Settings {
		conf[k] = v
	}
	var err error
	if s.member, err = group.Join(conf, s.rebalance); err != nil {
		return nil, err
	}
	return s, nil
}

// Run reads until ctx ends, then leaves the group. While the sink does not take
// what was read, it stays in the group and reads no further.
func (s *Source) Run(ctx context.Context) error {
	defer s.close()
	if err := s.member.Subscribe(s.opts.Topics); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if s.member.Adrift(rejoinAfter) {
			if err := s.rejoin(); err != nil {
				return err
			}
		}
		for len(s.logs) > 0 {
			<-s.logs // what is wrong with the brokers the engine's clients say, once
		}
		if err := s.turn(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (s *Source) close() {
	s.life.Lock()
	defer s.life.Unlock()
	s.life.closed = true
	s.member.Close() // what it cannot tell the group, the session's time-out does
}

// turn polls once and offers what there is to the delivery loop. Pausing throws
// away what the library has read ahead, and costs a round of fetches; so a full
// batch is waited for first. Meanwhile the group waits too, if it rebalances.
func (s *Source) turn(ctx context.Context) error {
	if s.full() && !s.paused {
		if taken, err := s.offer(ctx, takeWait); taken || err != nil {
			return err
		}
		if err := s.pause(true); err != nil {
			return err
		}
	}
	if err := s.poll(); err != nil {
		return err
	}
	if len(s.batch) == 0 {
		return s.pause(false) // a rebalance may have dropped what waited
	}
	if !s.full() && time.Since(s.began) < lingerWait {
		return nil
	}
	_, err := s.offer(ctx, 0)
	return err
}

func (s *Source) full() bool { return len(s.batch) >= s.opts.Batch || s.bytes >= batchBytes }

// poll takes one record or one piece of news from the library.
func (s *Source) poll() error {
	wait := pollWait
	if len(s.batch) > 0 {
		wait = lingerWait
	}
	switch ev := s.member.Poll(int(wait.Milliseconds())).(type) {
	case *ck.Message:
		if err := ev.TopicPartition.Error; err != nil {
			s.denied(err, *ev.TopicPartition.Topic)
			break
		}
		s.take(ev)
	case ck.PartitionEOF:
		s.note(s.mu.ends, ck.TopicPartition(ev), 0)
	case ck.Error:
		if ev.IsFatal() {
			return fmt.Errorf("reading %v: %w", s.opts.Topics, ev)
		}
		s.denied(ev, strings.Join(s.opts.Topics, ", "))
	}
	return nil
}

// denied logs, once in noticeEvery, which right the group or a topic would need. The
// library tries again by itself.
func (s *Source) denied(err error, topics string) {
	var ke ck.Error
	if !errors.As(err, &ke) || time.Since(s.noticed) < noticeEvery {
		return
	}
	want := "Read on topic " + topics
	switch ke.Code() {
	case ck.ErrTopicAuthorizationFailed:
	case ck.ErrGroupAuthorizationFailed:
		want = "Read on group " + s.opts.Group
	default:
		return
	}
	s.noticed = time.Now()
	s.opts.Log.Error("a sink may not read: nothing is delivered until it may", "grant", want, "error", err)
}

func (s *Source) take(m *ck.Message) {
	if len(s.batch) == 0 {
		s.began = time.Now()
	}
	s.batch = append(s.batch, m)
	s.bytes += len(m.Value)
	s.note(s.mu.read, m.TopicPartition, 1)
}

// offer hands the batch to the delivery loop if it takes it within wait, and
// then reads on.
func (s *Source) offer(ctx context.Context, wait time.Duration) (taken bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	select {
	case s.batches <- s.batch: // also where there is nothing to wait for
	default:
		select {
		case s.batches <- s.batch:
		case <-ctx.Done():
			return false, nil
		}
	}
	s.batch, s.bytes = nil, 0
	return true, s.pause(false)
}

func (s *Source) note(in map[place]ck.Offset, at ck.TopicPartition, behind ck.Offset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in[place{*at.Topic, at.Partition}] = at.Offset + behind
}

// pause stops or resumes reading; the group goes on being served.
func (s *Source) pause(stop bool) error {
	if s.paused == stop {
		return nil
	}
	assigned, err := s.member.Assignment()
	if err != nil {
		return fmt.Errorf("asking for the assignment: %w", err)
	}
	s.paused = stop
	if stop {
		err = s.member.Pause(assigned)
	} else {
		err = s.member.Resume(assigned)
	}
	if err != nil {
		return fmt.Errorf("pausing or resuming %v: %w", s.opts.Topics, err)
	}
	return nil
}

// Fetch waits for records and returns some; see sinks.Source.
func (s *Source) Fetch(ctx context.Context) ([]sinks.Message, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case batch := <-s.batches:
		s.mu.Lock()
		defer s.mu.Unlock()
		messages := make([]sinks.Message, len(batch))
		for i, m := range batch {
			at := m.TopicPartition
			messages[i] = sinks.Message{Value: m.Value, Partition: at.Partition, Offset: int64(at.Offset), Trace: traceOf(m)}
			s.mu.fetched[place{*at.Topic, at.Partition}] = at.Offset + 1
		}
		return messages, nil
	}
}

func traceOf(m *ck.Message) string {
	for i := range m.Headers {
		if m.Headers[i].Key == sinks.HeaderTrace {
			return string(m.Headers[i].Value)
		}
	}
	return ""
}

// Commit says that everything fetched is stored. It does not wait: the library
// commits soon, as partitions are taken away, and at the end. A commit that comes
// when the partitions have just moved is of no use and no harm.
func (s *Source) Commit(ctx context.Context) error { return s.CommitBefore(ctx, nil) }

// CommitBefore implements sinks.HoldingSource.
func (s *Source) CommitBefore(_ context.Context, held map[int32]int64) error {
	s.life.Lock()
	defer s.life.Unlock()
	offsets := s.uncommitted(held)
	if len(offsets) == 0 || s.life.closed {
		return nil
	}
	if _, err := s.member.StoreOffsets(offsets); err != nil && !moved(err) {
		return fmt.Errorf("committing offsets of group %s: %w", s.opts.Group, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.mu.fetched, func(at place, _ ck.Offset) bool { _, waits := held[at.partition]; return !waits })
	return nil
}

// uncommitted lists what Fetch has handed out since the last commit, up to what
// is held.
func (s *Source) uncommitted(held map[int32]int64) []ck.TopicPartition {
	s.mu.Lock()
	defer s.mu.Unlock()
	offsets := make([]ck.TopicPartition, 0, len(s.mu.fetched))
	for at, offset := range s.mu.fetched {
		if before, waits := held[at.partition]; waits {
			offset = min(offset, ck.Offset(before))
		}
		offsets = append(offsets, ck.TopicPartition{Topic: &at.topic, Partition: at.partition, Offset: offset})
	}
	return offsets
}

// Lag returns how many records of the partitions that this member has are not
// committed. It asks the brokers.
func (s *Source) Lag() (int64, error) {
	s.life.Lock()
	defer s.life.Unlock()
	if s.life.closed {
		return 0, nil
	}
	assigned, err := s.member.Assignment()
	if err != nil || len(assigned) == 0 {
		return 0, err
	}
	assigned, err = s.member.Committed(assigned, lagTimeoutMs)
	if err != nil {
		return 0, fmt.Errorf("asking for the offsets of group %s: %w", s.opts.Group, err)
	}
	var lag int64
	for _, p := range assigned {
		low, high, err := s.member.QueryWatermarkOffsets(*p.Topic, p.Partition, lagTimeoutMs)
		if err != nil {
			return 0, fmt.Errorf("asking for the end of %s/%d: %w", *p.Topic, p.Partition, err)
		}
		lag += high - max(low, s.doneWith(p)) // no offset is negative
	}
	return lag, nil
}

// doneWith is up to where a partition has nothing to do any more: its committed
// offset, or where it was seen to end, if all records before that are committed.
func (s *Source) doneWith(committed ck.TopicPartition) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{*committed.Topic, committed.Partition}
	if committed.Offset >= s.mu.read[at] || s.mu.read[at] == 0 {
		return int64(max(committed.Offset, s.mu.ends[at]))
	}
	return int64(committed.Offset)
}

// moved reports whether a commit failed because the group has rebalanced: the
// records come again.
func moved(err error) bool {
	var ke ck.Error
	if !errors.As(err, &ke) {
		return false
	}
	switch ke.Code() {
	case ck.ErrIllegalGeneration, ck.ErrUnknownMemberID, ck.ErrRebalanceInProgress, ck.ErrAssignmentLost, ck.ErrState, ck.ErrUnknownPartition:
		return true
	}
	return false
}
