package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/sinktest"
	"github.com/caltrop/caltrop/sinks/webhook"
)

const secret = "canary-4711"

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

// A call is one request that a receiver got.
type call struct{ key, body string }

// A receiver answers with what answer says and remembers the calls.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

func newReceiver(t *testing.T, answer http.HandlerFunc) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.calls = append(r.calls, call{q.Header.Get(webhook.HeaderKey), string(body)})
		r.mu.Unlock()
		if stamp := q.Header.Get(webhook.HeaderTime); q.Header.Get(webhook.HeaderSignature) != webhook.Sign(secret, stamp, body) || stamp == "" {
			t.Error("a request is not signed")
		}
		answer(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]call(nil), r.calls...)
}

func answers(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// open returns a client of an address; loopback may be called.
func open(t *testing.T, o webhook.Options) *webhook.Receiver {
	t.Helper()
	o.Sink, o.Secret = "pager", secret
	if o.Allow == nil {
		o.Allow = loopback
	}
	w, err := webhook.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// records are n alerts.
func records(n int) []sinks.Record {
	all := make([]sinks.Record, n)
	for i := range all {
		all[i] = sinktest.Alert{Name: fmt.Sprint("c", i), Rule: "probe"}.Record()
	}
	return all
}

// failures returns what of a batch failed.
func failures(t *testing.T, err error) []sinks.Failure {
	t.Helper()
	var some *sinks.BatchError
	if err != nil && !errors.As(err, &some) {
		t.Fatalf("no batch error: %v", err)
	}
	if some == nil {
		return nil
	}
	return some.Failed
}

func TestAlertsAreDelivered(t *testing.T) {
	r := newReceiver(t, answers(http.StatusNoContent))
	w := open(t, webhook.Options{URL: r.URL + "/in?token=1"})
	batch := records(20)
	if err := w.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	want := map[call]bool{}
	for i := range batch {
		want[call{batch[i].ID.String() + ".1", string(batch[i].JSON)}] = true
	}
	for _, c := range r.got() {
		if !want[c] {
			t.Errorf("got %v, which was not sent, or twice", c)
		}
		delete(want, c)
	}
	if len(want) > 0 {
		t.Errorf("%d alerts did not arrive", len(want))
	}
}

// What an answer means: delivered, to be tried again for ever, or refused and
// given up after so many attempts.
func TestAnswers(t *testing.T) {
	const attempts = 3
	for _, c := range []struct {
		status int
		tries  int // until it is given up; 0: it never is; -1: delivered
	}{
		{200, -1}, {202, -1}, {299, -1},
		{301, attempts}, {302, attempts}, {307, attempts}, {308, attempts}, {304, attempts},
		{400, attempts}, {401, attempts}, {404, attempts}, {410, attempts}, {422, attempts},
		{408, 0}, {425, 0}, {429, 0}, {500, 0}, {503, 0}, {599, 0},
	} {
		followed := &atomic.Int64{}
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
		r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(c.status)
		})
		w := open(t, webhook.Options{URL: r.URL, Attempts: attempts})
		var failed []sinks.Failure
		tries := 0
		for tries < 2*attempts {
			tries++
			if failed = failures(t, w.Write(t.Context(), records(1))); len(failed) == 0 || failed[0].Permanent {
				break
			}
		}
		switch {
		case c.tries < 0 && (len(failed) > 0 || tries != 1):
			t.Errorf("%d: %v after %d, want delivered", c.status, failed, tries)
		case c.tries == 0 && (len(failed) == 0 || failed[0].Permanent):
			t.Errorf("%d: %v after %d, want to try again", c.status, failed, tries)
		case c.tries > 0 && (tries != c.tries || len(failed) == 0 || failed[0].Reason != sinks.ReasonRefused):
			t.Errorf("%d: %v after %d, want given up after %d", c.status, failed, tries, c.tries)
		}
		if followed.Load() > 0 {
			t.Errorf("%d: a redirect was followed", c.status)
		}
		other.Close()
	}
}

// An alert that is refused does not keep back another one, and what is refused
// once is not refused for ever.
func TestARefusalIsOfOneAlert(t *testing.T) {
	batch := records(2)
	var times atomic.Int64
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		if strings.HasPrefix(q.Header.Get(webhook.HeaderKey), batch[0].ID.String()) && times.Add(1) < 3 {
			w.WriteHeader(http.StatusConflict)
		}
	})
	w := open(t, webhook.Options{URL: r.URL, InFlight: 1, Attempts: 3})
	for range 2 {
		failed := failures(t, w.Write(t.Context(), batch))
		if len(failed) != 1 || failed[0].Index != 0 || failed[0].Permanent {
			t.Fatalf("%v, want the first to be tried again", failed)
		}
	}
	if failed := failures(t, w.Write(t.Context(), batch[:1])); len(failed) != 0 {
		t.Errorf("%v, want it delivered at last", failed)
	}
}

// A later version waits for the earlier one.
func TestVersionsKeepTheirOrder(t *testing.T) {
	var bad atomic.Bool
	bad.Store(true)
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		if bad.Load() && strings.HasSuffix(q.Header.Get(webhook.HeaderKey), ".1") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	w := open(t, webhook.Options{URL: r.URL})
	one := sinktest.Alert{Rule: "probe", Key: "c1"}.Record()
	two := one
	two.Version = 2
	if failed := failures(t, w.Write(t.Context(), []sinks.Record{one, two})); len(failed) != 2 {
		t.Fatalf("%v, want both to wait", failed)
	}
	bad.Store(false)
	if err := w.Write(t.Context(), []sinks.Record{one, two}); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, c := range r.got() {
		_, version, _ := strings.Cut(c.key, ".")
		keys = append(keys, version)
	}
	if got := strings.Join(keys, " "); got != "1 1 2" {
		t.Errorf("versions came as %s, want 1 1 2", got)
	}
}

// A receiver that takes requests and never answers, or never reads them, costs
// its time-out; after some the breaker is open and it is not asked at all. All
// are tried again with the same key, and arrive once it is well.
func TestT43WebhookThatNeverAnswers(t *testing.T) {
	const inFlight = 4
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	var taken atomic.Int64
	go func() {
		var kept []net.Conn // accepted and never read; one that nobody has would be closed by the collector
		for {
			c, err := mute.Accept()
			if err != nil {
				for _, c := range kept {
					c.Close()
				}
				return
			}
			kept = append(kept, c)
			taken.Add(1)
		}
	}()
	w := open(t, webhook.Options{URL: "http://" + mute.Addr().String(), Timeout: 100 * time.Millisecond, InFlight: inFlight})
	batch := records(500)
	failed := failures(t, w.Write(t.Context(), batch))
	if len(failed) != len(batch) {
		t.Fatalf("%d of %d failed", len(failed), len(batch))
	}
	for _, f := range failed {
		if f.Permanent || !strings.Contains(f.Err.Error(), "within 100ms") {
			t.Fatalf("%v: want a time-out, to be tried again", f)
		}
	}
	if n := taken.Load(); n > 16 {
		t.Errorf("%d requests were made of a receiver that never answers: the breaker is to be open", n)
	}
}

// The same request comes again with the same key, whatever became of the first.
func TestT43WebhookIsRetriedWithItsKey(t *testing.T) {
	var n atomic.Int64
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		switch n.Add(1) {
		case 1: // it has the alert; its answer is lost
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				c.Close()
			}
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	w := open(t, webhook.Options{URL: r.URL})
	batch := records(1)
	for i, want := range []int{1, 1, 0} {
		if failed := failures(t, w.Write(t.Context(), batch)); len(failed) != want {
			t.Fatalf("attempt %d: %v", i+1, failed)
		}
	}
	calls := r.got()
	if len(calls) != 3 || calls[0] != calls[1] || calls[1] != calls[2] || calls[0].key != batch[0].ID.String()+".1" {
		t.Errorf("calls %v, want the same three times", calls)
	}
}

// A name that resolves to a permitted address at first and to another one then
// is called at the first only; a redirect to a link-local address is not
// followed, and such an address is not called by itself.
func TestT43WebhookStaysOutside(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Connection", "close") // the next request resolves again
		if q.URL.Path == "/redirect" {
			w.Header().Set("Location", "http://169.254.169.254/latest/meta-data")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	})
	port := r.Listener.Addr().(*net.TCPAddr).Port
	names := &resolver{}
	names.set("127.0.0.1")
	rebinding := open(t, webhook.Options{URL: fmt.Sprintf("http://receiver.test:%d/", port), Resolver: names.serve(t)})
	if failed := failures(t, rebinding.Write(t.Context(), records(1))); len(failed) != 0 {
		t.Fatalf("%v, want it delivered", failed)
	}
	for _, inside := range []string{"127.0.0.2", "169.254.169.254", "10.0.0.1"} {
		names.set(inside)
		failed := failures(t, rebinding.Write(t.Context(), records(1)))
		if len(failed) != 1 || !errors.Is(failed[0].Err, webhook.ErrAddress) || failed[0].Permanent {
			t.Errorf("%s: %v, want the address refused", inside, failed)
		}
	}
	if n := len(r.got()); n != 1 {
		t.Errorf("%d requests came, want the one before the name changed", n)
	}
	for _, address := range []string{"http://169.254.169.254/", "http://[::1]:1/", "http://0x7f000002:1/", "http://2130706434:1/", "http://[::ffff:7f00:2]:1/"} {
		failed := failures(t, open(t, webhook.Options{URL: address, Timeout: 5 * time.Second}).Write(t.Context(), records(1)))
		if len(failed) != 1 {
			t.Errorf("%s was called", address)
		} else if strings.Contains(failed[0].Err.Error(), "timeout") {
			t.Errorf("%s: %v: it was dialled", address, failed[0].Err)
		}
	}
	failed := failures(t, open(t, webhook.Options{URL: r.URL + "/redirect", Attempts: 1}).Write(t.Context(), records(1)))
	if len(failed) != 1 || !failed[0].Permanent || !strings.Contains(failed[0].Err.Error(), "307") {
		t.Errorf("%v, want a redirect refused", failed)
	}
}

// Neither the secret nor the address is in an error.
func TestT43WebhookErrorsTellNoSecrets(t *testing.T) {
	r := newReceiver(t, answers(http.StatusInternalServerError))
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, address := range []string{r.URL, gone.URL, "http://169.254.169.254", "http://nowhere.invalid"} {
		w := open(t, webhook.Options{URL: address + "/hook/token-4711", Timeout: 2 * time.Second})
		err := w.Write(t.Context(), records(1))
		if err == nil || strings.Contains(err.Error(), "4711") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := webhook.New(webhook.Options{URL: "token-4711://x", Secret: secret}); err == nil || strings.Contains(err.Error(), "4711") {
		t.Errorf("a bad address: %v", err)
	}
	if _, err := webhook.New(webhook.Options{URL: "https://example.com"}); err == nil {
		t.Error("requests without a signature are not refused")
	}
}

// A resolver answers every question for an address with one address.
type resolver struct {
	mu sync.Mutex
	to netip.Addr
}

func (r *resolver) set(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = netip.MustParseAddr(address)
}

// serve starts a name server.
func (r *resolver) serve(t *testing.T) *net.Resolver {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := r.answer(buf[:n]); answer != nil {
				_, _ = server.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func (r *resolver) answer(question []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	if q.Type == dnsmessage.TypeA {
		r.mu.Lock()
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: r.to.As4()}}}
		r.mu.Unlock()
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

func TestAnAlertTooLargeIsSetAside(t *testing.T) {
	r := newReceiver(t, answers(http.StatusOK))
	batch := records(2)
	batch[0].JSON = append(batch[0].JSON, make([]byte, 1<<20)...)
	failed := failures(t, open(t, webhook.Options{URL: r.URL}).Write(t.Context(), batch))
	if len(failed) != 1 || failed[0].Index != 0 || !failed[0].Permanent || failed[0].Reason != sinks.ReasonTooLarge || len(r.got()) != 1 {
		t.Errorf("%v and %d requests, want the first set aside and the other delivered", failed, len(r.got()))
	}
}
