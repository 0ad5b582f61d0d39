package match_test

import (
	"testing"

	"github.com/caltrop/caltrop/cep/match"
)

// Conditions of one text are evaluated once an event, whatever the number of
// rules, and each rule finds what it finds alone.
func TestSheetEvaluatesADistinctConditionOnce(t *testing.T) {
	alone := newRig(t, unary)
	sheet := match.NewSheet()
	rigs := make([]*rig, 20)
	for i := range rigs {
		rigs[i] = newRig(t, unary)
		rigs[i].eval.(match.Sharing).Share(rigs[i].schema, sheet)
	}
	const events = 60
	for i := range int64(events) {
		kind := string("aabc"[i%4])
		ev := alone.event(i, kind, 0)
		want := alone.show(ev)
		sheet.Begin(ev)
		for _, r := range rigs {
			ev.Schema = r.schema
			if got := r.show(ev); got != want {
				t.Fatalf("event %d: got %q, alone %q", i, got, want)
			}
		}
		sheet.End()
	}
	if n := sheet.Evaluations(); n == 0 || n > 2*events {
		t.Errorf("%d evaluations of 2 conditions over %d events", n, events)
	}
}
