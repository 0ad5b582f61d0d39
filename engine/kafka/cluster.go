package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A Cluster makes the clients of one Kafka cluster. It is safe for concurrent
// use. Nothing is connected until a method needs it.
type Cluster struct {
	opts  Options
	logs  chan ck.LogEvent
	mute  time.Duration // readerMute; tests wait less
	clock clock
	saves chan struct{} // of the tasks whose checkpoint is in its turn

	mu struct {
		sync.Mutex
		admin    *ck.AdminClient // nil until it is needed first
		journals map[string]int  // partitions of the journals that are known to exist, by topic
		silent   time.Time       // since when no broker has answered; zero: one does
		why      error           // what the last question came to; nil before the first
	}
}

// Open checks the options and returns a cluster. It does not wait for a broker.
func Open(opts Options) (*Cluster, error) {
	opts = opts.WithDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	c := &Cluster{opts: opts, logs: make(chan ck.LogEvent, clientLogs), mute: readerMute, clock: newClock(), saves: make(chan struct{}, savesAtOnce)}
	c.mu.journals, c.mu.silent = map[string]int{}, time.Now()
	return c, nil
}

// admin returns the one administrative client, which all goroutines share.
func (c *Cluster) admin() (*ck.AdminClient, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.admin != nil {
		return c.mu.admin, nil
	}
	admin, err := ck.NewAdminClient(c.clientConfig(nil))
	if err != nil {
		return nil, fmt.Errorf("opening an admin client: %w", err)
	}
	c.mu.admin = admin
	return admin, nil
}

// Close ends the client that methods share. Nothing of the cluster may be in
// use any more.
func (c *Cluster) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.admin != nil {
		c.mu.admin.Close()
		c.mu.admin = nil
	}
}

// Run forwards what the client library has to say to the log until ctx ends.
// A line that repeats is written once a minute.
func (c *Cluster) Run(ctx context.Context) error {
	seen := make(map[string]time.Time)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-c.logs:
			if e.Level > 4 || time.Since(seen[e.Tag]) < time.Minute {
				continue
			}
			seen[e.Tag] = time.Now()
			c.opts.Log.Warn("kafka client", "tag", e.Tag, "message", e.Message)
		}
	}
}

// Partitions returns how many partitions a topic has; 0 when it does not exist.
func (c *Cluster) Partitions(topic string) (int, error) {
	admin, err := c.admin()
	if err != nil {
		return 0, err
	}
	return c.partitions(admin, topic)
}

func (c *Cluster) partitions(admin *ck.AdminClient, topic string) (int, error) {
	md, err := admin.GetMetadata(&topic, false, int(metadataTimeout.Milliseconds()))
	if err != nil {
		return 0, c.unanswered(fmt.Errorf("reading metadata of %s: %w", topic, err))
	}
	t := md.Topics[topic]
	switch t.Error.Code() {
	case ck.ErrNoError:
		return len(t.Partitions), nil
	case ck.ErrUnknownTopicOrPart, ck.ErrUnknownTopic:
		return 0, nil
	}
	return 0, fmt.Errorf("reading metadata of %s: %w", topic, t.Error)
}

// at names the brokers to a reader.
func (c *Cluster) at() string { return strings.Join(c.opts.Brokers, ", ") }

// unanswered names the brokers in an error that says that none of them answers.
func (c *Cluster) unanswered(err error) error {
	var ke ck.Error
	if errors.As(err, &ke) {
		switch ke.Code() {
		case ck.ErrTransport, ck.ErrAllBrokersDown, ck.ErrResolve, ck.ErrTimedOut:
			return fmt.Errorf("no broker at %s answers: %w", c.at(), err)
		}
	}
	return err
}

// heard notes what a question to the cluster came to; nil: a broker answered.
func (c *Cluster) heard(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.mu.why = err; {
	case err == nil:
		c.mu.silent = time.Time{}
	case c.mu.silent.IsZero():
		c.mu.silent = time.Now()
	}
}

// Waiting returns nil while brokers answer, else since when none has, and why.
func (c *Cluster) Waiting() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.silent.IsZero() {
		return nil
	}
	since := c.mu.silent.UTC().Format(time.RFC3339)
	if c.mu.why == nil {
		return fmt.Errorf("waiting for Kafka at %s since %s", c.at(), since)
	}
	return fmt.Errorf("waiting for Kafka at %s since %s: %w", c.at(), since, c.mu.why)
}

// retry calls do until it succeeds, ctx ends or the error is final; between
// attempts it waits longer and longer.
func retry(ctx context.Context, do func() error) error {
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		err := do()
		if err == nil || isFinal(err) {
			return err
		}
		if !pause(ctx, wait) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// pause waits and reports whether the time passed before ctx ended.
func pause(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Prepare creates what topics are missing, and waits for the cluster where it
// is not there: it says so now and then, and returns an error only when ctx
// ends or the cluster refuses.
func (c *Cluster) Prepare(ctx context.Context) error {
	said := time.Time{}
	return retry(ctx, func() error {
		attempt, cancel := context.WithTimeout(ctx, 2*metadataTimeout)
		defer cancel()
		err := c.EnsureShared(attempt)
		c.heard(err)
		if err == nil || ctx.Err() != nil || halts(err) {
			return err
		}
		if time.Since(said) > noticeEvery {
			said = time.Now()
			c.opts.Log.Warn("waiting for kafka", "brokers", c.opts.Brokers, "error", err)
		}
		return &waitError{err}
	})
}

// A waitError is worth another attempt, whatever it wraps.
type waitError struct{ cause error }

// Error returns the cause's text.
func (e *waitError) Error() string { return e.cause.Error() }
