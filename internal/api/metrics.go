package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
)

// Metrics is one process's metrics: packages make their instruments from its
// meters, and Handler shows them to Prometheus. It is safe for concurrent use.
type Metrics struct {
	provider *sdk.MeterProvider
	registry *prometheus.Registry
}

// NewMetrics returns metrics of their own registry, with the Go runtime's and
// the process's beside them. The readers read the same metrics, but for those two.
func NewMetrics(readers ...sdk.Reader) (*Metrics, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("making the Prometheus exporter: %w", err)
	}
	options := []sdk.Option{sdk.WithReader(exporter)}
	for _, r := range readers {
		options = append(options, sdk.WithReader(r))
	}
	return &Metrics{provider: sdk.NewMeterProvider(options...), registry: registry}, nil
}

// Meter returns the meter of a package.
func (m *Metrics) Meter(name string) metric.Meter { return m.provider.Meter(name) }

// Handler serves the metrics in the Prometheus text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Shutdown lets the readers send what they have, and stops collecting.
func (m *Metrics) Shutdown(ctx context.Context) error {
	if err := m.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("stopping metrics: %w", err)
	}
	return nil
}

// requestMetrics count HTTP requests. Labels are bounded: the route is the
// pattern, never the address.
type requestMetrics struct {
	requests metric.Int64Counter
	seconds  metric.Float64Histogram
}

func newRequestMetrics(m *Metrics) (*requestMetrics, error) {
	meter := m.Meter("github.com/caltrop/caltrop/internal/api")
	requests, err := meter.Int64Counter("caltrop_http_requests_total", metric.WithDescription("Requests answered, by route and status."))
	if err != nil {
		return nil, fmt.Errorf("making the request counter: %w", err)
	}
	seconds, err := meter.Float64Histogram("caltrop_http_request_seconds", metric.WithDescription("Time to answer a request, by route."),
		metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10))
	if err != nil {
		return nil, fmt.Errorf("making the request histogram: %w", err)
	}
	return &requestMetrics{requests, seconds}, nil
}

func (m *requestMetrics) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(seen, r)
		route := chi.RouteContext(r.Context()).RoutePattern()
		if route == "" {
			route = "none"
		}
		labels := metric.WithAttributes(attribute.String("route", route), attribute.String("method", methodOf(r)))
		m.seconds.Record(r.Context(), time.Since(began).Seconds(), labels)
		m.requests.Add(r.Context(), 1, labels, metric.WithAttributes(attribute.String("status", strconv.Itoa(seen.Status()))))
	})
}

// methodOf bounds the label: clients may send any word.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete:
		return r.Method
	}
	return "other"
}
