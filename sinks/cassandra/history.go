package cassandra

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/gocql/gocql"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/errgroup"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/alert"
)

// The bounds of a request.
const (
	triesMax     = 4                      // of one statement within a Write
	retryWaitMin = 50 * time.Millisecond  // after the first try
	retryWaitMax = 500 * time.Millisecond // after the last but one
	rowBytesMax  = 4 << 20                // of an alert's JSON and key; Cassandra refuses mutations over 16 MiB
)

// The breaker opens after so many failures in a row, and lets some requests
// through after so long.
const (
	breakerFailures = 32
	breakerProbes   = 4
	breakerWait     = time.Second
)

// A History stores alerts and windows of views in Cassandra. It connects at the first request and
// makes keyspace and tables where they are missing, so that a cluster that is
// down delays history and nothing else. It is safe for concurrent use.
type History struct {
	o          Options
	dial       func(o Options, keyspace string) (session, error)
	connecting chan struct{} // holds a token while nobody connects
	breaker    *gobreaker.CircuitBreaker[struct{}]
	mu         struct {
		sync.Mutex
		session session // nil until the first successful connection
		closed  bool
	}
}

var _ sinks.Writer = (*History)(nil)

// New returns a history that has not yet connected. The caller closes it.
func New(o Options) (*History, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return newHistory(o, dial), nil
}

func newHistory(o Options, dial func(Options, string) (session, error)) *History {
	o = o.withDefaults()
	h := &History{o: o, dial: dial, connecting: make(chan struct{}, 1), breaker: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name: "cassandra", MaxRequests: breakerProbes, Timeout: breakerWait,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool { return err == nil || classify(err) == never },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
	})}
	h.connecting <- struct{}{}
	return h
}

// Close ends the connection. Requests under way fail.
func (h *History) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.closed = true
	if h.mu.session != nil {
		h.mu.session.close()
	}
	return nil
}

var errClosed = errors.New("the history is closed")

// connect returns the session, opened and with its tables. One caller
// connects, the others wait for it as long as their contexts last.
func (h *History) connect(ctx context.Context) (session, error) {
	if s, err := h.connected(); s != nil || err != nil {
		return s, err
	}
	select {
	case <-h.connecting:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for a connection to cassandra: %w", ctx.Err())
	}
	defer func() { h.connecting <- struct{}{} }()
	if s, err := h.connected(); s != nil || err != nil {
		return s, err
	}
	s, err := h.open(ctx)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.closed {
		s.close()
		return nil, errClosed
	}
	h.mu.session = s
	return s, nil
}

// forget has the next request connect anew. Closing what is broken can take as
// long as the driver tries to connect, so nobody else waits for it.
func (h *History) forget(s session) {
	h.mu.Lock()
	known := h.mu.session == s
	if known {
		h.mu.session = nil
	}
	h.mu.Unlock()
	if known {
		s.close()
	}
}

// connected returns the session, nil when there is none yet.
func (h *History) connected() (session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.closed {
		return nil, errClosed
	}
	return h.mu.session, nil
}

// open opens a session on the keyspace and makes what is missing.
func (h *History) open(ctx context.Context) (session, error) {
	s, err := h.dial(h.o, "")
	if err != nil {
		return nil, err
	}
	err = makeKeyspace(ctx, s, h.o)
	s.close()
	if err != nil {
		return nil, err
	}
	if s, err = h.dial(h.o, h.o.Keyspace); err != nil {
		return nil, err
	}
	if err := makeTables(ctx, s, h.o.Keyspace); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// Write implements sinks.Writer. Each alert is three independent upserts; one
// that fails is tried again a few times where classify says so, then reported.
func (h *History) Write(ctx context.Context, records []sinks.Record) error {
	return h.each(ctx, len(records), func(s session, i int) error { return h.put(ctx, s, &records[i]) })
}

// each calls put for n records, at most Inflight at once, and says which failed.
func (h *History) each(ctx context.Context, n int, put func(s session, i int) error) error {
	s, err := h.connect(ctx)
	if err != nil {
		return err
	}
	errs := make([]error, n)
	var g errgroup.Group
	g.SetLimit(h.o.Inflight)
	for i := range n {
		g.Go(func() error {
			errs[i] = put(s, i)
			return nil
		})
	}
	_ = g.Wait() // every outcome is in errs
	var failed []sinks.Failure
	for i, err := range errs {
		if err != nil {
			failed = append(failed, sinks.Failure{Index: i, Err: err, Permanent: classify(err) == never})
		}
		if answered(err, gocql.ErrCodeInvalid) || errors.Is(err, gocql.ErrNoConnections) {
			h.forget(s) // a table or the keyspace may be gone: connecting makes it, or says what to mend
		}
	}
	if len(failed) > 0 {
		return &sinks.BatchError{Failed: failed}
	}
	return nil
}

// put writes one alert to the three tables. A part of them written is mended
// by the next attempt; a reader then finds the alert in fewer places.
func (h *History) put(ctx context.Context, s session, r *sinks.Record) error {
	if len(r.JSON)+len(r.Key) > rowBytesMax {
		return fmt.Errorf("writing alert %s of %d bytes, at most %d: %w", r.ID, len(r.JSON), rowBytesMax, errTooLarge)
	}
	written := r.At + int64(r.Version) // later versions win, whatever arrives last
	ttl := int(h.o.TTL / time.Second)
	id := r.ID[:]
	row := func(t table, name string) []any {
		return []any{name, t.bucket(r.At), r.At, id, r.Version, string(r.Status), r.Rule, string(r.JSON), written, ttl}
	}
	for _, w := range []struct {
		statement string
		values    []any
	}{
		{byRule.insert(), row(byRule, r.Rule)},
		{byKey.insert(), row(byKey, nameOf(r.Key))},
		{insertID, []any{id, r.Rule, r.At, written, ttl}},
	} {
		if err := h.attempt(ctx, func() error { return s.exec(ctx, w.statement, w.values...) }); err != nil {
			return fmt.Errorf("writing alert %s: %w", r.ID, err)
		}
	}
	return nil
}

// attempt writes once the breaker lets it: while that is open, nothing is asked
// of the cluster. What can never be stored says nothing about the cluster.
func (h *History) attempt(ctx context.Context, request func() error) error {
	return attempt(ctx, func() error {
		_, err := h.breaker.Execute(func() (struct{}, error) { return struct{}{}, request() })
		return err
	})
}

// attempt runs a request up to triesMax times while classify says retry.
func attempt(ctx context.Context, request func() error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = retryWaitMin, retryWaitMax
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := request()
		if err != nil && classify(err) != retry {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxTries(triesMax))
	var permanent *backoff.PermanentError
	if errors.As(err, &permanent) {
		return permanent.Unwrap()
	}
	return err
}

// Alert returns the newest version of an alert as JSON; an error matches
// alert.ErrUnknown where there is none.
func (h *History) Alert(ctx context.Context, id alert.ID) ([]byte, error) {
	s, err := h.connect(ctx)
	if err != nil {
		return nil, err
	}
	var rule string
	var at int64
	found, err := one(ctx, s, selectID, []any{id[:]}, &rule, &at)
	var body []byte
	if err == nil && found {
		body, err = h.body(ctx, s, byRule, rule, alert.Position{At: at, ID: id})
	}
	if err != nil {
		return nil, fmt.Errorf("reading alert %s: %w", id, err)
	}
	if body == nil {
		return nil, fmt.Errorf("reading alert %s: %w", id, alert.ErrUnknown)
	}
	return body, nil
}

// body reads one alert where it stands in a table; nil if it is not there.
func (h *History) body(ctx context.Context, s session, t table, name string, p alert.Position) ([]byte, error) {
	var body []byte
	_, err := one(ctx, s, t.body(), []any{name, t.bucket(p.At), p.At, p.ID[:]}, &body)
	return body, err
}

// one reads at most one row.
func one(ctx context.Context, s session, statement string, values []any, into ...any) (found bool, err error) {
	err = attempt(ctx, func() error {
		return s.rows(ctx, statement, values, func(scan func(...any) error) (bool, error) {
			found = true
			return false, scan(into...)
		})
	})
	return found, err
}
