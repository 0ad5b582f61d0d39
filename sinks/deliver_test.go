package sinks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/sinktest"
)

// A world is a scripted source and sink that note what is done to them.
type world struct {
	batches [][]sinks.Message
	outcome []func([]sinks.Record) error // of each Write in turn; success when used up
	commit  []error                      // of each Commit in turn
	fetch   []error                      // of each Fetch in turn
	log     []string
	done    context.CancelFunc
}

func pop[T any](list *[]T) (first T) {
	if len(*list) > 0 {
		first = (*list)[0]
		*list = (*list)[1:]
	}
	return first
}

func (w *world) Fetch(ctx context.Context) ([]sinks.Message, error) {
	if err := pop(&w.fetch); err != nil {
		w.log = append(w.log, "fetch: "+err.Error())
		return nil, err
	}
	if len(w.batches) == 0 {
		w.done()
		return nil, ctx.Err()
	}
	return pop(&w.batches), nil
}

func (w *world) Commit(context.Context) error {
	err := pop(&w.commit)
	w.log = append(w.log, fmt.Sprint("commit: ", err))
	return err
}

func (w *world) Write(_ context.Context, records []sinks.Record) error {
	var rules []string
	for _, r := range records {
		rules = append(rules, r.Rule)
	}
	w.log = append(w.log, "write "+strings.Join(rules, " "))
	if outcome := pop(&w.outcome); outcome != nil {
		return outcome(records)
	}
	return nil
}

func messages(rules ...string) []sinks.Message {
	var batch []sinks.Message
	for i, rule := range rules {
		m := sinks.Message{Value: []byte("no alert"), Offset: int64(i)}
		if rule != "" {
			m.Value = sinktest.Alert{Rule: rule}.Record().JSON
		}
		batch = append(batch, m)
	}
	return batch
}

func failAll([]sinks.Record) error { return errors.New("down") }

func failSome(failed ...sinks.Failure) func([]sinks.Record) error {
	return func([]sinks.Record) error { return &sinks.BatchError{Failed: failed} }
}

func TestDeliver(t *testing.T) {
	later, never := errors.New("timed out"), errors.New("too large")
	for _, c := range []struct {
		name  string
		world world
		want  []string
		logs  []string // parts of the lines, in order
	}{
		{
			name:  "offsets advance after the write",
			world: world{batches: [][]sinks.Message{messages("a", "b"), messages("c")}},
			want:  []string{"write a b", "commit: <nil>", "write c", "commit: <nil>"},
		},
		{
			name:  "a sink that is down is tried until it is back",
			world: world{batches: [][]sinks.Message{messages("a")}, outcome: []func([]sinks.Record) error{failAll, failAll, failAll}},
			want:  []string{"write a", "write a", "write a", "write a", "commit: <nil>"},
			logs:  []string{"WARN", "INFO"},
		},
		{
			name: "only what failed is written again",
			world: world{batches: [][]sinks.Message{messages("a", "b", "c")},
				outcome: []func([]sinks.Record) error{failSome(sinks.Failure{Index: 0, Err: later}, sinks.Failure{Index: 2, Err: later}), failSome(sinks.Failure{Index: 1, Err: later})}},
			want: []string{"write a b c", "write a c", "write c", "commit: <nil>"},
			logs: []string{"WARN", "INFO"},
		},
		{
			name: "what can never be stored is left behind",
			world: world{batches: [][]sinks.Message{messages("a", "b")},
				outcome: []func([]sinks.Record) error{failSome(sinks.Failure{Index: 0, Err: never, Permanent: true})}},
			want: []string{"write a b", "commit: <nil>"},
			logs: []string{"ERROR"},
		},
		{
			name:  "a record that is no alert is left behind",
			world: world{batches: [][]sinks.Message{messages("", "b")}},
			want:  []string{"write b", "commit: <nil>"},
			logs:  []string{"ERROR"},
		},
		{
			name:  "a batch without alerts advances too",
			world: world{batches: [][]sinks.Message{messages("")}},
			want:  []string{"commit: <nil>"},
			logs:  []string{"ERROR"},
		},
		{
			name:  "a failed fetch or commit is tried again",
			world: world{batches: [][]sinks.Message{messages("a")}, fetch: []error{later}, commit: []error{later}},
			want:  []string{"fetch: timed out", "write a", "commit: timed out", "commit: <nil>"},
			logs:  []string{"WARN", "INFO", "WARN", "INFO"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				ctx, cancel := context.WithCancel(t.Context())
				c.world.done = cancel
				err := sinks.Deliver(ctx, &c.world, &c.world, sinks.Options{Sink: "test", Log: slog.New(slog.NewTextHandler(&logged, nil))})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("returned %v, want the context's end", err)
				}
				if !slices.Equal(c.world.log, c.want) {
					t.Errorf("got  %q\nwant %q", c.world.log, c.want)
				}
				if got := levels(logged.String()); !slices.Equal(got, c.logs) {
					t.Errorf("logged %q, want %q:\n%s", got, c.logs, &logged)
				}
			})
		})
	}
}

// levels returns the level of each line of a text log.
func levels(log string) (all []string) {
	for line := range strings.Lines(log) {
		_, rest, _ := strings.Cut(line, "level=")
		level, _, _ := strings.Cut(rest, " ")
		all = append(all, level)
	}
	return all
}

func TestDeliverWaitsBetweenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		attempts := 0
		w := world{batches: [][]sinks.Message{messages("a")}, done: cancel}
		down := writerFunc(func() error { attempts++; return errors.New("down") })
		var logged bytes.Buffer
		if err := sinks.Deliver(ctx, &w, down, sinks.Options{Sink: "test", Log: slog.New(slog.NewTextHandler(&logged, nil))}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("returned %v, want the context's end", err)
		}
		if got := levels(logged.String()); !slices.Equal(got, []string{"WARN", "WARN"}) {
			t.Errorf("logged %q, want why it fails at once and after a minute:\n%s", got, &logged)
		}
		// 100 ms growing by half to 15 s, each halved or doubled at most by jitter.
		if attempts < 12 || attempts > 40 {
			t.Errorf("%d attempts in two minutes", attempts)
		}
		if len(w.log) != 0 {
			t.Errorf("offsets moved without a write: %q", w.log)
		}
	})
}

// A sink that takes some of a batch is not made to wait as one that is down.
func TestDeliverGoesOnSoonWhereSomeIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := world{done: cancel}
		const outage = 5 * time.Minute
		began, names := time.Now(), []string{}
		for i := range 20 {
			names = append(names, fmt.Sprint("r", i))
		}
		w.batches = [][]sinks.Message{messages(names...)}
		one := writing(func(records []sinks.Record) error {
			if time.Since(began) < outage {
				return errors.New("down")
			}
			var failed []sinks.Failure
			for i := range records[1:] {
				failed = append(failed, sinks.Failure{Index: 1 + i, Err: errors.New("busy")})
			}
			if failed == nil {
				return nil
			}
			return &sinks.BatchError{Failed: failed}
		})
		if err := sinks.Deliver(ctx, &w, one, sinks.Options{Sink: "test"}); !errors.Is(err, context.Canceled) {
			t.Errorf("returned %v, want the context's end", err)
		}
		// One wait of 15 s, and 19 of 100 ms, each half as long again at most.
		if took := time.Since(began) - outage; took > 26*time.Second {
			t.Errorf("20 records took %s once the sink took one at a time", took)
		}
	})
}

type writing func([]sinks.Record) error

func (f writing) Write(_ context.Context, records []sinks.Record) error { return f(records) }

type writerFunc func() error

func (f writerFunc) Write(context.Context, []sinks.Record) error { return f() }
