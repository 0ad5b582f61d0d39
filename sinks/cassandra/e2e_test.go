//go:build e2e

package cassandra_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gocql/gocql"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/cassandra"
	"github.com/caltrop/caltrop/sinks/sinktest"
)

// options are those of the local Cassandra, with a keyspace of the test's own.
func options(t *testing.T, keyspace string) cassandra.Options {
	t.Helper()
	host := os.Getenv("E2E_CASSANDRA_HOST")
	if host == "" {
		t.Fatal("E2E_CASSANDRA_HOST is not set: run by `make e2e`")
	}
	port, err := strconv.Atoi(cmp.Or(os.Getenv("E2E_CASSANDRA_PORT"), "9042"))
	if err != nil {
		t.Fatal(err)
	}
	return cassandra.Options{Hosts: []string{host}, Port: port, Keyspace: keyspace, Timeout: 20 * time.Second,
		Username: os.Getenv("E2E_CASSANDRA_USER"), Password: os.Getenv("E2E_CASSANDRA_PASSWORD")}
}

func open(t *testing.T, o cassandra.Options) *cassandra.History {
	t.Helper()
	h, err := cassandra.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// drop removes a test's keyspace when the test ends.
func drop(t *testing.T, o cassandra.Options) {
	t.Cleanup(func() {
		c := gocql.NewCluster(o.Hosts...)
		c.Port, c.ProtoVersion, c.Timeout = o.Port, 4, o.Timeout
		c.Authenticator = gocql.PasswordAuthenticator{Username: o.Username, Password: o.Password}
		s, err := c.CreateSession()
		if err == nil {
			err = s.Query("DROP KEYSPACE IF EXISTS " + o.Keyspace).Exec()
			s.Close()
		}
		if err != nil {
			t.Errorf("dropping %s: %v", o.Keyspace, err)
		}
	})
}

func TestHistory(t *testing.T) {
	run := time.Now().UnixNano()
	var n atomic.Int64
	keyspaces := map[sinktest.History]string{}
	sinktest.Run(t, sinktest.Driver{
		Open: func(t *testing.T) sinktest.History {
			keyspace := fmt.Sprintf("conformance_%d_%d", run, n.Add(1))
			o := options(t, keyspace)
			drop(t, o)
			h := open(t, o)
			keyspaces[h] = keyspace
			return h
		},
		Reopen: func(t *testing.T, h sinktest.History) sinktest.History {
			h.(*cassandra.History).Close()
			return open(t, options(t, keyspaces[h]))
		},
	})
}

// A line is a wire to a server that can be cut and mended.
type line struct {
	to string
	at string
	mu struct {
		sync.Mutex
		listener net.Listener
		conns    []net.Conn
	}
	done sync.WaitGroup
}

func (l *line) mend(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", cmp.Or(l.at, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	l.at = listener.Addr().String()
	l.mu.Lock()
	l.mu.listener = listener
	l.mu.Unlock()
	l.done.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			l.join(c)
		}
	})
}

func (l *line) join(c net.Conn) {
	server, err := net.Dial("tcp", l.to)
	if err != nil {
		c.Close()
		return
	}
	l.mu.Lock()
	l.mu.conns = append(l.mu.conns, c, server)
	l.mu.Unlock()
	for _, pair := range [][2]net.Conn{{c, server}, {server, c}} {
		l.done.Go(func() {
			io.Copy(pair[0], pair[1])
			pair[0].Close()
		})
	}
}

func (l *line) cut() {
	l.mu.Lock()
	l.mu.listener.Close()
	for _, c := range l.mu.conns {
		c.Close()
	}
	l.mu.conns = nil
	l.mu.Unlock()
	l.done.Wait()
}

// A log is a source of one batch that ends the delivery when it is committed.
type log struct {
	batch []sinks.Message
	done  context.CancelFunc
}

func (l *log) Fetch(context.Context) ([]sinks.Message, error) { return l.batch, nil }

func (l *log) Commit(context.Context) error {
	l.done()
	return nil
}

func TestHistoryCatchesUpAfterAnOutage(t *testing.T) {
	direct := options(t, fmt.Sprintf("outage_%d", time.Now().UnixNano()))
	drop(t, direct)
	wire := &line{to: net.JoinHostPort(direct.Hosts[0], strconv.Itoa(direct.Port))}
	wire.mend(t)
	through := direct
	through.Timeout = 10 * time.Second
	_, port, err := net.SplitHostPort(wire.at)
	if err != nil {
		t.Fatal(err)
	}
	if through.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	h := open(t, through)
	first, second := sinktest.Alert{Name: "first"}, sinktest.Alert{Name: "second", At: 1}
	if err := h.Write(t.Context(), []sinks.Record{first.Record()}); err != nil {
		t.Fatal(err)
	}
	wire.cut()
	if err := h.Write(t.Context(), []sinks.Record{second.Record()}); err == nil {
		t.Fatal("a write over a cut wire succeeded")
	}
	wire.mend(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	src := &log{batch: []sinks.Message{{Value: second.Record().JSON}}, done: cancel}
	if err := sinks.Deliver(ctx, src, h, sinks.Options{Sink: "cassandra"}); !errors.Is(err, context.Canceled) {
		t.Fatalf("delivery ended with %v: the history did not come back", err)
	}
	for _, a := range []sinktest.Alert{first, second} {
		if _, err := h.Alert(t.Context(), a.ID()); err != nil {
			t.Error(err)
		}
	}
	h.Close()
	wire.cut()
}
