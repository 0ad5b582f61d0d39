package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caltrop/caltrop/engine/avro"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/task"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Metrics count what the engine does. A nil *Metrics counts nothing. It is
// safe for concurrent use.
type Metrics struct {
	meter       metric.Meter
	alerts      metric.Int64Counter
	views       metric.Int64Counter
	late        metric.Int64Counter
	dead        metric.Int64Counter
	commits     metric.Float64Histogram
	checkpoints metric.Int64Counter
	broken      metric.Int64Counter
	moved       metric.Int64Counter
	halts       metric.Int64Counter
	restarts    metric.Int64Counter
	hastened    metric.Int64Counter
	frames      metric.Int64Counter
	misplaced   metric.Int64Counter
	pauses      metric.Float64Counter
	ahead       metric.Float64Counter
	schemas     metric.Int64Counter
	records     metric.Int64Counter
	forgotten   metric.Int64Counter
	rejoins     metric.Int64Counter
	rules       []metric.Int64Counter // as ruleTotals
	saves       metric.Float64Histogram
	stalls      metric.Float64Histogram
	latency     metric.Float64Histogram
}

// NewMetrics registers the engine's instruments.
func NewMetrics(m metric.Meter) (*Metrics, error) {
	x := Metrics{meter: m, rules: make([]metric.Int64Counter, len(ruleTotals))}
	type counter struct {
		to         *metric.Int64Counter
		name, desc string
	}
	counters := []counter{
		{&x.records, "caltrop_records_total", "records read, by stream and outcome"},
		{&x.alerts, "caltrop_alerts_total", "alert versions written, by stream"},
		{&x.views, "caltrop_view_updates_total", "updates of views written, by stream"},
		{&x.late, "caltrop_late_total", "events that came too late, by stream"},
		{&x.dead, "caltrop_dead_letters_total", "records that became no event, by stream and reason"},
		{&x.checkpoints, "caltrop_checkpoints_total", "checkpoints, by outcome"},
		{&x.broken, "caltrop_checkpoint_rejected_total", "checkpoints passed over at a restore as they were not whole"},
		{&x.moved, "caltrop_checkpoint_bytes_total", "bytes of checkpoint files, by way: uploaded, fetched, reused"},
		{&x.halts, "caltrop_partition_halts_total", "partitions that stopped until someone acts, by stream"},
		{&x.hastened, "caltrop_hastened_total", "times at which held events were matched before the watermark, by stream"},
		{&x.schemas, "caltrop_schemas_total", "Avro schemas that tasks asked for, by outcome"},
		{&x.misplaced, "caltrop_misplaced_total", "records that are not where their stream's declared partitioner puts them, by stream"},
		{&x.frames, "caltrop_frames_total", "frames written to keyed logs, by stream"},
		{&x.forgotten, "caltrop_traces_forgotten_total", "traced records that a task could not remember until an alert came of them"},
		{&x.rejoins, "caltrop_group_rejoins_total", "times that this process joined its group anew, as it had not answered for 20 s"},
		{&x.restarts, "caltrop_task_restarts_total", "tasks that started over after an error, by stream"},
	}
	for i, total := range ruleTotals {
		counters = append(counters, counter{&x.rules[i], total.name, total.desc})
	}
	for _, c := range counters {
		var err error
		if *c.to, err = m.Int64Counter(c.name, metric.WithDescription(c.desc)); err != nil {
			return nil, fmt.Errorf("registering %s: %w", c.name, err)
		}
	}
	waits := []struct {
		to         *metric.Float64Counter
		name, desc string
	}{
		{&x.pauses, "caltrop_paused_seconds_total", "time in which tasks did not read because their state was full"},
		{&x.ahead, "caltrop_skew_paused_seconds_total", "time in which partitions were not read because they are more than max_skew ahead, by stream"},
	}
	for _, w := range waits {
		var err error
		if *w.to, err = m.Float64Counter(w.name, metric.WithDescription(w.desc)); err != nil {
			return nil, fmt.Errorf("registering %s: %w", w.name, err)
		}
	}
	histograms := []struct {
		to         *metric.Float64Histogram
		name, desc string
		bounds     []float64
	}{
		{&x.commits, "caltrop_commit_seconds", "from the first record of a transaction to its commit", []float64{.005, .01, .02, .03, .05, .075, .1, .25, 1, 5}},
		{&x.latency, "caltrop_alert_seconds", "from the time of the record that let an alert be raised to the alert's commit",
			[]float64{.005, .01, .02, .03, .05, .075, .1, .25, .5, 1, 2.5, 10, 60, 600}},
		{&x.saves, "caltrop_checkpoint_seconds", "from a checkpoint's cut to its end", []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}},
		{&x.stalls, "caltrop_checkpoint_stall_seconds", "time in which a task reads nothing as a checkpoint begins", []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}},
	}
	for _, h := range histograms {
		var err error
		if *h.to, err = m.Float64Histogram(h.name, metric.WithDescription(h.desc), metric.WithExplicitBucketBoundaries(h.bounds...)); err != nil {
			return nil, fmt.Errorf("registering %s: %w", h.name, err)
		}
	}
	return &x, nil
}

func (x *Metrics) count(stream string, fx *task.Effects) {
	if x == nil {
		return
	}
	ctx, by := context.Background(), metric.WithAttributes(attribute.String("stream", stream))
	if n := len(fx.Alerts); n > 0 {
		x.alerts.Add(ctx, int64(n), by)
	}
	if n := len(fx.Views); n > 0 {
		x.views.Add(ctx, int64(n), by)
	}
	x.reject(stream, fx.Late, fx.Dead)
}

// routed counts what a router does.
func (x *Metrics) routed(stream string, fx *route.Effects) {
	if x == nil {
		return
	}
	if n := len(fx.Frames); n > 0 {
		x.frames.Add(context.Background(), int64(n), metric.WithAttributes(attribute.String("stream", stream)))
	}
	x.reject(stream, fx.Late, fx.Dead)
}

func (x *Metrics) reject(stream string, late, dead []task.Rejected) {
	ctx := context.Background()
	if n := len(late); n > 0 {
		x.late.Add(ctx, int64(n), metric.WithAttributes(attribute.String("stream", stream)))
	}
	for i := range dead {
		x.dead.Add(ctx, 1, metric.WithAttributes(
			attribute.String("stream", stream), attribute.String("reason", string(dead[i].Reason))))
	}
}

func (x *Metrics) hasten(stream string, times uint64) {
	if x != nil && times > 0 {
		x.hastened.Add(context.Background(), int64(times), metric.WithAttributes(attribute.String("stream", stream)))
	}
}

func (x *Metrics) committed(ctx context.Context, took time.Duration) {
	if x != nil {
		x.commits.Record(ctx, took.Seconds())
	}
}

func (x *Metrics) paused(ctx context.Context, took time.Duration) {
	if x != nil {
		x.pauses.Add(ctx, took.Seconds())
	}
}

func (x *Metrics) heldBack(ctx context.Context, stream string, took time.Duration) {
	if x != nil {
		x.ahead.Add(ctx, took.Seconds(), metric.WithAttributes(attribute.String("stream", stream)))
	}
}

func (x *Metrics) schema(s avro.Schema, err error) {
	if x == nil {
		return
	}
	outcome := "found"
	switch {
	case errors.Is(err, avro.ErrUnknown):
		outcome = "unknown"
	case err != nil:
		outcome = "failed"
	case s.Schema == nil:
		outcome = "unreadable"
	}
	x.schemas.Add(context.Background(), 1, metric.WithAttributes(attribute.String("outcome", outcome)))
}

func (x *Metrics) checkpoint(ok bool, took time.Duration) {
	if x == nil {
		return
	}
	outcome := "written"
	if !ok {
		outcome = "failed"
	}
	x.saves.Record(context.Background(), took.Seconds(), metric.WithAttributes(attribute.String("outcome", outcome)))
	x.checkpoints.Add(context.Background(), 1, metric.WithAttributes(attribute.String("outcome", outcome)))
}

func (x *Metrics) stalled(took time.Duration) {
	if x != nil {
		x.stalls.Record(context.Background(), took.Seconds())
	}
}

func (x *Metrics) forgot() {
	if x != nil {
		x.forgotten.Add(context.Background(), 1)
	}
}

func (x *Metrics) rejoined() {
	if x != nil {
		x.rejoins.Add(context.Background(), 1)
	}
}

// Rejected counts a checkpoint that was passed over at a restore.
func (x *Metrics) Rejected() {
	if x != nil {
		x.broken.Add(context.Background(), 1)
	}
}

// Moved counts bytes of a checkpoint's file by what was done with it.
func (x *Metrics) Moved(way string, bytes int64) {
	if x != nil {
		x.moved.Add(context.Background(), bytes, metric.WithAttributes(attribute.String("way", way)))
	}
}

func (x *Metrics) stopped(stream string, halted bool) {
	if x == nil {
		return
	}
	by := metric.WithAttributes(attribute.String("stream", stream))
	if halted {
		x.halts.Add(context.Background(), 1, by)
		return
	}
	x.restarts.Add(context.Background(), 1, by)
}
