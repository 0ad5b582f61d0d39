package kafka

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/rules"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// A meter collects what an engine measures.
type meter struct {
	t      *testing.T
	reader *sdk.ManualReader
	*Metrics
}

func newMeter(t *testing.T) *meter {
	t.Helper()
	m := &meter{t: t, reader: sdk.NewManualReader()}
	var err error
	if m.Metrics, err = NewMetrics(sdk.NewMeterProvider(sdk.WithReader(m.reader)).Meter("test")); err != nil {
		t.Fatal(err)
	}
	return m
}

// sum adds a metric up over the labels that are asked for; a histogram's is how
// often something was measured. False: nothing was.
func (m *meter) sum(name string, labels ...attribute.KeyValue) (total float64, found bool) {
	m.t.Helper()
	var all metricdata.ResourceMetrics
	if err := m.reader.Collect(m.t.Context(), &all); err != nil {
		m.t.Fatal(err)
	}
	add := func(set attribute.Set, v float64) {
		for _, l := range labels {
			if got, _ := set.Value(l.Key); got != l.Value {
				return
			}
		}
		total, found = total+v, true
	}
	for _, scope := range all.ScopeMetrics {
		for _, x := range scope.Metrics {
			if x.Name != name {
				continue
			}
			switch data := x.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Count))
				}
			}
		}
	}
	return total, found
}

// TestIndicatorsTellAShadowApart runs a rule live and a changed one of its name on
// trial: each has its own numbers.
func TestIndicatorsTellAShadowApart(t *testing.T) {
	b := newBench(t)
	m := newMeter(t)
	trial := strings.Replace(ruleText, "{3}", "{2}", 1)
	if _, _, err := b.rules.Put(testContext(t), rules.Change{Kind: rules.KindRule, Name: "failed", Text: []byte(trial), State: rules.Shadow}); err != nil || trial == ruleText {
		t.Fatal(trial, err)
	}
	e, _ := b.start(EngineOptions{Keeper: forgetful{}, Metrics: m.Metrics})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	b.produce(b.payment("c1", "declined", 0), b.payment("c1", "declined", 1), b.payment("c2", "approved", 60))
	for mode, alerts := range map[string]float64{"live": 0, "shadow": 1} {
		labels := []attribute.KeyValue{attribute.String("rule", "failed"), attribute.String("mode", mode)}
		b.until("two events in mode "+mode, func() bool {
			events, _ := m.sum("caltrop_rule_events_total", labels...)
			return events == 2
		})
		if got, _ := m.sum("caltrop_rule_alerts_total", labels...); got != alerts {
			t.Errorf("%g alerts in mode %s, want %g", got, mode, alerts)
		}
	}
}

func TestIndicatorsFollowATask(t *testing.T) {
	b := newBench(t)
	m := newMeter(t)
	e, stop := b.start(EngineOptions{Keeper: forgetful{}, Metrics: m.Metrics})
	if err := m.Observe(e.Status); err != nil {
		t.Fatal(err)
	}
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	b.produce(append(b.fails("c1", 0), "{", b.payment("c1", "declined", 0))...)
	b.wantAlerts(1)
	stream, rule := attribute.String("stream", "payment"), attribute.String("rule", "failed")
	want := []struct {
		name   string
		labels []attribute.KeyValue
		value  float64
	}{
		{"caltrop_records_total", []attribute.KeyValue{stream, attribute.String("outcome", "accepted")}, 4},
		{"caltrop_records_total", []attribute.KeyValue{stream, attribute.String("outcome", "dead")}, 1},
		{"caltrop_records_total", []attribute.KeyValue{stream, attribute.String("outcome", "late")}, 1},
		{"caltrop_rule_alerts_total", []attribute.KeyValue{rule}, 1},
		{"caltrop_rule_events_total", []attribute.KeyValue{rule}, 3},
		{"caltrop_alert_seconds", []attribute.KeyValue{stream}, 1},
		{"caltrop_lag_records", []attribute.KeyValue{stream}, 0},
		{"caltrop_task_up", []attribute.KeyValue{stream}, 2},
	}
	for _, w := range want {
		b.until(fmt.Sprintf("%s%v = %g", w.name, w.labels, w.value), func() bool {
			got, found := m.sum(w.name, w.labels...)
			return found && got == w.value
		})
	}
	for _, name := range []string{"caltrop_watermark_lag_seconds", "caltrop_checkpoint_age_seconds"} {
		if got, found := m.sum(name, stream); !found || got <= 0 {
			t.Errorf("%s is %g, %v", name, got, found)
		}
	}
	stop()
	if n, _ := m.sum("caltrop_checkpoint_seconds"); n != 2 {
		t.Errorf("%g checkpoints are measured, want the final ones of two tasks", n)
	}
	// What is repeated after a restart was counted before.
	e, _ = b.start(EngineOptions{Keeper: forgetful{}, Metrics: m.Metrics})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	b.produce(b.fails("c2", 100)...)
	b.wantAlerts(2)
	for _, w := range want[:5] {
		value := w.value
		switch {
		case w.name == "caltrop_records_total" && w.labels[1].Value.AsString() == "accepted":
			value += 4
		case w.name == "caltrop_rule_alerts_total":
			value += 1
		case w.name == "caltrop_rule_events_total":
			value += 3 // an event that no condition takes is not shown
		}
		b.until(fmt.Sprintf("after a restart %s%v = %g", w.name, w.labels, value), func() bool {
			got, _ := m.sum(w.name, w.labels...)
			return got == value
		})
	}
}
