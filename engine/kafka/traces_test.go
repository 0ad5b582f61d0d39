package kafka

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// traced writes a record with a traceparent whose trace id ends in n; flags is
// 01 of a sampled one.
func (b *bench) traced(topic string, partition int32, value string, n int, flags string) {
	b.t.Helper()
	p, err := ck.NewProducer(b.cluster.clientConfig(nil))
	if err != nil {
		b.t.Fatal(err)
	}
	defer p.Close()
	m := record(topic, partition, []byte("k"), []byte(value), ck.Header{Key: "traceparent", Value: fmt.Appendf(nil, "00-%032x-00f067aa0ba902b7-%s", n, flags)})
	report := make(chan ck.Event, 1)
	if err := p.Produce(m, report); err != nil {
		b.t.Fatal(err)
	}
	<-report
}

// tracing starts an engine whose spans are kept.
func (b *bench) tracing() *tracetest.InMemoryExporter {
	kept := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept), sdktrace.WithSampler(
		sdktrace.ParentBased(sdktrace.NeverSample(), sdktrace.WithRemoteParentSampled(sdktrace.TraceIDRatioBased(1)))))
	b.start(EngineOptions{Keeper: forgetful{}, Tracer: provider.Tracer("test")})
	return kept
}

// names are the names of the spans of a trace, each after its parent's.
func names(spans tracetest.SpanStubs, trace int) string {
	want := fmt.Sprintf("%032x", trace)
	byID := map[string]string{}
	for _, s := range spans {
		byID[s.SpanContext.SpanID().String()] = s.Name
	}
	seen := map[string]bool{}
	var all []string
	for _, s := range spans {
		path := byID[s.Parent.SpanID().String()] + ">" + s.Name
		if s.SpanContext.TraceID().String() == want && !seen[path] {
			seen[path] = true
			all = append(all, path)
		}
	}
	return strings.Join(all, " ")
}

// A sampled record is followed to its alert, whose record goes on with the trace;
// one that is not sampled is not.
func TestTracesFromARecordToItsAlert(t *testing.T) {
	b := newBench(t)
	kept := b.tracing()
	b.traced("payments", 0, b.payment("c1", "declined", 0), 7, "01")
	b.traced("payments", 0, b.payment("c1", "declined", 1), 8, "00")
	b.traced("payments", 0, b.payment("c1", "declined", 2), 9, "01")
	b.traced("payments", 0, b.payment("other", "approved", 30), 10, "00")
	b.wantAlerts(1)
	b.until("the commit's span", func() bool { return strings.Contains(names(kept.GetSpans(), 9), "commit") })
	for trace, want := range map[int]string{7: ">receive", 8: "", 9: ">receive receive>match match>commit", 10: ""} {
		if got := names(kept.GetSpans(), trace); got != want {
			t.Errorf("trace %d has the spans %q, want %q", trace, got, want)
		}
	}
	m := b.committed(b.cluster.Topics().Alerts())[0]
	parent := headers(m)["traceparent"]
	for _, s := range kept.GetSpans() {
		if s.Name != "match" {
			continue
		}
		if want := fmt.Sprintf("00-%032x-%s-01", 9, s.SpanContext.SpanID()); parent != want {
			t.Errorf("the alert's traceparent is %q, want %q", parent, want)
		}
		if len(s.Links) != 1 || s.Links[0].SpanContext.TraceID().String() != fmt.Sprintf("%032x", 7) {
			t.Errorf("the alert links to %+v, want the trace of its first event", s.Links)
		}
	}
}

// A trace goes on through the keyed log.
func TestTracesThroughAKeyedLog(t *testing.T) {
	b := newRoutedBench(t)
	kept := b.tracing()
	b.write("logins", 0, b.login("c9", 0))
	b.write("payments", 0, b.payment("c9", "declined", 1))
	b.traced("payments", 0, b.payment("c9", "declined", 2), 11, "01")
	b.pass(60)
	b.until("the commit's span", func() bool { return strings.Contains(names(kept.GetSpans(), 11), "match>commit") })
	got := names(kept.GetSpans(), 11)
	for _, want := range []string{">route", "route>receive", "receive>match", "match>commit"} {
		if !strings.Contains(got, want) {
			t.Errorf("the trace has the spans %q, want %q", got, want)
		}
	}
}

// Without a tracer no header is read, and alerts have none.
func TestNoTracesWithoutATracer(t *testing.T) {
	b := newBench(t)
	b.put(rules.KindRule, "declined-once", strings.NewReplacer("failed", "declined-once", "{3}", "").Replace(ruleText))
	b.engine()
	b.traced("payments", 0, b.payment("c1", "declined", 0), 7, "01")
	b.traced("payments", 0, b.payment("other", "approved", 30), 10, "01")
	b.wantAlerts(1)
	if m := b.committed(b.cluster.Topics().Alerts())[0]; len(m.Headers) > 0 {
		t.Errorf("the alert has the headers %v", m.Headers)
	}
}
