package sinks_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/caltrop/caltrop/sinks/sinktest"
)

// A feed is a source whose batches come at given times.
type feed struct {
	batches   []timed
	committed map[int32]int64 // held, as the last commit had it
	fetches   int
}

type timed struct {
	after time.Duration // the one before
	batch []sinks.Message
}

func (f *feed) Fetch(ctx context.Context) ([]sinks.Message, error) {
	f.fetches++
	if len(f.batches) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	wait := time.NewTimer(f.batches[0].after)
	defer wait.Stop()
	began := time.Now()
	select {
	case <-wait.C:
		next := f.batches[0].batch
		f.batches = f.batches[1:]
		return next, nil
	case <-ctx.Done():
		f.batches[0].after -= time.Since(began)
		return nil, ctx.Err()
	}
}

func (f *feed) Commit(context.Context) error { return nil }

func (f *feed) CommitBefore(_ context.Context, held map[int32]int64) error {
	f.committed = held
	return nil
}

// version is a record of the topic: version n of the alert called name.
func version(offset int64, name string, n int, status alert.Status) sinks.Message {
	a := alert.Alert{ID: sinktest.Alert{Name: name}.ID(), Version: n, Status: status, Rule: name, Mode: "live",
		Key: []event.Value{event.StringOf("k")}, Severity: "high", At: sinktest.Base}
	return sinks.Message{Value: a.AppendJSON(nil), Offset: offset}
}

// What a sink gets, and when, of versions that wait a minute to be final unless
// their rule is called "now".
func TestSelection(t *testing.T) {
	raised, changed, retracted := alert.Raised, alert.Changed, alert.Retracted
	one := func(after time.Duration, m ...sinks.Message) timed { return timed{after, m} }
	cases := []struct {
		name    string
		batches []timed
		quiet   time.Duration // from then on everything is silenced; 0: never
		want    string
		report  sinks.Report
	}{
		{"at once", []timed{one(0, version(0, "now", 1, raised), version(1, "other", 1, raised))}, 0,
			"now/1 at 0s, held [1]; other/1 at 1m0s, held []", sinks.Report{}},
		{"when it is final", []timed{one(0, version(0, "a", 1, raised)), one(30*time.Second, version(1, "b", 1, raised))}, 0,
			"a/1 at 1m0s, held [1]; b/1 at 1m30s, held []", sinks.Report{}},
		{"the newest version of it", []timed{one(0, version(0, "a", 1, raised), version(1, "a", 2, changed))}, 0,
			"a/2 at 1m0s, held []", sinks.Report{Replaced: 1}},
		{"nothing of what was taken back in time", []timed{one(0, version(0, "a", 1, raised)), one(time.Second, version(1, "a", 2, retracted))}, 0,
			"", sinks.Report{Replaced: 2}},
		{"nor when it was changed before", []timed{one(0, version(0, "a", 1, raised), version(1, "a", 2, changed), version(2, "a", 3, retracted))}, 0,
			"", sinks.Report{Replaced: 3}},
		{"but what holds again", []timed{one(0, version(0, "a", 1, raised), version(1, "a", 2, retracted), version(2, "a", 3, raised))}, 0,
			"a/3 at 1m0s, held []", sinks.Report{Replaced: 2}},
		{"a retraction of what went out", []timed{one(0, version(0, "a", 1, raised)), one(2*time.Minute, version(1, "a", 2, retracted))}, 0,
			"a/1 at 1m0s, held []; a/2 at 3m0s, held []", sinks.Report{}},
		{"a retraction of what may have gone out before a restart", []timed{one(0, version(0, "now", 1, raised), version(1, "now", 2, retracted))}, 0,
			"now/2 at 0s, held []", sinks.Report{Replaced: 1}},
		{"nothing silenced when it would go", []timed{one(0, version(0, "a", 1, raised)), one(30*time.Second, version(1, "b", 1, raised))}, 80 * time.Second,
			"a/1 at 1m0s, held [1]", sinks.Report{Silenced: 1}},
		{"nothing of others", []timed{one(0, version(0, "unwanted", 1, raised))}, 0, "", sinks.Report{}},
		{"what is no alert, for the delivery to say so", []timed{one(0, sinks.Message{Value: []byte("{}"), Offset: 0})}, 0,
			"? at 0s, held []", sinks.Report{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, src, status := time.Now(), &feed{batches: c.batches}, &sinks.Status{}
				read := map[alert.ID]time.Time{}
				judge := func(a *alert.Alert) (sinks.Verdict, time.Time) {
					if a.Rule == "unwanted" {
						return sinks.Unwanted, time.Time{}
					}
					if a.Rule == "now" {
						return sinks.Wanted, time.Time{}
					}
					if read[a.ID].IsZero() || time.Since(read[a.ID]) > time.Minute {
						read[a.ID] = time.Now()
					}
					if c.quiet > 0 && time.Since(start) >= c.quiet {
						return sinks.Silenced, read[a.ID].Add(time.Minute)
					}
					return sinks.Wanted, read[a.ID].Add(time.Minute)
				}
				s := sinks.Select(src, judge, sinks.Options{Status: status})
				got := selected(t, s, src, start)
				if got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				if r := status.Report(); r != c.report {
					t.Errorf("reported %+v, want %+v", r, c.report)
				}
			})
		})
	}
}

// selected reads a selection for ten minutes, committing after each fetch as a
// delivery does.
func selected(t *testing.T, s *sinks.Selection, src *feed, start time.Time) string {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var all []string
	for {
		batch, err := s.Fetch(ctx)
		if err != nil {
			return strings.Join(all, "; ")
		}
		if err := s.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		var held []int64
		for _, at := range src.committed {
			held = append(held, at)
		}
		slices.Sort(held)
		for _, m := range batch {
			what := "?"
			if r, err := sinks.ParseRecord(m.Value); err == nil {
				what = fmt.Sprintf("%s/%d", r.Rule, r.Version)
			}
			all = append(all, fmt.Sprintf("%s at %s, held %v", what, time.Since(start), held))
		}
	}
}

// What waits is bounded: past the bound nothing more is read until some of it
// is ripe.
func TestSelectionHoldsABoundedNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 10_000
		src := &feed{}
		for i := range 3 {
			var batch []sinks.Message
			for j := range most / 2 {
				n := i*most/2 + j
				batch = append(batch, version(int64(n), fmt.Sprint("a", n), 1, alert.Raised))
			}
			src.batches = append(src.batches, timed{0, batch})
		}
		start := time.Now()
		judge := func(*alert.Alert) (sinks.Verdict, time.Time) { return sinks.Wanted, start.Add(time.Minute) }
		s := sinks.Select(src, judge, sinks.Options{})
		for i := range 3 {
			batch, err := s.Fetch(t.Context())
			if want := []int{0, 0, most}[i]; err != nil || len(batch) != want {
				t.Fatalf("fetch %d: %d records, %v; want %d", i+1, len(batch), err, want)
			}
		}
		if src.fetches != 2 || time.Since(start) != time.Minute {
			t.Errorf("%d batches were read by %s, want 2 until a minute had passed", src.fetches, time.Since(start))
		}
	})
}
