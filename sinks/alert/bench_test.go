package alert_test

import (
	"fmt"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/sinks/alert"
)

// BenchmarkAlert takes an alert of a hundred events from its match to a record.
func BenchmarkAlert(b *testing.B) {
	schema := event.NewSchema("payment", []event.Field{{Name: "card_id", Type: event.String}, {Name: "amount", Type: event.Decimal, Scale: 2},
		{Name: "status", Type: event.String}, {Name: "merchant_id", Type: event.String}})
	const start = 1_700_000_000_000_000
	events := make([]*event.Event, 100)
	for i := range events {
		events[i] = &event.Event{Schema: schema, Time: start + int64(i), ID: fmt.Sprintf("payments/3/%d", 1_000_000+i), Partition: 3, Offset: 1_000_000 + int64(i),
			Values: []event.Value{event.StringOf("c261"), event.DecimalOf(194_555, 2), event.StringOf("declined"), event.StringOf("m814")}}
	}
	of := alert.Alert{Version: 1, Status: alert.Raised, Rule: "velocity", Revision: 1, Mode: "live", Key: []event.Value{event.StringOf("c261")},
		Severity: "high", At: start, FinalAfter: start, DetectedAt: start, Evidence: []alert.Step{{Name: "window", Events: events}}}
	b.Run("fit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			a := of
			a.Fit(alert.BytesMax)
		}
	})
	b.Run("record", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = of.AppendRecord(buf[:0])
		}
		b.SetBytes(int64(len(buf)))
	})
}
