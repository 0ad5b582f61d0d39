package alert

import (
	"math"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

// The length is right for values of every type.
func TestBytes(t *testing.T) {
	nasty := strings.Repeat("\x01\xff\"", 30)
	values := []event.Value{{}, event.StringOf(nasty), event.IntOf(math.MinInt64), event.DoubleOf(-math.MaxFloat64), event.DoubleOf(-1.2345678901234567e-300),
		event.DoubleOf(-123456789012345678901), event.BoolOf(false), event.DecimalOf(math.MinInt64, 2), event.DecimalOf(-1, 18), event.TimestampOf(1),
		event.DurationOf(math.MinInt64), event.ListOf([]string{"", "", nasty, ""})}
	var fields []event.Field
	for i, v := range values {
		fields = append(fields, event.Field{Name: strings.Repeat("f", i+1), Type: v.Type()})
	}
	ev := &event.Event{Schema: event.NewSchema("offset", fields), Time: 1, ID: nasty, Partition: math.MinInt32, Offset: math.MinInt64, Values: values}
	for n := range 4 {
		a := &Alert{Version: math.MinInt, Status: Retracted, Rule: nasty, Revision: math.MinInt, Mode: "live", Severity: "critical", Score: math.MinInt,
			At: 1, FinalAfter: 1, DetectedAt: 1, Summary: nasty, Suppressed: math.MinInt, Truncated: true, Capped: true, Approx: true, KeyList: n > 1}
		for range n {
			a.Key = append(a.Key, values...)
			a.Measures = append(a.Measures, Measure{nasty, values[n]})
			a.Evidence = append(a.Evidence, Step{nasty, []*event.Event{ev, ev}})
			a.Lists = map[string]int{nasty: math.MinInt}
		}
		if got, want := a.bytes(), len(a.AppendJSON(nil)); got != want {
			t.Errorf("%d parts: %d bytes, want %d", n, got, want)
		}
	}
}
