package kafka

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const (
	headerTrace  = "traceparent"    // of a source record, and of an alert
	headerTraces = "caltrop-traces" // of a frame: a line of offset and traceparent for each traced event

	tracedMax      = 4096 // records that a task remembers until alerts come of them; the oldest are forgotten
	frameTracedMax = 64   // records named in the header of a frame
	linksMax       = 8    // further records that an alert's span links to
)

// traces follow the records of one task that are sampled from their headers to
// their alerts. What they remember is lost with the tenure and changes nothing. A
// nil *traces follows none. One goroutine owns it.
type traces struct {
	tracer  trace.Tracer
	metrics *Metrics
	known   map[origin]traced
	order   [tracedMax]origin // of known, a ring
	next    int               // in order

	at      traced         // the record at hand
	raised  []trace.Span   // of the alerts of one call, nil where an alert is not traced
	open    []trace.Span   // of alerts that are not committed
	routing []tracedSource // records in frames that are open
}

// An origin is where a source record stands.
type origin struct {
	stream    string
	partition int32
	offset    int64
}

// A traced record has a span; the zero traced has none.
type traced struct {
	span trace.SpanContext
	read time.Time
}

// A tracedSource is a record whose event waits in a frame.
type tracedSource struct {
	offset int64
	span   trace.Span
}

func newTraces(o *EngineOptions) *traces {
	if o.Tracer == nil {
		return nil
	}
	return &traces{tracer: o.Tracer, metrics: o.Metrics, known: map[origin]traced{}}
}

// header is the header that the records of a task's input are read with.
func (t *traces) header(id TaskID) string {
	switch {
	case t == nil:
		return ""
	case rules.IsKeyed(id.Input):
		return headerTraces
	}
	return headerTrace
}

// start begins a span under the one that a traceparent names; nil where that is
// not sampled.
func (t *traces) start(parent []byte, name string, at time.Time, of origin) trace.Span {
	if len(parent) == 0 || !odd(parent[len(parent)-1]) { // the last bit says whether it is sampled
		return nil
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{headerTrace: string(parent)})
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return nil
	}
	_, span := t.tracer.Start(ctx, name, trace.WithTimestamp(at), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("caltrop.stream", of.stream), attribute.Int64("messaging.kafka.offset", of.offset),
		attribute.String("messaging.destination.partition.id", strconv.Itoa(int(of.partition)))))
	if !span.SpanContext().IsSampled() {
		return nil
	}
	return span
}

// odd tells whether a hexadecimal digit is.
func odd(digit byte) bool {
	n, err := strconv.ParseUint(string(digit), 16, 8)
	return err == nil && n%2 == 1
}

func headerOf(m *ck.Message, name string) []byte {
	for i := range m.Headers {
		if m.Headers[i].Key == name {
			return m.Headers[i].Value
		}
	}
	return nil
}

// receive takes note of a record that a task is about to match, or of those in
// its frame.
func (t *traces) receive(id TaskID, m *ck.Message, f *task.Frame, now time.Time) {
	if t == nil {
		return
	}
	t.at = traced{}
	if f == nil {
		t.remember(headerOf(m, headerTrace), origin{id.Input, id.Partition, int64(m.TopicPartition.Offset)}, now)
		return
	}
	for line := range bytes.Lines(headerOf(m, headerTraces)) {
		number, parent, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		offset, err := strconv.ParseInt(string(number), 10, 64)
		if _, in := slices.BinarySearchFunc(f.Events, offset, func(ev *event.Event, o int64) int { return int(ev.Offset - o) }); err == nil && in {
			t.remember(parent, origin{f.Source.Stream, f.Source.Partition, offset}, now)
		}
	}
}

func (t *traces) remember(parent []byte, at origin, now time.Time) {
	span := t.start(parent, "receive", now, at)
	if span == nil {
		return
	}
	span.End()
	t.at = traced{span.SpanContext(), now}
	if _, had := t.known[t.order[t.next]]; had {
		delete(t.known, t.order[t.next])
		t.metrics.forgot()
	}
	t.order[t.next] = at
	t.next = (t.next + 1) % tracedMax
	t.known[at] = t.at
}

// match makes the spans of alerts: each under the last traced record of its
// evidence, else under the record that let it be raised.
func (t *traces) match(alerts []alert.Alert, now time.Time) {
	if t == nil {
		return
	}
	t.raised = t.raised[:0]
	for i := range alerts {
		t.raised = append(t.raised, t.alert(&alerts[i], now))
	}
}

func (t *traces) alert(a *alert.Alert, now time.Time) trace.Span {
	of, links := t.evidence(a)
	if !of.span.IsValid() {
		return nil
	}
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), of.span)
	_, span := t.tracer.Start(ctx, "match", trace.WithTimestamp(of.read), trace.WithLinks(links...), trace.WithAttributes(
		attribute.String("caltrop.rule", a.Rule), attribute.Int("caltrop.rule.revision", a.Revision),
		attribute.String("caltrop.alert.id", a.ID.String()), attribute.Int("caltrop.alert.version", int(a.Version))))
	span.End(trace.WithTimestamp(now))
	if len(t.open) < latestMax {
		t.open = append(t.open, span)
	}
	return span
}

// evidence returns the last traced record of an alert, and links to others.
func (t *traces) evidence(a *alert.Alert) (last traced, links []trace.Link) {
	if len(t.known) == 0 {
		return t.at, nil
	}
	for _, step := range a.Evidence {
		for _, ev := range step.Events {
			found := t.known[origin{ev.Schema.Stream, ev.Partition, ev.Offset}]
			if !found.span.IsValid() {
				continue
			}
			if last.span.IsValid() && len(links) < linksMax {
				links = append(links, trace.Link{SpanContext: last.span})
			}
			last = found
		}
	}
	if !last.span.IsValid() {
		return t.at, nil
	}
	return last, links
}

// headers returns those of the alert i of the last match.
func (t *traces) headers(i int) []ck.Header {
	if t == nil || i >= len(t.raised) || t.raised[i] == nil {
		return nil
	}
	return []ck.Header{{Key: headerTrace, Value: parentOf(t.raised[i])}}
}

// parentOf names a span for what comes of it.
func parentOf(span trace.Span) []byte {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpan(context.Background(), span), carrier)
	return []byte(carrier[headerTrace])
}

// committed makes the spans of the transaction that made alerts visible.
func (t *traces) committed(opened, now time.Time) {
	if t == nil {
		return
	}
	for _, span := range t.open {
		_, commit := t.tracer.Start(trace.ContextWithSpan(context.Background(), span), "commit", trace.WithTimestamp(opened))
		commit.End(trace.WithTimestamp(now))
	}
	t.open = t.open[:0]
}

// route takes note of a record that is about to be routed.
func (t *traces) route(id TaskID, m *ck.Message, now time.Time) {
	if t == nil {
		return
	}
	stream, _ := id.routed()
	at := origin{stream, id.Partition, int64(m.TopicPartition.Offset)}
	span := t.start(headerOf(m, headerTrace), "route", now, at)
	switch {
	case span == nil:
	case len(t.routing) == frameTracedMax:
		span.End()
		t.metrics.forgot()
	default:
		t.routing = append(t.routing, tracedSource{at.offset, span})
	}
}

// frameHeaders names the traced records that the frames written now may hold.
func (t *traces) frameHeaders() []ck.Header {
	if t == nil || len(t.routing) == 0 {
		return nil
	}
	var lines []byte
	for _, r := range t.routing {
		lines = append(strconv.AppendInt(lines, r.offset, 10), ' ')
		lines = append(append(lines, parentOf(r.span)...), '\n')
	}
	return []ck.Header{{Key: headerTraces, Value: lines}}
}

// routed ends the spans of records whose frames are written.
func (t *traces) routed(now time.Time) {
	if t == nil {
		return
	}
	for _, r := range t.routing {
		r.span.End(trace.WithTimestamp(now))
	}
	t.routing = t.routing[:0]
}
