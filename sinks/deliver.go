package sinks

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/otel/trace"
)

// A Source yields the records of the alerts or views topic in log order, read
// committed. While a sink is down Fetch is not called for as long as that
// takes: the source keeps its place in the group by itself.
type Source interface {
	// Fetch waits for records and returns some; none where it has passed over
	// what there was. It returns ctx.Err() when ctx ends. The values are the
	// caller's.
	Fetch(ctx context.Context) ([]Message, error)
	// Commit says that everything fetched so far is stored: a restart goes on
	// behind it.
	Commit(ctx context.Context) error
}

// A Message is one record of the topic; Value is nil of a tombstone.
type Message struct {
	Value     []byte
	Partition int32
	Offset    int64
	Trace     string // its header traceparent; ""
}

// Options of Deliver.
type Options struct {
	// Sink names the sink in logs and metrics.
	Sink string
	// BackoffMin is the wait after the first failure, and after one that left
	// less to store; 0 means 100 ms. Waits grow by half, with jitter.
	BackoffMin time.Duration
	// BackoffMax bounds a wait; 0 means 15 s, so that a sink that is back is
	// noticed soon.
	BackoffMax time.Duration
	// Log gets a warning when the sink begins to fail and every minute after, as
	// the reason may change; an error for each record that can never be stored,
	// and one line when the sink is back.
	Log *slog.Logger
	// Metrics may be nil.
	Metrics *Metrics
	// Letters sets aside what the sink can never store, and returns once that is
	// durable; nil: it is only counted and logged.
	Letters func(ctx context.Context, letters []Letter) error
	// Status may be nil.
	Status *Status
	// Tracer makes a span of the delivery of each record that is traced; nil: none.
	Tracer trace.Tracer
}

// The defaults of Options.
const (
	backoffMinDefault = 100 * time.Millisecond
	backoffMaxDefault = 15 * time.Second
)

const tellEvery = time.Minute // why a sink fails is told again

func (o Options) withDefaults() Options {
	if o.BackoffMin == 0 {
		o.BackoffMin = backoffMinDefault
	}
	if o.BackoffMax == 0 {
		o.BackoffMax = backoffMaxDefault
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Deliver stores what src yields in w until ctx ends, and returns ctx.Err().
// Offsets advance only after the write. What fails is tried again for ever,
// with backoff; a record that is no alert, or that the sink can never store,
// is counted, logged and left behind.
func Deliver(ctx context.Context, src Source, w Writer, o Options) error {
	return deliver(ctx, src, o, cargo[Record]{
		what: "alert",
		parse: func(m *Message) (Record, bool, error) {
			r, err := ParseRecord(m.Value)
			r.Partition, r.Offset = m.Partition, m.Offset
			return r, true, err
		},
		write: w.Write,
		attrs: func(r *Record) []any { return []any{"alert", r.ID.String(), "rule", r.Rule} },
		letter: func(r *Record, f Failure) Letter {
			return Letter{Record: *r, Reason: cmp.Or(f.Reason, ReasonRejected), Detail: f.Err.Error()}
		},
	})
}

// DeliverViews is Deliver for the updates of views that are wanted. Tombstones
// are passed over, as the update before one says the same.
func DeliverViews(ctx context.Context, src Source, wanted func(*ViewRecord) bool, w ViewWriter, o Options) error {
	return deliver(ctx, src, o, cargo[ViewRecord]{
		what: "view update",
		parse: func(m *Message) (ViewRecord, bool, error) {
			if m.Value == nil {
				return ViewRecord{}, false, nil
			}
			r, err := ParseViewRecord(m.Value)
			return r, err == nil && wanted(&r), err
		},
		write: w.WriteViews,
		attrs: func(r *ViewRecord) []any { return []any{"view", r.View, "version", r.Version} },
	})
}

// A cargo is what a delivery carries: how its records are read and written.
type cargo[R any] struct {
	what  string
	parse func(*Message) (r R, wanted bool, err error)
	write func(context.Context, []R) error
	attrs func(*R) []any // of a log line

	letter func(*R, Failure) Letter // nil: there are none
}

func deliver[R any](ctx context.Context, src Source, o Options, c cargo[R]) error {
	o = o.withDefaults()
	d := delivery[R]{src: src, cargo: c, o: o, log: o.Log.With("sink", o.Sink)}
	for ctx.Err() == nil {
		d.round(ctx)
	}
	return ctx.Err()
}

// A delivery is the state of one Deliver call, owned by its goroutine.
type delivery[R any] struct {
	cargo[R]
	src Source
	o   Options
	log *slog.Logger

	progress bool // something was stored since the last wait
}

func (d *delivery[R]) round(ctx context.Context) {
	var batch []Message
	d.persist(ctx, "fetching "+d.what+"s", func() (err error) {
		batch, err = d.src.Fetch(ctx)
		return err
	})
	fetched := time.Now()
	pending := d.read(ctx, batch)
	var letters []Letter
	d.persist(ctx, "storing "+d.what+"s", func() (err error) {
		pending, err = d.store(ctx, pending, &letters)
		return err
	})
	if len(letters) > 0 {
		d.persist(ctx, "setting "+d.what+"s aside", func() error { return d.o.Letters(ctx, letters) })
	}
	if ctx.Err() != nil {
		return
	}
	d.traced(batch, fetched)
	d.persist(ctx, "committing offsets", func() error { return d.src.Commit(ctx) })
}

// persist calls do until it succeeds or ctx ends.
func (d *delivery[R]) persist(ctx context.Context, what string, do func() error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = d.o.BackoffMin, d.o.BackoffMax
	wait.Reset()
	var told time.Time
	for failures := 0; ; failures++ {
		err := do()
		if ctx.Err() == nil {
			d.o.Status.noted(err)
		}
		if err == nil && failures > 0 {
			d.log.Info("recovered", "step", what, "attempts", failures+1)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		if now := time.Now(); now.Sub(told) >= tellEvery {
			told = now
			d.log.Warn("trying again until it works", "step", what, "attempts", failures+1, "error", err)
		}
		d.o.Metrics.retried(ctx, d.o.Sink)
		if d.progress {
			wait.Reset()
			d.progress = false
		}
		sleep(ctx, wait.NextBackOff())
	}
}

func (d *delivery[R]) count(ctx context.Context, result string, n int) {
	d.o.Metrics.delivered(ctx, d.o.Sink, result, n)
	d.o.Status.counted(result, n)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (d *delivery[R]) read(ctx context.Context, batch []Message) []R {
	records := make([]R, 0, len(batch))
	for i := range batch {
		m := &batch[i]
		r, wanted, err := d.parse(m)
		if err != nil {
			d.log.Error("leaving out a record that is no "+d.what, "partition", m.Partition, "offset", m.Offset, "error", err)
			d.count(ctx, resultMalformed, 1)
			continue
		}
		if wanted {
			records = append(records, r)
		}
	}
	return records
}

// store stores records once and returns those to try again, with the reason;
// what can never be stored is added to letters.
func (d *delivery[R]) store(ctx context.Context, records []R, letters *[]Letter) ([]R, error) {
	if len(records) == 0 {
		return nil, nil
	}
	err := d.write(ctx, records)
	var partial *BatchError
	if err != nil && !errors.As(err, &partial) {
		return records, err
	}
	if err == nil {
		d.count(ctx, resultStored, len(records))
		return nil, nil
	}
	var again []R
	for _, f := range partial.Failed {
		r := records[f.Index]
		if !f.Permanent {
			again = append(again, r)
			continue
		}
		d.log.Error("leaving out what the sink cannot store: the "+d.what, append(d.attrs(&r), "error", f.Err)...)
		d.count(ctx, resultRejected, 1)
		if d.letter != nil && d.o.Letters != nil {
			*letters = append(*letters, d.letter(&r, f))
		}
	}
	d.count(ctx, resultStored, len(records)-len(partial.Failed))
	d.progress = len(again) < len(records)
	if len(again) == 0 {
		return nil, nil
	}
	return again, err
}
