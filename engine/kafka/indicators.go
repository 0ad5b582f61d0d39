package kafka

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/caltrop/caltrop/engine/budget"
	"github.com/caltrop/caltrop/engine/partitioner"
	"github.com/caltrop/caltrop/engine/task"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// ruleTotals are what is counted for each rule, as metrics of their own.
var ruleTotals = []struct {
	name, desc string
	of         func(*task.RuleCounts) uint64
}{
	{"caltrop_rule_events_total", "events shown to a rule", func(c *task.RuleCounts) uint64 { return c.Events }},
	{"caltrop_rule_alerts_total", "alert versions sent, by rule", func(c *task.RuleCounts) uint64 { return c.Raised }},
	{"caltrop_rule_suppressed_total", "alerts suppressed, by rule", func(c *task.RuleCounts) uint64 { return c.Suppressed }},
	{"caltrop_rule_no_key_total", "events that lack a rule's key", func(c *task.RuleCounts) uint64 { return c.NoKey }},
	{"caltrop_rule_errors_total", "conditions that ended in an error, by rule", func(c *task.RuleCounts) uint64 { return c.ConditionErrors }},
	{"caltrop_runs_capped_total", "runs dropped by limits.runs_per_key, by rule", func(c *task.RuleCounts) uint64 { return c.RunsCapped }},
	{"caltrop_evidence_capped_total", "events dropped by limits.evidence, by rule", func(c *task.RuleCounts) uint64 { return c.EvidenceCapped }},
	{"caltrop_window_truncated_total", "events dropped by limits.window_events, by rule", func(c *task.RuleCounts) uint64 { return c.WindowTruncated }},
	{"caltrop_replay_capped_total", "times that a key went final by limits.replay, by rule", func(c *task.RuleCounts) uint64 { return c.ReplayCapped }},
}

// recordTotals are what becomes of records, by outcome.
var recordTotals = []struct {
	outcome string
	of      func(*task.Counts) uint64
}{
	{"accepted", func(c *task.Counts) uint64 { return c.Accepted }},
	{"late", func(c *task.Counts) uint64 { return c.Late }},
	{"dead", func(c *task.Counts) uint64 { return c.Dead }},
	{"duplicate", func(c *task.Counts) uint64 { return c.Duplicates }},
}

// totals are what a tenure has told its metrics. A replay repeats what was
// counted before, so it starts where the task goes live.
type totals struct {
	live      bool
	task      task.Counts
	misplaced partitioner.Misplaced
	rules     map[uint32]task.RuleCounts // by slot
}

// countTotals adds what the task has counted since the last time.
func (t *tenure) countTotals() {
	x, last := t.opts.Metrics, &t.live.totals
	if x == nil || t.status.State != StateLive && t.status.State != StatePaused {
		return
	}
	now, rules := t.task.Counts(), t.task.Rules()
	if !last.live {
		last.misplaced = t.task.Misplaced()
	}
	if !t.mute { // else its router tells
		x.misplace(t.id.Input, &last.misplaced, t.task.Misplaced())
	}
	if last.live {
		x.counted(t.id.Input, last, &now, rules)
	}
	last.live, last.task, last.rules = true, now, make(map[uint32]task.RuleCounts, len(rules))
	for i := range rules {
		last.rules[rules[i].Slot] = rules[i].Counts
	}
}

// misplace counts the records that were found misplaced since the last time.
func (x *Metrics) misplace(stream string, last *partitioner.Misplaced, now partitioner.Misplaced) {
	n := now.Records
	if now.Revision == last.Revision {
		n -= last.Records
	}
	*last = now
	if x != nil && n > 0 {
		x.misplaced.Add(context.Background(), int64(n), metric.WithAttributes(attribute.String("stream", stream)))
	}
}

func (x *Metrics) counted(stream string, last *totals, now *task.Counts, rules []task.RuleStatus) {
	ctx := context.Background()
	for _, total := range recordTotals {
		if n := total.of(now) - total.of(&last.task); n > 0 {
			x.records.Add(ctx, int64(n), metric.WithAttributes(attribute.String("stream", stream), attribute.String("outcome", total.outcome)))
		}
	}
	for i := range rules {
		before := last.rules[rules[i].Slot]
		by := metric.WithAttributes(attribute.String("rule", rules[i].Ref.Name), attribute.String("mode", rules[i].Mode.String()))
		for j, total := range ruleTotals {
			if n := total.of(&rules[i].Counts) - total.of(&before); n > 0 {
				x.rules[j].Add(ctx, int64(n), by)
			}
		}
	}
}

// A lateAlert is a record that let alerts be raised which are not committed.
type lateAlert struct {
	written time.Time // the record
	alerts  int
}

// latestMax bounds the records of a transaction whose latency is measured.
const latestMax = 1000

// raised notes the record that let alerts be raised.
func (t *tenure) raised(written time.Time) {
	if n := len(t.fx.Alerts); n > 0 && !written.IsZero() && len(t.live.raised) < latestMax {
		t.live.raised = append(t.live.raised, lateAlert{written, n})
	}
}

// delivered measures the alerts that a commit made visible.
func (t *tenure) delivered(ctx context.Context, now time.Time) {
	if x := t.opts.Metrics; x != nil {
		by := metric.WithAttributes(attribute.String("stream", t.id.Input))
		for _, r := range t.live.raised {
			for range r.alerts {
				x.latency.Record(ctx, max(0, now.Sub(r.written).Seconds()), by)
			}
		}
	}
	t.live.raised = t.live.raised[:0]
}

// Observe shows how an engine's tasks are doing as gauges. It is called once.
func (x *Metrics) Observe(status func() Status) error {
	gauges := []struct {
		name, desc string
		of         func(*TaskStatus, time.Time) (float64, bool)
	}{
		{"caltrop_lag_records", "records between a task and the end of its partition", func(t *TaskStatus, _ time.Time) (float64, bool) { return float64(t.Lag), true }},
		{"caltrop_watermark_lag_seconds", "how far a task's watermark is behind now", func(t *TaskStatus, now time.Time) (float64, bool) {
			return now.Sub(time.UnixMicro(t.Watermark)).Seconds(), t.Watermark != 0
		}},
		{"caltrop_checkpoint_age_seconds", "since a task's last checkpoint, or since it went live", func(t *TaskStatus, now time.Time) (float64, bool) {
			at := t.Checkpoint
			if at.IsZero() {
				at = t.Since
			}
			return now.Sub(at).Seconds(), !at.IsZero()
		}},
		{"caltrop_hot_key_share", "part of a task's traffic that its hottest key brings", func(t *TaskStatus, _ time.Time) (float64, bool) {
			most := 0.0
			for _, k := range t.Hot {
				most = max(most, k.Share)
			}
			return most, true
		}},
		{"caltrop_held_bytes", "events that wait for the watermark", func(t *TaskStatus, _ time.Time) (float64, bool) { return float64(t.HeldBytes), true }},
		{"caltrop_task_up", "1 for a task that is live", func(t *TaskStatus, _ time.Time) (float64, bool) {
			if t.State == StateLive {
				return 1, true
			}
			return 0, true
		}},
	}
	instruments := make([]metric.Observable, len(gauges))
	made := make([]metric.Float64ObservableGauge, len(gauges))
	for i := range gauges {
		g, err := x.meter.Float64ObservableGauge(gauges[i].name, metric.WithDescription(gauges[i].desc))
		if err != nil {
			return fmt.Errorf("registering %s: %w", gauges[i].name, err)
		}
		instruments[i], made[i] = g, g
	}
	_, err := x.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		now := time.Now()
		for _, t := range status().Tasks {
			by := metric.WithAttributes(attribute.String("stream", t.ID.Input), attribute.String("partition", strconv.Itoa(int(t.ID.Partition))))
			for i := range gauges {
				if v, ok := gauges[i].of(&t, now); ok {
					o.ObserveFloat64(made[i], v, by)
				}
			}
		}
		return nil
	}, instruments...)
	if err != nil {
		return fmt.Errorf("registering the gauges of tasks: %w", err)
	}
	return nil
}

// ObserveMemory shows as gauges how memory is divided. It is called once.
func (x *Metrics) ObserveMemory(b *budget.Budget) error {
	whole, err := x.meter.Float64ObservableGauge("caltrop_memory_bytes", metric.WithDescription("what a part of the memory may take in this process"))
	if err != nil {
		return fmt.Errorf("registering caltrop_memory_bytes: %w", err)
	}
	share, err := x.meter.Float64ObservableGauge("caltrop_memory_task_bytes", metric.WithDescription("what one task may take of a part of the memory now"))
	if err != nil {
		return fmt.Errorf("registering caltrop_memory_task_bytes: %w", err)
	}
	_, err = x.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, p := range b.Parts() {
			by := metric.WithAttributes(attribute.String("part", p.Name))
			o.ObserveFloat64(whole, float64(p.Bytes), by)
			if p.Task > 0 {
				o.ObserveFloat64(share, float64(p.Task), by)
			}
		}
		return nil
	}, whole, share)
	if err != nil {
		return fmt.Errorf("registering the gauges of memory: %w", err)
	}
	return nil
}
