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
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
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

// An otlpSignal is what the library of one kind of telemetry calls its options.
type otlpSignal[O, E any] struct {
	path    string // after the endpoint
	url     func(string) O
	timeout func(time.Duration) O
	headers func(map[string]string) O
	tls     func(*tls.Config) O
	open    func(context.Context, ...O) (E, error)
}

// export opens what sends a signal to the endpoint, from the files that the
// configuration names. It connects to nothing yet.
func (s otlpSignal[O, E]) export(o *otlpConfig) (exporter E, err error) {
	secured, err := clientTLS("telemetry.otlp", o.TLS)
	if err != nil {
		return exporter, err
	}
	options := []O{s.url(o.Endpoint + s.path), s.timeout(telemetryTimeout)}
	if secured != nil {
		options = append(options, s.tls(secured))
	}
	token, err := o.Token.Read()
	if err != nil {
		return exporter, fmt.Errorf("telemetry.otlp: %w", err)
	}
	if token != "" {
		options = append(options, s.headers(map[string]string{"Authorization": "Bearer " + token}))
	}
	if exporter, err = s.open(context.Background(), options...); err != nil {
		return exporter, fmt.Errorf("telemetry.otlp: %w", err)
	}
	return exporter, nil
}

// readers returns what reads the metrics besides /metrics: one that sends them to
// the endpoint, where there is one.
func (o *otlpConfig) readers() ([]sdk.Reader, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	exporter, err := otlpSignal[otlpmetrichttp.Option, *otlpmetrichttp.Exporter]{
		"/v1/metrics", otlpmetrichttp.WithEndpointURL, otlpmetrichttp.WithTimeout, otlpmetrichttp.WithHeaders, otlpmetrichttp.WithTLSClientConfig, otlpmetrichttp.New,
	}.export(o)
	if err != nil {
		return nil, err
	}
	return []sdk.Reader{sdk.NewPeriodicReader(exporter, sdk.WithInterval(o.Every))}, nil
}

// logs returns what sends log lines to the endpoint; nil where none are.
func (o *otlpConfig) logs() (*log.LoggerProvider, error) {
	if o.Endpoint == "" || !o.Logs {
		return nil, nil
	}
	exporter, err := otlpSignal[otlploghttp.Option, *otlploghttp.Exporter]{
		"/v1/logs", otlploghttp.WithEndpointURL, otlploghttp.WithTimeout, otlploghttp.WithHeaders, otlploghttp.WithTLSClientConfig, otlploghttp.New,
	}.export(o)
	if err != nil {
		return nil, err
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
	exporter, err := otlpSignal[otlptracehttp.Option, *otlptrace.Exporter]{
		"/v1/traces", otlptracehttp.WithEndpointURL, otlptracehttp.WithTimeout, otlptracehttp.WithHeaders, otlptracehttp.WithTLSClientConfig, otlptracehttp.New,
	}.export(o)
	if err != nil {
		return nil, err
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
