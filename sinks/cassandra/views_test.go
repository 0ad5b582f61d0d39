package cassandra

import (
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
	"github.com/caltrop/caltrop/sinks/view"
)

// A store keeps rows by their primary key, the one written last by its write
// time, as Cassandra does.
type store struct {
	mu    sync.Mutex
	rowOf map[string]row
	calls int
	fail  func(call int, apply func()) error // nil: it applies
}

type row struct {
	values  []any
	written int64
}

// keyWidth is how many values of an insert are its row's key.
var keyWidth = map[string]int{"view_windows": 4, "alerts_by_rule": 4, "alerts_by_key": 4, "alert_ids": 1}

func (s *store) exec(_ context.Context, statement string, values ...any) error {
	words := strings.Fields(statement)
	if words[0] != "INSERT" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	apply := func() {
		key := words[2] + fmt.Sprintf("%v", values[:keyWidth[words[2]]])
		written := values[len(values)-2].(int64)
		if was, ok := s.rowOf[key]; !ok || was.written < written {
			s.rowOf[key] = row{values, written}
		}
	}
	s.calls++
	if s.fail != nil {
		return s.fail(s.calls-1, apply)
	}
	apply()
	return nil
}

func (s *store) rows(_ context.Context, statement string, values []any, each func(func(...any) error) (bool, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if statement != selectWindow {
		return errors.New("this session reads windows only")
	}
	r, ok := s.rowOf["view_windows"+fmt.Sprintf("%v", values)]
	if !ok {
		return nil
	}
	_, err := each(func(into ...any) error {
		*into[0].(*[]byte) = []byte(r.values[9].(string))
		return nil
	})
	return err
}

func (*store) close() {}

// of returns how many rows a table has.
func (s *store) of(table string) (n int) {
	for key := range s.rowOf {
		if strings.HasPrefix(key, table) {
			n++
		}
	}
	return n
}

func over(s *store, o Options) *History {
	s.rowOf = map[string]row{}
	h := newHistory(o, nil)
	h.mu.session = s
	return h
}

// A windowSink is the history as the suite of views reads it.
type windowSink struct{ *History }

func (w windowSink) Stored(ctx context.Context, of sinktest.Window) ([]byte, error) {
	return w.Window(ctx, of.View, of.Key, of.Start)
}

func TestViews(t *testing.T) {
	sinktest.RunViews(t, func(*testing.T) sinktest.ViewSink { return windowSink{over(&store{}, Options{})} })
}

// TestEveryWindowHasItsRow: windows of one key stay beside each other, and an
// empty key is no window.
func TestEveryWindowHasItsRow(t *testing.T) {
	s := &store{}
	h := over(s, Options{TTL: time.Hour})
	var updates []sinks.ViewRecord
	for day := range 3 {
		for start := range 4 {
			w := sinktest.Window{View: "v", Key: "k", Start: 1_767_225_600_000_000 + int64(day)*windows.width + int64(start)*60_000_000}
			updates = append(updates, w.Update(1, view.Open), w.Update(2, view.Closed), w.Update(3, view.Empty))
		}
	}
	if err := h.WriteViews(t.Context(), updates); err != nil {
		t.Fatal(err)
	}
	if n := s.of("view_windows"); n != 12 {
		t.Errorf("%d rows, want 12", n)
	}
	for key, r := range s.rowOf {
		if r.values[6] != "closed" || r.values[11] != 3600 {
			t.Errorf("%s is %v with ttl %v, want closed and 3600", key, r.values[6], r.values[11])
		}
	}
}

// TestT40 is fault 40: every first try times out, applied or not. Each alert has
// one row of each table in the end, and each window one.
func TestT40TimeoutsLeaveOneRow(t *testing.T) {
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprintf("applied %v", applied), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{}
				first := true
				s.fail = func(_ int, apply func()) error {
					first = !first
					if !first {
						if applied {
							apply()
						}
						return gocql.ErrTimeoutNoResponse
					}
					apply()
					return nil
				}
				h := over(s, Options{Inflight: 1})
				const n = 20
				var alerts []sinks.Record
				var updates []sinks.ViewRecord
				for i := range n {
					alerts = append(alerts, sinktest.Alert{Name: fmt.Sprint(i)}.Record())
					updates = append(updates, sinktest.Window{View: "v", Key: fmt.Sprint(i), Start: 1_767_225_600_000_000}.Update(1, view.Open))
				}
				if err := errors.Join(h.Write(t.Context(), alerts), h.WriteViews(t.Context(), updates)); err != nil {
					t.Fatal(err)
				}
				for name := range keyWidth {
					if got := s.of(name); got != n {
						t.Errorf("%s has %d rows, want %d", name, got, n)
					}
				}
				if s.calls != 8*n {
					t.Errorf("%d calls, want each of %d statements twice", s.calls, 4*n)
				}
			})
		})
	}
}

// TestT41 is fault 41: each row takes as long as the time-out. Only so many are
// in flight, after some failures the breaker asks no more, and once the cluster
// is well again all is stored.
func TestT41SlowClusterOpensTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &fake{}
		slow.fail = func(int) error { return nil }
		o := Options{Inflight: 8}
		h := newHistory(o, nil)
		stuck := &stuckSession{fake: slow, wait: 5 * time.Second}
		h.mu.session = stuck
		var records []sinks.Record
		for i := range 500 {
			records = append(records, sinktest.Alert{Name: fmt.Sprint(i)}.Record())
		}
		began := time.Now()
		err := h.Write(t.Context(), records)
		var partial *sinks.BatchError
		if !errors.As(err, &partial) || len(partial.Failed) != len(records) || !errors.Is(err, gobreaker.ErrOpenState) {
			t.Fatalf("error %v, want all to fail, some by the breaker", err)
		}
		if stuck.peak > o.Inflight {
			t.Errorf("%d in flight, want %d at most", stuck.peak, o.Inflight)
		}
		// Without a breaker: 500 tried four times each, 5 s a try, 8 at once: 21 minutes.
		if n := len(slow.calls); n > breakerFailures+o.Inflight+breakerProbes {
			t.Errorf("%d requests to a cluster that takes 5 s each", n)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("500 alerts were given up after %s", took)
		}
		stuck.wait = 0
		time.Sleep(breakerWait + time.Second)
		for range 5 { // the breaker lets few through before it closes
			if err = h.Write(t.Context(), records); err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("the cluster is well again: %v", err)
		}
	})
}

// A stuckSession answers after a while, and while that is long with a time-out.
type stuckSession struct {
	*fake
	wait time.Duration
	peak int
	now  int
}

func (s *stuckSession) exec(ctx context.Context, statement string, values ...any) error {
	s.mu.Lock()
	s.now++
	s.peak = max(s.peak, s.now)
	wait := s.wait
	s.mu.Unlock()
	time.Sleep(wait)
	s.mu.Lock()
	s.now--
	s.mu.Unlock()
	if err := s.fake.exec(ctx, statement, values...); err != nil || wait == 0 {
		return err
	}
	return gocql.ErrTimeoutNoResponse
}
