package sinks

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// The values of the label result.
const (
	resultStored    = "stored"
	resultMalformed = "malformed" // no alert, or no update of a view
	resultRejected  = "rejected"  // the sink can never store it
	resultSilenced  = "silenced"
	resultReplaced  = "replaced" // a newer version came while it waited
)

// Metrics count what is delivered. A nil *Metrics counts nothing.
type Metrics struct {
	alerts  metric.Int64Counter
	retries metric.Int64Counter
}

// NewMetrics makes the instruments: caltrop_delivery_alerts_total{sink,result}
// and caltrop_delivery_retries_total{sink}.
func NewMetrics(m metric.Meter) (*Metrics, error) {
	alerts, err := m.Int64Counter("caltrop_delivery_alerts_total", metric.WithDescription("Alert versions and updates of views delivered, by result."))
	if err != nil {
		return nil, fmt.Errorf("making a delivery counter: %w", err)
	}
	retries, err := m.Int64Counter("caltrop_delivery_retries_total", metric.WithDescription("Failed steps of the delivery loop that are tried again."))
	if err != nil {
		return nil, fmt.Errorf("making a delivery counter: %w", err)
	}
	return &Metrics{alerts: alerts, retries: retries}, nil
}

func (m *Metrics) delivered(ctx context.Context, sink, result string, n int) {
	if m == nil || n == 0 {
		return
	}
	m.alerts.Add(ctx, int64(n), metric.WithAttributes(attribute.String("sink", sink), attribute.String("result", result)))
}

func (m *Metrics) retried(ctx context.Context, sink string) {
	if m == nil {
		return
	}
	m.retries.Add(ctx, 1, metric.WithAttributes(attribute.String("sink", sink)))
}
