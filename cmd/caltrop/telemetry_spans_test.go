package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	logspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A collector takes what is sent over OTLP.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	tokens map[string]string // by path
	spans  []string
	lines  []string
}

func newCollector(t *testing.T) *collector {
	c := &collector{tokens: map[string]string{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, _ := gzip.NewReader(bytes.NewReader(body))
			body, err = io.ReadAll(z)
		}
		if err != nil {
			t.Error(err)
		}
		c.take(t, r, body)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) take(t *testing.T, r *http.Request, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens[r.URL.Path] = r.Header.Get("Authorization")
	switch r.URL.Path {
	case "/v1/traces":
		var sent tracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &sent); err != nil {
			t.Error(err)
		}
		for _, resource := range sent.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				for _, s := range scope.Spans {
					c.spans = append(c.spans, fmt.Sprintf("%x %s", s.TraceId, s.Name))
				}
			}
		}
	case "/v1/logs":
		var sent logspb.ExportLogsServiceRequest
		if err := proto.Unmarshal(body, &sent); err != nil {
			t.Error(err)
		}
		for _, resource := range sent.ResourceLogs {
			for _, scope := range resource.ScopeLogs {
				for _, l := range scope.LogRecords {
					c.lines = append(c.lines, fmt.Sprintf("%s %s %v", l.SeverityText, l.Body.GetStringValue(), l.Attributes))
				}
			}
		}
	}
}

// Traces and log lines go to a collector, at the latest when the process ends;
// of the traces those that the producer sampled, of the lines those of the level.
// No secret is in them.
func TestTracesAndLogsGoToACollector(t *testing.T) {
	c := newCollector(t)
	conf, err := readConfig(writeConfig(t, fmt.Sprintf("kafka: {brokers: ['127.0.0.1:1']}\ndata: %q\nhttp: {address: '127.0.0.1:0'}\ntelemetry: {otlp: {endpoint: %q, every: 1h, traces: 1, logs: true, token: {file: %q}}}\n",
		t.TempDir(), c.URL, secretFile(t, canary))))
	if err != nil {
		t.Fatal(err)
	}
	var written bytes.Buffer
	n, err := newNode(conf, slog.New(slog.NewTextHandler(&written, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for id, flags := range map[int]string{1: "01", 2: "00"} {
		carrier := propagation.MapCarrier{"traceparent": fmt.Sprintf("00-%032x-00f067aa0ba902b7-%s", id, flags)}
		_, span := n.tracer.Start(propagation.TraceContext{}.Extract(t.Context(), carrier), "receive")
		span.End()
	}
	n.log.With("partition", 3).Warn("checkpoint not written", "error", "disk full")
	n.log.Debug("nobody asked for this")
	n.close()
	if want := []string{fmt.Sprintf("%032x receive", 1)}; fmt.Sprint(c.spans) != fmt.Sprint(want) {
		t.Errorf("the collector has the spans %v, want %v", c.spans, want)
	}
	lines := strings.Join(c.lines, "\n")
	if len(c.lines) != 1 || !strings.Contains(lines, "WARN checkpoint not written") || !strings.Contains(lines, "disk full") || !strings.Contains(lines, "partition") {
		t.Errorf("the collector has the lines %q", c.lines)
	}
	if !strings.Contains(written.String(), "checkpoint not written") {
		t.Errorf("standard error has %q", written.String())
	}
	if strings.Contains(lines+written.String(), canary) {
		t.Error("the token is in the log")
	}
	for _, path := range []string{"/v1/traces", "/v1/logs"} {
		if c.tokens[path] != "Bearer "+canary {
			t.Errorf("%s came with %q", path, c.tokens[path])
		}
	}
}

// Spans over the bound of the queue are dropped, and counted; ending one never
// waits for the collector.
func TestSpansOverTheQueueAreDropped(t *testing.T) {
	reader := sdk.NewManualReader()
	total, err := sdk.NewMeterProvider(sdk.WithReader(reader)).Meter("test").Int64Counter("caltrop_spans_total")
	if err != nil {
		t.Fatal(err)
	}
	s := &spans{queue: make(chan sdktrace.ReadOnlySpan, 1), total: total}
	context := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled})
	for range 3 {
		s.OnEnd(tracetest.SpanStub{SpanContext: context}.Snapshot())
	}
	var got metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	points := got.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64]).DataPoints
	if outcome, _ := points[0].Attributes.Value("outcome"); len(points) != 1 || points[0].Value != 2 || outcome.AsString() != "dropped" {
		t.Errorf("counted are %+v, want two dropped", points)
	}
}
