package sinks

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// HeaderTrace is the header of a record that names the span it comes from, as
// W3C Trace Context has it.
const HeaderTrace = "traceparent"

// traced makes the spans of a batch that is stored.
func (d *delivery[R]) traced(batch []Message, fetched time.Time) {
	if d.o.Tracer == nil {
		return
	}
	stored := time.Now()
	for i := range batch {
		if batch[i].Trace == "" {
			continue
		}
		ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{HeaderTrace: batch[i].Trace})
		_, span := d.o.Tracer.Start(ctx, "deliver", trace.WithTimestamp(fetched), trace.WithSpanKind(trace.SpanKindConsumer),
			trace.WithAttributes(attribute.String("caltrop.sink", d.o.Sink)))
		span.End(trace.WithTimestamp(stored))
	}
}
