package sinks

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A Source yields the records of the alerts topic in log order, read
// committed. While a sink is down Fetch is not called for as long as that
// takes: the source keeps its place in the group by itself.
type Source interface {
	// Fetch waits for records and returns some, at least one. It returns
	// ctx.Err() when ctx ends. The values are the caller's.
	Fetch(ctx context.Context) ([]Message, error)
	// Commit says that everything fetched so far is stored: a restart goes on
	// behind it.
	Commit(ctx context.Context) error
}

// A Message is one record of the alerts topic.
type Message struct {
	Value     []byte
	Partition int32
	Offset    int64
}

// Options of Deliver.
type Options struct {
	// Sink names the sink in logs and metrics.
	Sink string
	// BackoffMin is the wait after the first failure; 0 means 100 ms. Waits
	// grow by half, with jitter.
	BackoffMin time.Duration
	// BackoffMax bounds a wait; 0 means 15 s, so that a sink that is back is
	// noticed soon.
	BackoffMax time.Duration
	// Log gets one warning when the sink begins to fail, one error for each
	// record that can never be stored, and one line when the sink is back.
	Log *slog.Logger
	// Metrics may be nil.
	Metrics *Metrics
}

// The defaults of Options.
const (
	backoffMinDefault = 100 * time.Millisecond
	backoffMaxDefault = 15 * time.Second
)

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
	o = o.withDefaults()
	d := delivery{src: src, w: w, o: o, log: o.Log.With("sink", o.Sink)}
	for ctx.Err() == nil {
		d.round(ctx)
	}
	return ctx.Err()
}

// A delivery is the state of one Deliver call, owned by its goroutine.
type delivery struct {
	src Source
	w   Writer
	o   Options
	log *slog.Logger
}

func (d *delivery) round(ctx context.Context) {
	var batch []Message
	d.persist(ctx, "fetching alerts", func() (err error) {
		batch, err = d.src.Fetch(ctx)
		return err
	})
	pending := d.parse(ctx, batch)
	d.persist(ctx, "storing alerts", func() (err error) {
		pending, err = d.write(ctx, pending)
		return err
	})
	if ctx.Err() != nil {
		return
	}
	d.persist(ctx, "committing offsets", func() error { return d.src.Commit(ctx) })
}

// persist calls do until it succeeds or ctx ends.
func (d *delivery) persist(ctx context.Context, what string, do func() error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = d.o.BackoffMin, d.o.BackoffMax
	wait.Reset()
	for failures := 0; ; failures++ {
		err := do()
		if err == nil && failures > 0 {
			d.log.Info("recovered", "step", what, "attempts", failures+1)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		if failures == 0 {
			d.log.Warn("trying again until it works", "step", what, "error", err)
		}
		d.o.Metrics.retried(ctx, d.o.Sink)
		sleep(ctx, wait.NextBackOff())
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (d *delivery) parse(ctx context.Context, batch []Message) []Record {
	records := make([]Record, 0, len(batch))
	for _, m := range batch {
		r, err := ParseRecord(m.Value)
		if err != nil {
			d.log.Error("leaving out a record that is no alert", "partition", m.Partition, "offset", m.Offset, "error", err)
			d.o.Metrics.delivered(ctx, d.o.Sink, resultMalformed, 1)
			continue
		}
		records = append(records, r)
	}
	return records
}

// write stores records once and returns those to try again, with the reason.
func (d *delivery) write(ctx context.Context, records []Record) ([]Record, error) {
	if len(records) == 0 {
		return nil, nil
	}
	err := d.w.Write(ctx, records)
	var partial *BatchError
	if err != nil && !errors.As(err, &partial) {
		return records, err
	}
	if err == nil {
		d.o.Metrics.delivered(ctx, d.o.Sink, resultStored, len(records))
		return nil, nil
	}
	var again []Record
	for _, f := range partial.Failed {
		r := records[f.Index]
		if !f.Permanent {
			again = append(again, r)
			continue
		}
		d.log.Error("leaving out an alert that the sink cannot store", "alert", r.ID.String(), "rule", r.Rule, "error", f.Err)
		d.o.Metrics.delivered(ctx, d.o.Sink, resultRejected, 1)
	}
	d.o.Metrics.delivered(ctx, d.o.Sink, resultStored, len(records)-len(partial.Failed))
	if len(again) == 0 {
		return nil, nil
	}
	return again, err
}
