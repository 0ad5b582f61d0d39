package main

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	spansMax   = 4096 // that wait to be sent; past it new ones are dropped
	spansBatch = 512
	spansEvery = 2 * time.Second
)

// spans sends ended spans in batches and counts what became of them:
// caltrop_spans_total by outcome, sent, failed or dropped. Ending a span never
// waits.
type spans struct {
	exporter sdktrace.SpanExporter
	total    metric.Int64Counter
	queue    chan sdktrace.ReadOnlySpan
	stop     chan struct{}
	stopped  chan struct{}
}

var _ sdktrace.SpanProcessor = (*spans)(nil)

// newSpans starts a goroutine, which Shutdown ends.
func newSpans(exporter sdktrace.SpanExporter, m metric.Meter) (*spans, error) {
	total, err := m.Int64Counter("caltrop_spans_total", metric.WithDescription("spans of traces, by outcome: sent, failed, dropped"))
	if err != nil {
		return nil, fmt.Errorf("registering caltrop_spans_total: %w", err)
	}
	s := &spans{exporter: exporter, total: total, queue: make(chan sdktrace.ReadOnlySpan, spansMax), stop: make(chan struct{}), stopped: make(chan struct{})}
	go s.run()
	return s, nil
}

// OnStart does nothing.
func (s *spans) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd takes a span if there is room for it.
func (s *spans) OnEnd(span sdktrace.ReadOnlySpan) {
	if !span.SpanContext().IsSampled() {
		return
	}
	select {
	case s.queue <- span:
	default:
		s.count("dropped", 1)
	}
}

func (s *spans) count(outcome string, n int) {
	s.total.Add(context.Background(), int64(n), metric.WithAttributes(attribute.String("outcome", outcome)))
}

func (s *spans) run() {
	defer close(s.stopped)
	due := time.NewTicker(spansEvery)
	defer due.Stop()
	var batch []sdktrace.ReadOnlySpan
	for stopping := false; !stopping; {
		select {
		case span := <-s.queue:
			if batch = append(batch, span); len(batch) < spansBatch {
				continue
			}
		case <-due.C:
		case <-s.stop:
			stopping = true
			for len(s.queue) > 0 {
				batch = append(batch, <-s.queue)
			}
		}
		s.send(batch)
		batch = batch[:0]
	}
}

func (s *spans) send(batch []sdktrace.ReadOnlySpan) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), telemetryTimeout)
	defer cancel()
	if err := s.exporter.ExportSpans(ctx, batch); err != nil {
		s.count("failed", len(batch))
		return
	}
	s.count("sent", len(batch))
}

// ForceFlush does nothing: what is queued is sent soon.
func (s *spans) ForceFlush(context.Context) error { return nil }

// Shutdown sends what is queued. It is called once.
func (s *spans) Shutdown(ctx context.Context) error {
	close(s.stop)
	select {
	case <-s.stopped:
		return s.exporter.Shutdown(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}
