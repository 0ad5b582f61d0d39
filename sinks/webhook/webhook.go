// Package webhook brings alerts to a receiver over HTTP: one signed POST for
// each version of an alert, again and again until the receiver has it. A
// receiver is another party: it may be dead, slow, or point somewhere else, so
// every request is bounded in time, no redirect is followed, no more is read of
// an answer than its status, and only addresses of the open network are called
// unless the configuration says otherwise.
package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/alert"
)

// The headers of a request.
const (
	HeaderKey       = "Idempotency-Key"   // ID.VERSION of the alert
	HeaderTime      = "Caltrop-Timestamp" // of the attempt, seconds since 1970
	HeaderSignature = "Caltrop-Signature" // v1= and the hex HMAC-SHA256 of timestamp, dot and body
	HeaderSink      = "Caltrop-Sink"      // the sink's name
)

// Bounds of a request and its answer.
const (
	bodyBytesMax      = 1 << 20 // an alert over it is set aside
	answerBytesMax    = 4 << 10 // read, to use the connection again
	answerHeaderBytes = 16 << 10
	idleTimeout       = 30 * time.Second
)

// The breaker opens after so many failures in a row, and lets one request
// through after breakerWait.
const (
	breakerFailures = 8
	breakerWait     = 2 * time.Second
)

// Options of New. URL, Sink and Secret are required.
type Options struct {
	URL      string // http or https
	Sink     string // its name
	Secret   string // requests are signed with it
	Timeout  time.Duration
	InFlight int // requests at once
	Attempts int // at an alert that the receiver refuses
	// Allow are addresses that may be called though they are private, local or
	// reserved.
	Allow    []netip.Prefix
	TLS      *tls.Config   // nil: the system's authorities
	Resolver *net.Resolver // nil: the system's
}

// The defaults of Options.
const (
	timeoutDefault  = 10 * time.Second
	inFlightDefault = 8
	attemptsDefault = 10
)

// A Receiver is where the alerts of one sink go. One goroutine writes.
type Receiver struct {
	o       Options
	client  *http.Client
	breaker *gobreaker.CircuitBreaker[struct{}]
	seed    maphash.Seed

	mu struct {
		sync.Mutex
		refused map[version]int // attempts at what was refused; of the batch that is being written
		last    error           // of a request that failed
	}
}

var _ sinks.Writer = (*Receiver)(nil)

// A version is one version of an alert.
type version struct {
	id     alert.ID
	number int
}

// New returns a receiver that is not connected.
func New(o Options) (*Receiver, error) {
	o.Timeout, o.InFlight, o.Attempts = cmp.Or(o.Timeout, timeoutDefault), cmp.Or(o.InFlight, inFlightDefault), cmp.Or(o.Attempts, attemptsDefault)
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" { // not printed: it may hold a token
		return nil, errors.New("webhook: the address of the receiver is neither http nor https")
	}
	if o.Secret == "" {
		return nil, errors.New("webhook: there is no secret to sign with")
	}
	w := &Receiver{o: o, seed: maphash.MakeSeed(), client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ // no proxy: it would dial for us
			DialContext: o.dialer().DialContext, TLSClientConfig: o.TLS, ForceAttemptHTTP2: true, DisableCompression: true,
			MaxConnsPerHost: o.InFlight, MaxIdleConnsPerHost: o.InFlight, IdleConnTimeout: idleTimeout, MaxResponseHeaderBytes: answerHeaderBytes,
		},
	}}
	w.mu.refused = map[version]int{}
	w.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name: "webhook", MaxRequests: 1, Timeout: breakerWait,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool { return err == nil || errors.As(err, new(*refusal)) }, // it is there, and says no
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
	})
	return w, nil
}

// Close ends the connections that are not in use.
func (w *Receiver) Close() error {
	w.client.CloseIdleConnections()
	return nil
}

// Write implements sinks.Writer. Versions of one alert go one after the other;
// of an alert whose earlier version failed no later one is tried. Without an
// answer, and with 408, 425, 429 and 5xx, a record may be tried again for ever;
// any other answer but 2xx refuses it, and after Attempts of them it is given up.
func (w *Receiver) Write(ctx context.Context, records []sinks.Record) error {
	lanes := make([][]int, w.o.InFlight)
	for i := range records {
		lane := maphash.Bytes(w.seed, records[i].ID[:]) % uint64(len(lanes))
		lanes[lane] = append(lanes[lane], i)
	}
	failures := make([][]sinks.Failure, len(lanes))
	var g sync.WaitGroup
	for n := range lanes {
		if len(lanes[n]) > 0 {
			g.Go(func() { failures[n] = w.lane(ctx, records, lanes[n]) })
		}
	}
	g.Wait()
	failed := slices.Concat(failures...)
	if len(failed) == 0 {
		return nil
	}
	slices.SortFunc(failed, func(a, b sinks.Failure) int { return cmp.Compare(a.Index, b.Index) })
	return &sinks.BatchError{Failed: failed}
}

var errBehind = errors.New("an earlier version of the alert is not delivered")

// lane sends some of the records, one after the other.
func (w *Receiver) lane(ctx context.Context, records []sinks.Record, lane []int) (failed []sinks.Failure) {
	waits := map[alert.ID]bool{}
	for _, i := range lane {
		r := &records[i]
		if waits[r.ID] {
			failed = append(failed, sinks.Failure{Index: i, Err: errBehind})
			continue
		}
		if f := w.deliver(ctx, r); f != nil {
			f.Index = i
			failed = append(failed, *f)
			waits[r.ID] = !f.Permanent
		}
	}
	return failed
}

// deliver sends one record once; nil when the receiver has it.
func (w *Receiver) deliver(ctx context.Context, r *sinks.Record) *sinks.Failure {
	if len(r.JSON) > bodyBytesMax {
		return &sinks.Failure{Permanent: true, Reason: sinks.ReasonTooLarge, Err: fmt.Errorf("the alert has %d bytes, a request takes %d", len(r.JSON), bodyBytesMax)}
	}
	_, err := w.breaker.Execute(func() (struct{}, error) { return struct{}{}, w.post(ctx, r) })
	which := version{r.ID, r.Version}
	var no *refusal
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		delete(w.mu.refused, which)
		return nil
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return &sinks.Failure{Err: fmt.Errorf("not asking for a while: %w", w.mu.last)}
	case !errors.As(err, &no):
		w.mu.last = err
		return &sinks.Failure{Err: err}
	}
	if w.mu.refused[which]++; w.mu.refused[which] < w.o.Attempts {
		return &sinks.Failure{Err: err}
	}
	delete(w.mu.refused, which)
	return &sinks.Failure{Permanent: true, Reason: sinks.ReasonRefused, Err: fmt.Errorf("%w, %d times", err, w.o.Attempts)}
}

// A refusal is an answer that says no to this alert.
type refusal struct{ status int }

// Error names the answer.
func (r *refusal) Error() string {
	if r.status >= 300 && r.status < 400 {
		return fmt.Sprintf("the receiver answers %d: redirects are not followed", r.status)
	}
	return fmt.Sprintf("the receiver answers %d", r.status)
}

// post makes one request. An error never holds the address, which may have a
// token in it.
func (w *Receiver) post(ctx context.Context, r *sinks.Record) error {
	ctx, cancel := context.WithTimeout(ctx, w.o.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.o.URL, bytes.NewReader(r.JSON))
	if err != nil {
		return errors.New("making a request to the receiver")
	}
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "caltrop")
	request.Header.Set(HeaderKey, r.ID.String()+"."+strconv.Itoa(r.Version))
	request.Header.Set(HeaderTime, stamp)
	request.Header.Set(HeaderSignature, Sign(w.o.Secret, stamp, r.JSON))
	request.Header.Set(HeaderSink, w.o.Sink)
	answer, err := w.client.Do(request)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err
		}
		if ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("the receiver does not answer within %s: %w", w.o.Timeout, err)
		}
		return fmt.Errorf("asking the receiver: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, answerBytesMax) // the status says it all
	switch s := answer.StatusCode; {
	case s >= 200 && s < 300:
		return nil
	case s >= 500, s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests:
		return fmt.Errorf("the receiver answers %d", s)
	default:
		return &refusal{s}
	}
}

// Sign returns the signature of a body at a time, in seconds since 1970: what
// a receiver compares with HeaderSignature.
func Sign(secret, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}
