package cassandra

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gocql/gocql"
	"github.com/sony/gobreaker/v2"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/sinktest"
)

// A refusal is a server's answer with an error code.
type refusal int

func (r refusal) Code() int       { return int(r) }
func (r refusal) Message() string { return "refused" }
func (r refusal) Error() string   { return fmt.Sprintf("refused with code %#x", int(r)) }

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		want class
	}{
		{gocql.ErrTimeoutNoResponse, retry},
		{gocql.ErrConnectionClosed, retry},
		{gocql.ErrNoStreams, retry},
		{gobreaker.ErrTooManyRequests, retry},
		{gobreaker.ErrOpenState, later},
		{refusal(gocql.ErrCodeWriteTimeout), retry},
		{refusal(gocql.ErrCodeReadTimeout), retry},
		{refusal(gocql.ErrCodeOverloaded), retry},
		{refusal(gocql.ErrCodeBootstrapping), retry},
		{refusal(gocql.ErrCodeUnprepared), retry},
		{refusal(gocql.ErrCodeUnavailable), later},
		{refusal(gocql.ErrCodeWriteFailure), later},
		{refusal(gocql.ErrCodeUnauthorized), later},
		{refusal(gocql.ErrCodeInvalid), later},
		{gocql.ErrNoConnections, later},
		{gocql.ErrSessionClosed, later},
		{errors.New("something new"), later},
		{context.Canceled, later},
		{context.DeadlineExceeded, later},
		{gocql.ErrFrameTooBig, never},
		{errTooLarge, never},
	} {
		if got := classify(fmt.Errorf("writing: %w", c.err)); got != c.want {
			t.Errorf("%v is class %d, want %d", c.err, got, c.want)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	whole := Options{Hosts: []string{"h"}, Keyspace: "caltrop"}
	for _, c := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"as they should be", func(*Options) {}, ""},
		{"no hosts", func(o *Options) { o.Hosts = nil }, "no hosts"},
		{"a keyspace that is a statement", func(o *Options) { o.Keyspace = "x; DROP" }, "keyspace"},
		{"an unknown consistency", func(o *Options) { o.Consistency = "two" }, "consistency"},
		{"a TTL over Cassandra's bound", func(o *Options) { o.TTL = 30 * 365 * 24 * time.Hour }, "ttl"},
		{"a negative number", func(o *Options) { o.Inflight = -1 }, "negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := whole
			c.change(&o)
			err := o.Validate()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestKeyspaceStatement(t *testing.T) {
	o := Options{Keyspace: "caltrop", Replication: 3}
	if got := createKeyspace(o); got != "CREATE KEYSPACE IF NOT EXISTS caltrop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}" {
		t.Errorf("got %s", got)
	}
	o.Datacenter = "d'1"
	if got := createKeyspace(o); !strings.HasSuffix(got, "{'class': 'NetworkTopologyStrategy', 'd''1': 3}") {
		t.Errorf("got %s", got)
	}
}

func TestBucketsHoldTheirTimes(t *testing.T) {
	for at, want := range map[int64]int64{0: 0, -1: -1, byRule.width - 1: 0, byRule.width: 1, -byRule.width: -1, -byRule.width - 1: -2} {
		if got := byRule.bucket(at); got != want {
			t.Errorf("%d is in bucket %d, want %d", at, got, want)
		}
	}
}

// A fake session notes statements and fails as told.
type fake struct {
	mu     sync.Mutex
	calls  []string
	values map[string][]any // of the last call, by table
	fail   func(call int) error
	slow   bool                         // answer a millisecond later
	schema map[string]map[string]string // columns and their types, by table
	active int
	peak   int
}

func (f *fake) exec(_ context.Context, statement string, values ...any) error {
	words := strings.Fields(statement)
	name := strings.TrimSuffix(words[2], ",")
	f.mu.Lock()
	f.calls = append(f.calls, words[0]+" "+name)
	if f.values == nil {
		f.values = map[string][]any{}
	}
	f.values[name] = values
	call := len(f.calls) - 1
	f.active++
	f.peak = max(f.peak, f.active)
	f.mu.Unlock()
	if f.slow {
		time.Sleep(time.Millisecond)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active--
	if f.fail != nil {
		return f.fail(call)
	}
	return nil
}

// rows answers about the schema only.
func (f *fake) rows(_ context.Context, statement string, values []any, each func(func(...any) error) (bool, error)) error {
	switch statement {
	case selectKeyspace:
		if f.schema != nil {
			_, err := each(func(...any) error { return nil })
			return err
		}
		return nil
	case selectColumns:
		for name, is := range f.schema[values[1].(string)] {
			if _, err := each(func(into ...any) error {
				*into[0].(*string), *into[1].(*string) = name, is
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("this session only writes")
}

func (*fake) close() {}

// history returns a history that is already connected to f.
func history(f *fake, o Options) *History {
	h := newHistory(o, func(Options, string) (session, error) { return f, nil })
	h.mu.session = f
	return h
}

func TestWriteTimeIsEventTimePlusVersion(t *testing.T) {
	f := &fake{}
	r := sinktest.Alert{Version: 3, At: 7}.Record()
	if err := history(f, Options{TTL: time.Hour}).Write(t.Context(), []sinks.Record{r}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alerts_by_rule", "alerts_by_key", "alert_ids"} {
		values := f.values[name]
		if len(values) < 2 {
			t.Fatalf("nothing written to %s", name)
		}
		if written, ttl := values[len(values)-2], values[len(values)-1]; written != int64(sinktest.Base+7e6+3) || ttl != 3600 {
			t.Errorf("%s: written at %v with ttl %v", name, written, ttl)
		}
	}
}

func TestWriteTriesAgain(t *testing.T) {
	for _, c := range []struct {
		name      string
		fail      func(int) error
		calls     int
		failed    int
		permanent bool
	}{
		{"a time-out is tried again", func(call int) error {
			if call < 2 {
				return gocql.ErrTimeoutNoResponse
			}
			return nil
		}, 5, 0, false},
		{"tries are bounded", func(int) error { return gocql.ErrTimeoutNoResponse }, triesMax, 1, false},
		{"a cluster without replicas is left to the caller", func(int) error { return refusal(gocql.ErrCodeUnavailable) }, 1, 1, false},
		{"what no connection carries is permanent", func(int) error { return gocql.ErrFrameTooBig }, 1, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{fail: c.fail}
				err := history(f, Options{}).Write(t.Context(), []sinks.Record{sinktest.Alert{}.Record()})
				var partial *sinks.BatchError
				if errors.As(err, &partial) != (c.failed > 0) {
					t.Fatalf("error %v", err)
				}
				if partial != nil && (len(partial.Failed) != c.failed || partial.Failed[0].Permanent != c.permanent) {
					t.Errorf("failures %+v", partial.Failed)
				}
				if len(f.calls) != c.calls {
					t.Errorf("%d calls, want %d: %v", len(f.calls), c.calls, f.calls)
				}
			})
		})
	}
}

// Once the breaker may ask again, a write waits for what its first requests
// find out, and then stores everything: not only those.
func TestTheFirstWriteAfterAnOutageStoresAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		f := &fake{slow: true, fail: func(int) error {
			if down {
				return refusal(gocql.ErrCodeUnavailable)
			}
			return nil
		}}
		h := history(f, Options{})
		var records []sinks.Record
		for i := range 500 {
			records = append(records, sinktest.Alert{Name: fmt.Sprint(i)}.Record())
		}
		if err := h.Write(t.Context(), records); err == nil {
			t.Fatal("a write to a cluster without replicas succeeded")
		}
		asked := len(f.calls)
		if err := h.Write(t.Context(), records); err == nil || len(f.calls) > asked {
			t.Fatalf("%d requests and %v while the breaker is open, want none", len(f.calls)-asked, err)
		}
		down = false
		time.Sleep(breakerWait + time.Millisecond) // in synctest's time
		if err := h.Write(t.Context(), records); err != nil {
			t.Errorf("the cluster is back: %v", err)
		}
	})
}

func TestWriteNamesWhatFailed(t *testing.T) {
	large := sinktest.Alert{Name: "large"}.Record()
	large.JSON = bytes.Repeat([]byte(" "), rowBytesMax+1)
	err := history(&fake{}, Options{}).Write(t.Context(), []sinks.Record{sinktest.Alert{}.Record(), large, sinktest.Alert{Name: "b"}.Record()})
	var partial *sinks.BatchError
	if !errors.As(err, &partial) || len(partial.Failed) != 1 || partial.Failed[0].Index != 1 || !partial.Failed[0].Permanent {
		t.Errorf("error %v, want a permanent failure of record 1", err)
	}
}

func TestWritesInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{slow: true} // in synctest's time
		var records []sinks.Record
		for i := range 50 {
			records = append(records, sinktest.Alert{Name: fmt.Sprint(i)}.Record())
		}
		if err := history(f, Options{Inflight: 4}).Write(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		if f.peak != 4 || len(f.calls) != 150 {
			t.Errorf("%d at once in %d calls, want 4 in 150", f.peak, len(f.calls))
		}
	})
}

func TestConnectsWhenTheClusterIsThere(t *testing.T) {
	down := errors.New("no route")
	attempts := 0
	f := &fake{}
	h := newHistory(Options{Keyspace: "caltrop"}, func(Options, string) (session, error) {
		if attempts++; attempts < 3 {
			return nil, down
		}
		return f, nil
	})
	records := []sinks.Record{sinktest.Alert{}.Record()}
	for range 2 {
		if err := h.Write(t.Context(), records); !errors.Is(err, down) {
			t.Fatalf("error %v, want %v", err, down)
		}
	}
	if err := h.Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	want := "CREATE IF, CREATE IF, CREATE IF, CREATE IF, CREATE IF, INSERT alerts_by_rule, INSERT alerts_by_key, INSERT alert_ids"
	if got := strings.Join(f.calls, ", "); got != want {
		t.Errorf("calls %s\nwant  %s", got, want)
	}
	h.Close()
	if err := h.Write(t.Context(), records); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v, want %v", err, errClosed)
	}
}

// A user who may not make keyspaces and tables uses those that are there; a
// table that lacks something is named, with what mends it, and used once it is
// mended.
func TestTablesThatAreThereMustFit(t *testing.T) {
	f := &fake{schema: map[string]map[string]string{}}
	f.fail = func(call int) error {
		if strings.HasPrefix(f.calls[call], "CREATE") {
			return refusal(gocql.ErrCodeUnauthorized)
		}
		return nil
	}
	h := newHistory(Options{Keyspace: "fraud"}, func(Options, string) (session, error) { return f, nil })
	records := []sinks.Record{sinktest.Alert{}.Record()}
	refused := func(wants ...string) {
		t.Helper()
		err := h.Write(t.Context(), records)
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	}
	refused("making table fraud.alerts_by_rule: refused with code 0x2100")
	for _, l := range layouts {
		f.schema[l.table] = map[string]string{"more": "text"}
		for _, c := range l.columns {
			f.schema[l.table][c.name] = c.is
		}
	}
	columns := f.schema["alerts_by_key"]
	delete(columns, "body")
	columns["version"] = "text"
	refused("table fraud.alerts_by_key has no column body: run ALTER TABLE fraud.alerts_by_key ADD body text",
		"column version of table fraud.alerts_by_key is of type text, not int")
	columns["body"], columns["version"] = "text", "int"
	f.calls = nil
	if err := h.Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(f.calls[len(f.calls)-3:], ", "), "INSERT alerts_by_rule, INSERT alerts_by_key, INSERT alert_ids"; got != want {
		t.Errorf("calls %s\nwant  %s", got, want)
	}
	f.schema = nil
	h = newHistory(Options{Keyspace: "fraud"}, func(Options, string) (session, error) { return f, nil })
	refused("making keyspace fraud: refused with code 0x2100")
}

// A node that was killed as it made a table can list it and not have it: what
// the lists say is not believed where it can be made. A table that went away
// is made again.
func TestTablesThatAreOnlyListedAreMade(t *testing.T) {
	f := &fake{schema: map[string]map[string]string{}}
	for _, l := range layouts {
		f.schema[l.table] = map[string]string{}
		for _, c := range l.columns {
			f.schema[l.table][c.name] = c.is
		}
	}
	made, gone := 0, error(refusal(gocql.ErrCodeInvalid)) // unconfigured table
	f.fail = func(call int) error {
		switch {
		case strings.HasPrefix(f.calls[call], "CREATE"):
			made++
		case made < 1+len(layouts):
			return gone
		}
		return nil
	}
	h := newHistory(Options{Keyspace: "fraud"}, func(_ Options, keyspace string) (session, error) {
		if keyspace != "" && made == 0 {
			return nil, gocql.ErrNoConnections // so the driver tells of a keyspace that is not there
		}
		return f, nil
	})
	records := []sinks.Record{sinktest.Alert{}.Record()}
	if err := h.Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	for _, gone = range []error{refusal(gocql.ErrCodeInvalid), gocql.ErrNoConnections} {
		made = 0
		if err := h.Write(t.Context(), records); err == nil {
			t.Fatal("stored where no table is")
		}
		if err := h.Write(t.Context(), records); err != nil {
			t.Errorf("%v: tables that went away were not made again", err)
		}
	}
}

// While one caller connects to a cluster that does not answer, the others can
// give up, and the history can be closed.
func TestWaitingForAConnectionEndsWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Options{Hosts: []string{"h"}, Keyspace: "caltrop"})
		if err != nil {
			t.Fatal(err)
		}
		const silence = time.Hour
		h.dial = func(Options, string) (session, error) {
			time.Sleep(silence)
			return nil, gocql.ErrNoConnections
		}
		first := make(chan error, 1)
		go func() { first <- h.Write(t.Context(), []sinks.Record{{}}) }()
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Write(ctx, []sinks.Record{{}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a second caller got %v, want its own deadline", err)
		}
		if err := h.Close(); err != nil || time.Since(began) >= silence {
			t.Errorf("Close returned %v after %s, want at once", err, time.Since(began))
		}
		if err := <-first; err == nil {
			t.Error("the first caller wrote without a connection")
		}
		if err := h.Write(t.Context(), nil); !errors.Is(err, errClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}
