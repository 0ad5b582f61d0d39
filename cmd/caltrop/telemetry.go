package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/caltrop/caltrop/internal/secure"
	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/log"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// telemetryConfig says where metrics, traces and logs go besides /metrics and
// standard error.
type telemetryConfig struct {
	OTLP otlpConfig `yaml:"otlp"`
}

type otlpConfig struct {
	Endpoint string        `yaml:"endpoint"` // "": nowhere
	Every    time.Duration `yaml:"every"`
	Token    secure.Secret `yaml:"token"`
	TLS      *secure.TLS   `yaml:"tls"`
	Traces   float64       `yaml:"traces"` // the part of sampled records that is followed; 0: none
	Logs     bool          `yaml:"logs"`
}

// Bounds of telemetry.
const (
	telemetryDefault = 30 * time.Second
	telemetryTimeout = 10 * time.Second
	telemetryFlush   = 2 * time.Second // at the end of the process
	logsQueueMax     = 2048            // lines that wait; past it the oldest are given up
)

func (o *otlpConfig) check() error {
	u, err := url.Parse(o.Endpoint)
	switch {
	case o.Endpoint == "":
		return nil
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil:
		return errors.New("telemetry.otlp.endpoint is not as http://collector:4318, without a user")
	case o.Traces < 0 || o.Traces > 1:
		return fmt.Errorf("telemetry.otlp.traces is %v, want a part from 0 to 1", o.Traces)
	case o.Every < time.Second:
		return fmt.Errorf("telemetry.otlp.every is %s, want at least 1s", o.Every)
	}
	if err := o.TLS.Validate(false); err != nil {
		return fmt.Errorf("telemetry.otlp.%w", err)
	}
	return nil
}

// A way is how the endpoint is reached.
type way struct {
	endpoint string
	tls      *tls.Config       // nil: the system's
	headers  map[string]string // nil: none
}

// way reads the files that the configuration names.
func (o *otlpConfig) way() (w way, err error) {
	w.endpoint = o.Endpoint
	if w.tls, err = clientTLS("telemetry.otlp", o.TLS); err != nil {
		return w, err
	}
	token, err := o.Token.Read()
	if err != nil {
		return w, fmt.Errorf("telemetry.otlp: %w", err)
	}
	if token != "" {
		w.headers = map[string]string{"Authorization": "Bearer " + token}
	}
	return w, nil
}

// readers returns what reads the metrics besides /metrics: one that sends them to
// the endpoint, where there is one. It connects to nothing yet.
func (o *otlpConfig) readers() ([]sdk.Reader, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	w, err := o.way()
	if err != nil {
		return nil, err
	}
	options := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpointURL(w.endpoint + "/v1/metrics"), otlpmetrichttp.WithTimeout(telemetryTimeout), otlpmetrichttp.WithHeaders(w.headers)}
	if w.tls != nil {
		options = append(options, otlpmetrichttp.WithTLSClientConfig(w.tls))
	}
	exporter, err := otlpmetrichttp.New(context.Background(), options...)
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlp: %w", err)
	}
	return []sdk.Reader{sdk.NewPeriodicReader(exporter, sdk.WithInterval(o.Every))}, nil
}

// logs returns what sends log lines to the endpoint; nil where none are.
func (o *otlpConfig) logs() (*log.LoggerProvider, error) {
	if o.Endpoint == "" || !o.Logs {
		return nil, nil
	}
	w, err := o.way()
	if err != nil {
		return nil, err
	}
	options := []otlploghttp.Option{otlploghttp.WithEndpointURL(w.endpoint + "/v1/logs"), otlploghttp.WithTimeout(telemetryTimeout), otlploghttp.WithHeaders(w.headers)}
	if w.tls != nil {
		options = append(options, otlploghttp.WithTLSClientConfig(w.tls))
	}
	exporter, err := otlploghttp.New(context.Background(), options...)
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlp: %w", err)
	}
	return log.NewLoggerProvider(log.WithProcessor(log.NewBatchProcessor(exporter, log.WithMaxQueueSize(logsQueueMax)))), nil
}

// traces returns what follows records and sends the spans to the endpoint; nil
// where none are. A record is followed when its producer sampled it and its trace
// is in the part that is configured, the same at every process.
func (o *otlpConfig) traces(counted metric.Meter) (*sdktrace.TracerProvider, error) {
	if o.Endpoint == "" || o.Traces == 0 {
		return nil, nil
	}
	w, err := o.way()
	if err != nil {
		return nil, err
	}
	options := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(w.endpoint + "/v1/traces"), otlptracehttp.WithTimeout(telemetryTimeout), otlptracehttp.WithHeaders(w.headers)}
	if w.tls != nil {
		options = append(options, otlptracehttp.WithTLSClientConfig(w.tls))
	}
	exporter, err := otlptracehttp.New(context.Background(), options...)
	if err != nil {
		return nil, fmt.Errorf("telemetry.otlp: %w", err)
	}
	spans, err := newSpans(exporter, counted)
	if err != nil {
		return nil, err
	}
	sampler := sdktrace.ParentBased(sdktrace.NeverSample(), sdktrace.WithRemoteParentSampled(sdktrace.TraceIDRatioBased(o.Traces)))
	return sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithSpanProcessor(spans)), nil
}

// A leveled handler takes what is at a level or above.
type leveled struct {
	slog.Handler
	level slog.Level
}

func (l leveled) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }

func (l leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{l.Handler.WithAttrs(attrs), l.level}
}

func (l leveled) WithGroup(name string) slog.Handler {
	return leveled{l.Handler.WithGroup(name), l.level}
}

// openLogs lets log lines go to the endpoint too, of the configured level.
func (n *node) openLogs() error {
	logs, err := n.conf.Telemetry.OTLP.logs()
	if err != nil || logs == nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(n.conf.Log.Level)); err != nil {
		return fmt.Errorf("log.level: %w", err)
	}
	sent := leveled{otelslog.NewHandler("github.com/caltrop/caltrop", otelslog.WithLoggerProvider(logs)), level}
	n.log = slog.New(slog.NewMultiHandler(n.log.Handler(), sent))
	n.exports = append(n.exports, export{"logs", logs.Shutdown})
	return nil
}

// openTraces makes the tracers, nil ones where nothing is traced.
func (n *node) openTraces() error {
	traces, err := n.conf.Telemetry.OTLP.traces(n.metrics.Meter("github.com/caltrop/caltrop/cmd/caltrop"))
	if err != nil || traces == nil {
		return err
	}
	n.tracer = traces.Tracer("github.com/caltrop/caltrop")
	n.exports = append(n.exports, export{"traces", traces.Shutdown})
	return nil
}

// An export sends what is left when the process ends.
type export struct {
	what     string
	shutdown func(context.Context) error
}
