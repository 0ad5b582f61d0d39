package api_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caltrop/caltrop/internal/api"
)

// A wire is a listener whose connections stay inside the test.
type wire struct {
	conns chan net.Conn
	close func()
	ended chan struct{}
}

func newWire() *wire {
	w := &wire{conns: make(chan net.Conn), ended: make(chan struct{})}
	w.close = sync.OnceFunc(func() { close(w.ended) })
	return w
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.ended:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error { w.close(); return nil }

func (*wire) Addr() net.Addr { return &net.TCPAddr{} }

// dial sends what a hostile client sends, and gives its status and how long the
// server bore with it; status 0: closed without an answer.
func (w *wire) dial(send func(net.Conn)) (status int, bore time.Duration) {
	client, server := net.Pipe()
	began := time.Now()
	w.conns <- server
	var sending sync.WaitGroup
	sending.Go(func() { send(client) })
	defer sending.Wait()
	defer client.Close()
	answer, err := http.ReadResponse(bufio.NewReaderSize(client, 512), nil)
	if err != nil {
		return 0, time.Since(began)
	}
	return answer.StatusCode, time.Since(began)
}

const validateHead = "POST /v1/rules:validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/yaml\r\n"

// hostile are the clients of fault 44.
var hostile = []struct {
	name   string
	many   int
	status int
	bears  time.Duration // at most
	send   func(net.Conn)
}{
	{"slow headers", 500, 0, 6 * time.Second, func(c net.Conn) { drip(c, "GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: ") }},
	{"slow bodies", 100, 408, 11 * time.Second, func(c net.Conn) { drip(c, validateHead+"Content-Length: 100000\r\n\r\n") }},
	{"2 GB", 4, 413, time.Second, func(c net.Conn) {
		flood(c, validateHead+"Content-Length: 2147483648\r\n\r\n", bytes.Repeat([]byte("# "), 1<<15))
	}},
	{"endless chunks", 4, 413, time.Second, func(c net.Conn) {
		flood(c, validateHead+"Transfer-Encoding: chunked\r\n\r\n", fmt.Appendf(nil, "10000\r\n%s\r\n", bytes.Repeat([]byte("# "), 1<<15)))
	}},
	{"a gzip bomb", 4, 415, time.Second, func(c net.Conn) {
		io.WriteString(c, validateHead+"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n0123456789")
	}},
	{"deep JSON", 4, 422, time.Second, func(c net.Conn) {
		io.WriteString(c, validateHead+"Content-Length: 100000\r\n\r\n"+strings.Repeat("[", 100_000))
	}},
}

// drip sends a byte a second behind head.
func drip(c net.Conn, head string) {
	_, err := io.WriteString(c, head)
	for ; err == nil; _, err = io.WriteString(c, "x") {
		time.Sleep(time.Second)
	}
}

func flood(c net.Conn, head string, piece []byte) {
	_, err := io.WriteString(c, head)
	for ; err == nil; _, err = c.Write(piece) {
	}
}

// hostileBytesMax is what all hostile clients together may take of the server;
// clientBytes is what a client of the test takes itself.
const (
	hostileBytesMax = 20 << 20
	clientBytes     = 8 << 10
)

// Fault 44: each hostile client is refused in its time, and while hundreds of
// them hang on, another is answered at once, within the memory that is theirs.
// The clock is the test's.
func TestT44HostileClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := newRig(t), newWire()
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- api.Serve(ctx, l, g.handler, slog.New(slog.DiscardHandler)) }()
		before := memory()
		var clients sync.WaitGroup
		n := int64(0)
		for _, h := range hostile {
			for range h.many {
				n++
				clients.Go(func() {
					if status, bore := l.dial(h.send); status != h.status || bore > h.bears {
						t.Errorf("%s: status %d after %s, want %d within %s", h.name, status, bore, h.status, h.bears)
					}
				})
			}
		}
		synctest.Wait() // now they hang
		if grown := memory() - before - n*clientBytes; grown > hostileBytesMax {
			t.Errorf("hostile clients take %d bytes, at most %d", grown, hostileBytesMax)
		}
		if status, took := l.dial(func(c net.Conn) { io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") }); status != 200 || took > 0 {
			t.Errorf("beside them another got %d after %s", status, took)
		}
		clients.Wait()
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// memory is what the heap and the stacks hold.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// bombBytesMax is what refusing a bomb may allocate.
const bombBytesMax = 64 << 20

// Fault 45: a rule that would cost too much is refused by its text.
func TestT45CostBombs(t *testing.T) {
	within := func(pattern, where string) string {
		return strings.NewReplacer("small{2,} -> large", pattern, "amount < 5", where).Replace(rule[:strings.Index(rule, "tests:")])
	}
	g := newRig(t)
	g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream)
	for name, text := range map[string]string{
		"loops in loops":       within("(((small{30}){30}){30}) -> large", "amount < 5"),
		"a long loop":          within("small{1,10000} -> large", "amount < 5"),
		"10,000 terms":         within("small -> large", "amount == 1"+strings.Repeat(" || amount == 1", 9999)),
		"10,000 alternatives":  within("small"+strings.Repeat(" | small", 9999)+" -> large", "amount < 5"),
		"100 nested lists":     within("small -> large", strings.Repeat("[", 100)+"amount"+strings.Repeat("]", 100)+" == []"),
		"10,000 brackets":      within(strings.Repeat("(", 10_000)+"small"+strings.Repeat(")", 10_000)+" -> large", "amount < 5"),
		"a million characters": within("small -> large", "amount < "+strings.Repeat("1", 900_000)),
	} {
		t.Run(name, func(t *testing.T) {
			var was, is runtime.MemStats
			runtime.ReadMemStats(&was)
			began := time.Now()
			w := g.call("PUT", "/v1/rules/probe?state=live", text)
			took := time.Since(began)
			runtime.ReadMemStats(&is)
			if w.Code != http.StatusUnprocessableEntity || is.TotalAlloc-was.TotalAlloc > bombBytesMax {
				t.Errorf("status %d, %d bytes allocated\n%.300s", w.Code, is.TotalAlloc-was.TotalAlloc, w.Body)
			}
			t.Logf("%s, %d KiB allocated", took, (is.TotalAlloc-was.TotalAlloc)>>10)
		})
	}
}

var manyRules = flag.Int64("api.rules", 300, "rules of fault 38, which says 1,000")

// Fault 38: one rule toggled 1,000 times, and 1,000 rules saved at once: each is
// there, the last revision wins, and no goroutine stays.
func TestT38ManyRulesAtOnce(t *testing.T) {
	const writers = 8
	many := *manyRules
	g := newRig(t)
	g.want(http.StatusCreated, "PUT", "/v1/streams/payment", stream)
	before := runtime.NumGoroutine()
	var next, refused atomic.Int64
	each := func(do func(i int64) (method, target, body string)) {
		next.Store(0)
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for i := next.Add(1); i <= many; i = next.Add(1) {
					method, target, body := do(i)
					r := httptest.NewRequest(method, target, strings.NewReader(body))
					r.Header.Set("Content-Type", "application/yaml")
					w := httptest.NewRecorder()
					if g.handler.ServeHTTP(w, r); w.Code >= 300 {
						refused.Add(1)
					}
				}
			})
		}
		all.Wait()
	}
	plain := rule[:strings.Index(rule, "tests:")]
	each(func(i int64) (string, string, string) {
		return "PUT", "/v1/rules/probe?state=live", strings.Replace(plain, "amount > 500", fmt.Sprintf("amount > %d", 1000+i), 1)
	})
	each(func(i int64) (string, string, string) {
		name := fmt.Sprintf("probe-%d", i)
		return "PUT", "/v1/rules/" + name + "?state=live", strings.Replace(plain, "name: probe", "name: "+name, 1)
	})
	last := strings.Replace(plain, "amount > 500", "amount > 7", 1)
	g.want(http.StatusOK, "PUT", "/v1/rules/probe?state=live", last)
	set := g.registry.Current()
	if n := refused.Load(); n > 0 || int64(len(set.Rules)) != many+1 {
		t.Fatalf("%d writes were refused, there are %d rules, want %d", n, len(set.Rules), many+1)
	}
	if w := g.want(http.StatusOK, "GET", "/v1/rules/probe", ""); int64(set.Rule("probe").Revision) != many+1 || !strings.Contains(w.Body.String(), "amount > 7") {
		t.Errorf("the rule stands at revision %d, want the last, %d\n%s", set.Rule("probe").Revision, many+1, w.Body)
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines, %d before", now, before)
	}
}
