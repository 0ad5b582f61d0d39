package expr

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

func mustCompile(t testing.TB, src string, want event.Type, sc *Scope) *Program {
	t.Helper()
	p, errs := Compile(src, want, sc)
	if len(errs) > 0 {
		t.Fatalf("%s: %v", src, errs)
	}
	return p
}

func TestReads(t *testing.T) {
	amount := map[string]bool{"amount": true}
	for src, want := range map[string]Reads{
		`amount < 5`:                              {Event: true},
		`time > hit.time`:                         {Event: true, Steps: map[int]bool{0: true}},
		`count(probe) > 1`:                        {Steps: map[int]bool{1: true}},
		`avg(probe.amount) > hit.amount`:          {Steps: map[int]bool{0: true, 1: true}, Past: amount},
		`prev.amount > 1`:                         {Prev: true, Past: amount},
		`has(prev) && has(fee)`:                   {Prev: true, Event: true},
		`has(probe)`:                              {Steps: map[int]bool{1: true}},
		`has(hit.fee)`:                            {Steps: map[int]bool{0: true}, Past: map[string]bool{"fee": true}},
		`true`:                                    {},
		`probe.amount.exists(x, x > amount)`:      {Event: true, Steps: map[int]bool{1: true}, Past: amount},
		`probe.amount.exists(amount, amount > 1)`: {Steps: map[int]bool{1: true}, Past: amount},
	} {
		if p := mustCompile(t, src, event.Bool, where()); !reflect.DeepEqual(p.Reads, want) {
			t.Errorf("%s: got %+v, want %+v", src, p.Reads, want)
		}
	}
}

func TestAggregatesGetSlots(t *testing.T) {
	sc := where()
	sc.Aggs = &Aggs{}
	mustCompile(t, `amount > 5 * avg(probe.amount) && avg(probe.amount) > 1 && count(probe) > 2`, event.Bool, sc)
	mustCompile(t, `count(probe) + distinct(probe.device_id) > 3 && max(probe.time) < time`, event.Bool, sc)
	want := []Agg{
		{Step: 1, Field: 0, Spec: agg.Spec{Func: agg.Avg, Type: event.Decimal, Scale: 2}},
		{Step: 1, Field: -1, Spec: agg.Spec{Func: agg.Count}},
		{Step: 1, Field: 7, Spec: agg.Spec{Func: agg.Distinct, Type: event.String}},
		{Step: 1, Field: -1, Time: true, Spec: agg.Spec{Func: agg.Max, Type: event.Timestamp}},
	}
	if !reflect.DeepEqual(sc.Aggs.List, want) {
		t.Errorf("got %+v, want %+v", sc.Aggs.List, want)
	}
}

// slotted answers aggregates from accumulators, as the matcher does.
type slotted struct {
	steps
	aggs *Aggs
}

func (s slotted) Agg(slot int) (event.Value, bool) {
	a := s.aggs.List[slot]
	var acc agg.Acc
	for _, ev := range s.steps[a.Step] {
		switch {
		case a.Time:
			acc.Add(a.Spec, event.TimestampOf(ev.Time))
		case a.Field < 0:
			acc.Add(a.Spec, event.Value{})
		case ev.Values[a.Field].Present():
			acc.Add(a.Spec, ev.Values[a.Field])
		}
	}
	return acc.Result(a.Spec)
}

func TestSlotsAgreeWithLists(t *testing.T) {
	for _, fn := range []string{"count", "sum", "avg", "min", "max", "stddev", "distinct", "first", "last"} {
		for _, field := range []string{"amount", "rate", "items", "status", "card_present", "opened", "device_id", "fee", "time"} {
			for _, step := range []string{"probe", "none"} {
				src := fmt.Sprintf("%s(%s.%s)", fn, step, field)
				naive, errs := Compile(src, event.Invalid, where())
				sc := where()
				sc.Aggs = &Aggs{}
				kept, errs2 := Compile(src, event.Invalid, sc)
				if (len(errs) > 0) != (len(errs2) > 0) {
					t.Errorf("%s: one of them compiles: %v, %v", src, errs, errs2)
				}
				if len(errs) > 0 {
					continue
				}
				f := whereFrame()
				want, ok := naive.Eval(f)
				f.Match = slotted{f.Match.(steps), sc.Aggs}
				if got, ok2 := kept.Eval(f); got != want || ok != ok2 {
					t.Errorf("%s: got %v, %v; from lists %v, %v", src, got, ok2, want, ok)
				}
			}
		}
	}
}

func TestConst(t *testing.T) {
	truth := func(b bool) *bool { return &b }
	for src, want := range map[string]*bool{
		"true": truth(true), "1 < 2": truth(true), "amount > 1 && false": truth(false), "amount > 1 || true": truth(true),
		"amount > 1": nil, "1 / 0 == 1": nil, `"a" in ["a", "b"]`: truth(true), `duration("1m") > duration("1h")`: truth(false),
		"true ? false : amount > 1": truth(false), "amount > 1 && true": nil,
	} {
		p := mustCompile(t, src, event.Bool, where())
		if (p.Const == nil) != (want == nil) || want != nil && *p.Const != *want {
			t.Errorf("%s: got %v, want %v", src, p.Const, want)
		}
	}
}

func TestMonotone(t *testing.T) {
	for src, want := range map[string]bool{
		`amount > 5`: true, `count(probe) >= 3`: true, `3 <= count(probe) && amount > hit.amount`: true,
		`max(probe.amount) > 5 || distinct(probe.status) > 1`: true, `count(probe) < 3`: false, `avg(probe.amount) > 3`: false,
		`!(count(probe) > 3)`: false, `count(probe) == 3`: false, `amount > 5 * avg(probe.amount)`: false,
		`probe.amount.size() > 3`: false, `!has(probe)`: false, `count(probe) > count(none)`: false, `sum(probe.amount) > 5`: false,
	} {
		if p := mustCompile(t, src, event.Bool, where()); p.Monotone != want {
			t.Errorf("%s: got %v, want %v", src, p.Monotone, want)
		}
	}
}

func TestFilter(t *testing.T) {
	f := whereFrame()
	for src, want := range map[string]string{
		`amount > 5 && amount > hit.amount && status == "x"`:        `amount > 5 && status == "x"`,
		`amount > hit.amount`:                                       ``,
		`amount > 5 || amount > hit.amount`:                         ``,
		`amount > 5`:                                                `amount > 5`,
		`has(fee) && tags.exists(x, x == "cnp") && prev.amount > 1`: `has(fee) && tags.exists(x, x == "cnp")`,
	} {
		p := mustCompile(t, src, event.Bool, where())
		if (p.Filter == nil) != (want == "") {
			t.Errorf("%s: filter %v, want %q", src, p.Filter, want)
			continue
		}
		if want == "" {
			continue
		}
		a, aok := p.Filter.Holds(f)
		b, bok := mustCompile(t, want, event.Bool, where()).Holds(f)
		if a != b || aok != bok || p.Filter.Reads.Steps != nil {
			t.Errorf("%s: filter gives %v, %v; %s gives %v, %v", src, a, aok, want, b, bok)
		}
	}
}

func TestWantedTypes(t *testing.T) {
	for _, w := range []struct {
		src  string
		want event.Type
		typ  event.Type // Invalid: refused
	}{
		{`items`, event.Invalid, event.Int}, {`amount`, event.Invalid, event.Double}, {`3`, event.Double, event.Double},
		{`items`, event.Double, event.Invalid}, {`tags`, event.Invalid, event.Invalid}, {`time`, event.Timestamp, event.Timestamp},
		{`time - opened`, event.Invalid, event.Duration}, {`status`, event.Invalid, event.String}, {`2u`, event.Invalid, event.Invalid},
		{`amount > 1`, event.Double, event.Invalid}, {`card_present`, event.Invalid, event.Bool},
	} {
		p, errs := Compile(w.src, w.want, where())
		switch {
		case w.typ == event.Invalid && len(errs) == 0:
			t.Errorf("%s as %d: compiled", w.src, w.want)
		case w.typ != event.Invalid && (len(errs) > 0 || p.Type != w.typ):
			t.Errorf("%s as %d: got %v, %v", w.src, w.want, p, errs)
		}
	}
}

func TestCostCountsListsByScope(t *testing.T) {
	sc := where()
	src := `probe.status.exists(x, x == status)`
	if _, errs := Compile(src, event.Bool, sc); len(errs) > 0 {
		t.Errorf("lists of 10: %v", errs)
	}
	sc.CostLists = 0
	if _, errs := Compile(src, event.Bool, sc); len(errs) == 0 {
		t.Error("lists of 1000 and texts of 1 KiB: compiled")
	}
}

const hot = `amount < 5 && status == "declined"`

func TestHotPathAllocatesNothing(t *testing.T) {
	f := whereFrame()
	f.Event = pay(1, 300)
	for _, src := range []string{
		hot, `amount > 5 * avg(probe.amount) - rate`, `items + 1 > 3 && has(device_id) || card_present`,
		`status in ["a", "declined"]`, `time - opened > duration("1m")`, `status.matches("^dec")`, `hit.amount < amount || prev.amount > 1`,
		`probe.amount.exists(x, x > 100)`, `geo.km(lat, lon, 0, 0) > 1`,
	} {
		sc := where()
		sc.Aggs = &Aggs{}
		f.Match = constant1{whereFrame().Match.(steps)}
		p := mustCompile(t, src, event.Bool, sc)
		if n := testing.AllocsPerRun(100, func() { p.Holds(f) }); n != 0 {
			t.Errorf("%s: %v allocations", src, n)
		}
	}
}

// constant1 answers every aggregate with 1.
type constant1 struct{ steps }

func (constant1) Agg(int) (event.Value, bool) { return event.DoubleOf(1), true }

func BenchmarkHolds(b *testing.B) {
	f := whereFrame()
	f.Event = pay(1, 300)
	p := mustCompile(b, hot, event.Bool, where())
	b.ReportAllocs()
	for b.Loop() {
		if truth, _ := p.Holds(f); !truth {
			b.Fatal("false")
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	sc := where()
	b.ReportAllocs()
	for b.Loop() {
		if _, errs := Compile(`amount > 500 && amount > 5 * avg(probe.amount)`, event.Bool, sc); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}
