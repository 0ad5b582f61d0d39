package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
		admin    *ck.AdminClient      // nil until it is needed first
		journals map[string]int       // partitions of the journals that are known to exist, by topic
		silent   time.Time            // since when no broker has answered; zero: one does
		why      error                // what the last question came to; nil before the first
		known    bool                 // a broker has answered
		denied   map[string]error     // rights that are lacked, by what they are wanted for
		refusal  string               // what a broker last said against our user; "" once one answers
		logged   map[string]time.Time // lines of the client library, by tag
	}
}

// Open checks the options and returns a cluster. It does not wait for a broker.
func Open(opts Options) (*Cluster, error) {
	opts = opts.WithDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	c := &Cluster{opts: opts, logs: make(chan ck.LogEvent, clientLogs), mute: readerMute, clock: newClock(), saves: make(chan struct{}, savesAtOnce)}
	c.mu.journals, c.mu.silent, c.mu.logged = map[string]int{}, time.Now(), map[string]time.Time{}
	c.mu.denied = map[string]error{}
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
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-c.logs:
			c.heardOf(e)
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
	return 0, right(fmt.Errorf("reading metadata of %s: %w", topic, t.Error), "Read", topic)
}

// at names the brokers to a reader.
func (c *Cluster) at() string { return strings.Join(c.opts.Brokers, ", ") }

// heard notes what a question to the cluster came to; nil: a broker answered.
func (c *Cluster) heard(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.mu.why = err; {
	case err == nil:
		c.mu.silent, c.mu.known, c.mu.refusal = time.Time{}, true, ""
	case c.mu.silent.IsZero():
		c.mu.silent = time.Now()
	}
}

// denied notes that the cluster lets us not do something, and logs what is new; nil:
// it does.
func (c *Cluster) denied(what string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.mu.denied[what]
	if err == nil {
		delete(c.mu.denied, what)
		return
	}
	c.mu.denied[what] = err
	if was == nil || was.Error() != err.Error() {
		c.opts.Log.Error("not allowed by the cluster's ACLs; tried again and again", "error", err)
	}
}

// Waiting returns nil while brokers answer and let us do what we must, else what is
// waited for and why.
func (c *Cluster) Waiting() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.silent.IsZero() {
		return errors.Join(slices.Collect(maps.Values(c.mu.denied))...)
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
