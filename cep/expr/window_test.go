package expr

import (
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

// results feeds events to the collected aggregates as a window does: an
// argument that is an error leaves the event out, and so does a false
// condition of count.
func results(w *WindowAggs, events []*event.Event) []event.Value {
	out := make([]event.Value, len(w.List))
	for i, a := range w.List {
		var acc agg.Acc
		for _, ev := range events {
			f := &Frame{Event: ev}
			switch {
			case a.Arg == nil:
				acc.Add(a.Spec, event.Value{})
			case a.Spec.Func == agg.Count:
				if truth, _ := a.Arg.Holds(f); truth {
					acc.Add(a.Spec, event.Value{})
				}
			default:
				if v, ok := a.Arg.Eval(f); ok {
					acc.Add(a.Spec, v)
				}
			}
		}
		out[i], _ = acc.Result(a.Spec)
	}
	return out
}

func TestWindowValues(t *testing.T) {
	events := []*event.Event{
		pay(10, 110), pay(20, 220, event.StringOf("d1"), event.DecimalOf(10, 2)), pay(30, 330, event.StringOf("d2")),
	}
	for src, want := range map[string]event.Value{
		`count()`: event.IntOf(3), `sum(amount)`: event.DoubleOf(6.6), `sum(amount) / double(count())`: event.DoubleOf(2.2),
		`count(amount > 2)`: event.IntOf(2), `distinct(device_id)`: event.IntOf(2), `avg(amount * 2)`: event.DoubleOf(4.4),
		`max(time)`: event.TimestampOf(30 * second), `max(time) - min(time)`: event.DurationOf(20 * second),
		`percentile(amount, 0.5)`: event.DoubleOf(2.2), `first(status)`: event.StringOf("declined"), `last(items)`: event.IntOf(3),
		`sum(items)`: event.IntOf(9), `sum(fee)`: event.DoubleOf(0.1), `stddev(items)`: event.DoubleOf(0), `count(has(fee))`: event.IntOf(1),
		`double(count(amount > 2)) / double(count())`: event.DoubleOf(2.0 / 3), `count(fee > 0.05)`: event.IntOf(1),
	} {
		aggs := &WindowAggs{}
		p, errs := Compile(src, event.Invalid, &Scope{Event: payment, Window: aggs})
		if len(errs) > 0 {
			t.Errorf("%s: %v", src, errs)
			continue
		}
		got, ok := p.Eval(&Frame{Aggs: results(aggs, events)})
		if got.Type() == event.Double && want.Type() == event.Double {
			if d := got.Double() - want.Double(); d < 1e-9 && d > -1e-9 {
				continue
			}
		}
		if got != want || !ok {
			t.Errorf("%s: got %v, %v; want %v", src, got, ok, want)
		}
	}
}

func TestWindowAggregatesAreShared(t *testing.T) {
	aggs := &WindowAggs{}
	sc := &Scope{Event: payment, Window: aggs}
	for _, src := range []string{`count()`, `sum(amount)`, `sum(amount) > 5.0 * double(count())`, `count(amount > 5)`, `count( amount>5 )`} {
		if _, errs := Compile(src, event.Invalid, sc); len(errs) > 0 {
			t.Fatalf("%s: %v", src, errs)
		}
	}
	if len(aggs.List) != 3 {
		t.Errorf("got %d aggregates, want count(), sum(amount) and count(amount > 5)", len(aggs.List))
	}
	if a := aggs.List[1]; a.Spec != (agg.Spec{Func: agg.Sum, Type: event.Decimal, Scale: 2}) {
		t.Errorf("sum of a decimal field: got %+v, want an exact sum", a.Spec)
	}
}

func TestWindowOverSeveralStreams(t *testing.T) {
	aggs := &WindowAggs{}
	sc := &Scope{Streams: []*event.Schema{payment, refund}, Window: aggs}
	p, errs := Compile(`sum(refund.amount) > 0.2 * sum(payment.amount) && count() == 3`, event.Bool, sc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	back := &event.Event{Schema: refund, Time: 5, Values: []event.Value{event.DecimalOf(100, 2), event.StringOf("x")}}
	events := []*event.Event{pay(1, 200), back, pay(2, 250)}
	if truth, ok := p.Holds(&Frame{Aggs: results(aggs, events)}); !truth || !ok {
		t.Errorf("1.0 > 0.2 * 4.5: got %v, %v", truth, ok)
	}
}

func TestHavingSeesValues(t *testing.T) {
	sc := &Scope{At: true, Window: &WindowAggs{}, Event: payment, Values: []Named{{Name: "n", Type: event.Int}, {Name: "total", Type: event.Double}}}
	p, errs := Compile(`n >= 10 && total > 1000 && time > timestamp("1970-01-01T00:00:00Z") && count() > 3`, event.Bool, sc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	f := &Frame{Time: 5, Values: []event.Value{event.IntOf(10), event.DoubleOf(1000.5)}, Aggs: []event.Value{event.IntOf(4)}}
	if truth, ok := p.Holds(f); !truth || !ok {
		t.Errorf("got %v, %v", truth, ok)
	}
	f.Values[1] = event.Value{}
	if truth, ok := p.Holds(f); truth || ok {
		t.Errorf("a value in error: got %v, %v; want an error", truth, ok)
	}
}

func TestWindowErrors(t *testing.T) {
	for _, w := range []struct{ src, detail string }{
		{`^amount > 5.0`, "belongs to one event"},
		{`sum(^status) > 1`, "is of numbers; this is text"},
		{`^sum() > 1`, "takes one expression"},
		{`count(^amount) > 1`, "count() takes a condition"},
		{`percentile(amount, ^1) > 1.0`, "between 0 and 1"},
		{`percentile(amount, ^1.5) > 1.0`, "between 0 and 1"},
		{`sum(^avg(amount)) > 1.0`, "inside another aggregate"},
		{`sum(^amonut) > 1.0`, `"amonut"`},
		{`max(^tags) > 1`, "single value"},
		{`0.2 ^* max(items) > 1.0`, "max() is a whole number (int)"},
		{`^time > timestamp("2026-01-01T00:00:00Z")`, "no time here"},
	} {
		at := strings.Index(w.src, "^")
		_, errs := Compile(strings.Replace(w.src, "^", "", 1), event.Bool, &Scope{Event: payment, Window: &WindowAggs{}})
		if len(errs) == 0 || errs[0].Offset != at || !strings.Contains(errs[0].Detail, w.detail) {
			t.Errorf("%s: got %+v, want %q at %d", w.src, errs, w.detail, at)
		}
	}
	_, errs := Compile(`sum(amount) > 1.0`, event.Bool, &Scope{Streams: []*event.Schema{payment, refund}, Window: &WindowAggs{}})
	if len(errs) == 0 || !strings.Contains(errs[0].Hint, "payment.amount") {
		t.Errorf("a bare field with several streams: got %+v", errs)
	}
}

func TestMonotoneOverValues(t *testing.T) {
	values := []Named{{Name: "n", Type: event.Int, Grows: true}, {Name: "total", Type: event.Double}}
	for src, want := range map[string]bool{
		`n >= 10`: true, `n >= 10 && total > 1000`: false, `n < 10`: false, `distinct(status) > 2 && max(amount) > 3`: true, `sum(amount) > 3`: false,
	} {
		sc := &Scope{At: true, Window: &WindowAggs{}, Event: payment, Values: values}
		if p := mustCompile(t, src, event.Bool, sc); p.Monotone != want {
			t.Errorf("%s: got %v, want %v", src, p.Monotone, want)
		}
	}
	for src, want := range map[string]bool{`count()`: true, `max(amount)`: true, `sum(amount)`: false, `count() + 1`: false} {
		if p := mustCompile(t, src, event.Invalid, &Scope{Window: &WindowAggs{}, Event: payment}); p.Grows != want {
			t.Errorf("%s: grows %v, want %v", src, p.Grows, want)
		}
	}
}
