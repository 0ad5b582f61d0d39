package agg

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

var (
	allFuncs = []Func{Count, Sum, Avg, Min, Max, Stddev, Distinct, First, Last, Percentile}
	allTypes = []event.Type{event.String, event.Int, event.Double, event.Bool, event.Timestamp, event.Decimal, event.Duration}
)

// takes reports whether the aggregate makes sense for the type.
func takes(f Func, t event.Type) bool {
	number := t == event.Int || t == event.Double || t == event.Decimal
	switch f {
	case Sum, Avg, Stddev, Percentile:
		return number
	case Min, Max:
		return t != event.Bool
	}
	return true
}

// specs calls f with every aggregate of every type.
func specs(f func(Spec)) {
	for _, fn := range allFuncs {
		for _, t := range allTypes {
			if takes(fn, t) {
				f(Spec{Func: fn, Type: t, Scale: scale(t), P: 0.9})
			}
		}
	}
}

func scale(t event.Type) uint8 {
	if t == event.Decimal {
		return 2
	}
	return 0
}

func random(r *rand.Rand, t event.Type) event.Value {
	n := r.Int64N(200) - 100
	if r.IntN(20) == 0 {
		n = r.Int64() - r.Int64()
	}
	switch t {
	case event.String:
		return event.StringOf(fmt.Sprint("s", n))
	case event.Double:
		return event.DoubleOf(float64(n) / 7)
	case event.Bool:
		return event.BoolOf(n > 0)
	case event.Timestamp:
		return event.TimestampOf(n)
	case event.Decimal:
		return event.DecimalOf(n, 2)
	case event.Duration:
		return event.DurationOf(n)
	}
	return event.IntOf(n)
}

func randoms(r *rand.Rand, t event.Type, most int) []event.Value {
	values := make([]event.Value, r.IntN(most+1))
	for i := range values {
		values[i] = random(r, t)
	}
	return values
}

func of(s Spec, values []event.Value) *Acc {
	var a Acc
	for _, v := range values {
		a.Add(s, v)
	}
	return &a
}

// near compares results; doubles may differ by rounding.
func near(a, b event.Value) bool {
	if a.Type() == event.Double && b.Type() == event.Double {
		x, y := a.Double(), b.Double()
		return x == y || math.Abs(x-y) <= 1e-9*(math.Abs(x)+math.Abs(y))+1e-9
	}
	return a == b
}

// naive computes an aggregate from all its values at once.
func naive(s Spec, values []event.Value) (event.Value, bool) {
	n := len(values)
	switch {
	case s.Func == Count:
		return event.IntOf(int64(n)), true
	case s.Func == Sum && s.Type == event.Int:
		sum := naiveSum(s, values).Num()
		return event.IntOf(sum.Int64()), sum.IsInt64()
	case s.Func == Sum:
		return double(naiveSum(s, values)), true
	case n == 0:
		return event.Value{}, false
	case s.Func == Distinct:
		seen := make(map[event.Value]bool)
		for _, v := range values {
			seen[v] = true
		}
		return event.IntOf(int64(len(seen))), true
	}
	sorted := slices.Clone(values)
	sort.SliceStable(sorted, func(i, j int) bool { return less(sorted[i], sorted[j]) })
	pick := map[Func]event.Value{
		First: values[0], Last: values[n-1], Min: sorted[0], Max: sorted[n-1],
		Percentile: sorted[nearest(s.P, n)],
	}
	if v, ok := pick[s.Func]; ok {
		if s.Type == event.Decimal {
			v = event.DoubleOf(v.Double())
		}
		return v, true
	}
	mean := naiveSum(s, values)
	mean.Quo(mean, new(big.Rat).SetInt64(int64(n)))
	if s.Func == Avg {
		return double(mean), true
	}
	variance := new(big.Rat)
	for _, v := range values {
		d := new(big.Rat).Sub(rat(s, v), mean)
		variance.Add(variance, d.Mul(d, d))
	}
	x, _ := variance.Quo(variance, new(big.Rat).SetInt64(int64(n))).Float64()
	return event.DoubleOf(math.Sqrt(x)), true
}

func less(a, b event.Value) bool {
	switch a.Type() {
	case event.String:
		return a.Str() < b.Str()
	case event.Double:
		return a.Double() < b.Double()
	}
	return a.Int() < b.Int()
}

func rat(s Spec, v event.Value) *big.Rat {
	switch s.Type {
	case event.Double:
		return new(big.Rat).SetFloat64(v.Double())
	case event.Decimal:
		return big.NewRat(v.Int(), 100)
	}
	return new(big.Rat).SetInt64(v.Int())
}

func naiveSum(s Spec, values []event.Value) *big.Rat {
	sum := new(big.Rat)
	for _, v := range values {
		sum.Add(sum, rat(s, v))
	}
	return sum
}

func double(r *big.Rat) event.Value {
	f, _ := r.Float64()
	return event.DoubleOf(f)
}

func TestResultIsTheAggregate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	specs(func(s Spec) {
		for range 50 {
			values := randoms(r, s.Type, 40)
			got, ok := of(s, values).Result(s)
			want, wok := naive(s, values)
			if ok != wok || ok && !near(got, want) {
				t.Fatalf("%+v of %v: got %v, %v; want %v, %v", s, values, got, ok, want, wok)
			}
		}
	})
}

func TestDecodeReadsWhatAppendToWrote(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	specs(func(s Spec) {
		for range 20 {
			values := randoms(r, s.Type, 40)
			a := of(s, values)
			buf := append(a.AppendTo([]byte("head"), s), "rest"...)
			var b Acc
			rest, err := b.Decode(buf[len("head"):], s)
			if err != nil || string(rest) != "rest" {
				t.Fatalf("%+v of %v: rest %q, %v", s, values, rest, err)
			}
			if again := b.AppendTo([]byte("head"), s); string(again)+"rest" != string(buf) {
				t.Fatalf("%+v of %v: encoded again as %x, was %x", s, values, again, buf)
			}
			more := random(r, s.Type)
			a.Add(s, more)
			b.Add(s, more)
			x, _ := a.Result(s)
			if y, _ := b.Result(s); x != y {
				t.Fatalf("%+v of %v then %v: decoded gives %v, want %v", s, values, more, y, x)
			}
		}
	})
}

func TestMergeIsTheAggregateOfBoth(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	specs(func(s Spec) {
		for range 50 {
			x, y := randoms(r, s.Type, 20), randoms(r, s.Type, 20)
			a, b := of(s, x), of(s, y)
			before := b.AppendTo(nil, s)
			if err := a.Merge(s, b); err != nil {
				t.Fatal(err)
			}
			got, ok := a.Result(s)
			want, wok := naive(s, append(slices.Clone(x), y...))
			if ok != wok || ok && !near(got, want) {
				t.Fatalf("%+v of %v and %v: got %v, %v; want %v, %v", s, x, y, got, ok, want, wok)
			}
			a.Add(s, random(r, s.Type))
			if string(b.AppendTo(nil, s)) != string(before) {
				t.Fatalf("%+v: merging changed what was merged", s)
			}
		}
	})
}

func TestCloneIsIndependent(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	specs(func(s Spec) {
		a := of(s, randoms(r, s.Type, 40))
		a.Add(s, random(r, s.Type))
		before := a.AppendTo(nil, s)
		c := a.Clone()
		for range 20 {
			c.Add(s, random(r, s.Type))
		}
		if string(a.AppendTo(nil, s)) != string(before) {
			t.Errorf("%+v: adding to a clone changed the original", s)
		}
	})
}

func TestSumsDoNotDependOnOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	specs(func(s Spec) {
		if s.Func == First || s.Func == Last {
			return
		}
		values := randoms(r, s.Type, 200)
		want, _ := of(s, values).Result(s)
		for range 20 {
			r.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
			if got, _ := of(s, values).Result(s); got != want {
				t.Errorf("%+v: got %v and %v in two orders", s, got, want)
			}
		}
	})
}

func TestRemoveLeavesTheOthers(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	specs(func(s Spec) {
		if !s.Func.Removable() {
			return
		}
		for range 50 {
			values := randoms(r, s.Type, 40)
			a, n := of(s, values), r.IntN(len(values)+1)
			for _, v := range values[:n] {
				a.Remove(s, v)
			}
			if got, want := a.AppendTo(nil, s), of(s, values[n:]).AppendTo(nil, s); string(got) != string(want) {
				t.Fatalf("%+v of %v without the first %d: encoded as %x, want %x", s, values, n, got, want)
			}
		}
	})
}

// extremes are doubles far apart, and what is no number.
var extremes = []float64{0, 1, -1, 0.1, -0.1, 1e16, -1e16, 5e-324, -5e-324, 2.3e-308, math.MaxFloat64, -math.MaxFloat64, 1e-150, 3e150, math.Pi}

func TestSumsOfDoublesAreRoundedOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	s := Spec{Func: Sum, Type: event.Double}
	for range 5000 {
		var values []event.Value
		for range r.IntN(12) {
			x := extremes[r.IntN(len(extremes))]
			if r.IntN(2) == 0 {
				x = math.Float64frombits(r.Uint64())
			}
			if x == x && !math.IsInf(x, 0) {
				values = append(values, event.DoubleOf(x))
			}
		}
		got, _ := of(s, values).Result(s)
		if want, _ := naiveSum(s, values).Float64(); got.Double() != want {
			t.Fatalf("sum of %v: got %v, want %v", values, got.Double(), want)
		}
	}
}

func TestWhatIsNoNumberCanLeaveASum(t *testing.T) {
	s := Spec{Func: Sum, Type: event.Double}
	inf, minus, nan := event.DoubleOf(math.Inf(1)), event.DoubleOf(math.Inf(-1)), event.DoubleOf(math.NaN())
	a := of(s, []event.Value{event.DoubleOf(2), inf, nan})
	steps := []struct {
		add, remove event.Value
		want        string
	}{{minus, nan, "NaN"}, {nan, nan, "NaN"}, {inf, minus, "+Inf"}, {event.DoubleOf(1), inf, "+Inf"}, {event.DoubleOf(1), inf, "4"}}
	for i, step := range steps {
		a.Add(s, step.add)
		a.Remove(s, step.remove)
		if v, _ := a.Result(s); fmt.Sprint(v.Double()) != step.want {
			t.Errorf("step %d: got %v, want %s", i, v.Double(), step.want)
		}
	}
}

func TestIntSumOutOfRangeIsAnError(t *testing.T) {
	s := Spec{Func: Sum, Type: event.Int}
	a := of(s, []event.Value{event.IntOf(math.MaxInt64), event.IntOf(1)})
	if v, ok := a.Result(s); ok {
		t.Errorf("got %v, want an error", v)
	}
	a.Add(s, event.IntOf(-1))
	if v, ok := a.Result(s); !ok || v.Int() != math.MaxInt64 {
		t.Errorf("back in range: got %v, %v", v, ok)
	}
	s.Func = Stddev
	a = of(s, slices.Repeat([]event.Value{event.IntOf(math.MinInt64)}, 3))
	if v, ok := a.Result(s); !ok || v != event.DoubleOf(0) {
		t.Errorf("stddev of equal ints: got %v, %v", v, ok)
	}
}

func TestDecimalSumsAreExact(t *testing.T) {
	s := Spec{Func: Sum, Type: event.Decimal, Scale: 2}
	a := of(s, slices.Repeat([]event.Value{event.DecimalOf(10, 2)}, 1000))
	if v, _ := a.Result(s); v != event.DoubleOf(100) {
		t.Errorf("a thousand times 0.10: got %v", v.Double())
	}
}

func TestDistinctIsExactToItsLimit(t *testing.T) {
	for _, typ := range []event.Type{event.String, event.Int} {
		s := Spec{Func: Distinct, Type: typ}
		add := func(a *Acc, i int) {
			if typ == event.String {
				a.Add(s, event.StringOf(fmt.Sprint("merchant-", i)))
			} else {
				a.Add(s, event.IntOf(int64(i)))
			}
		}
		var a Acc
		for i := range exactMax * 2 {
			add(&a, i%exactMax)
		}
		if v, _ := a.Result(s); v.Int() != exactMax || a.Approximate() {
			t.Errorf("at the limit: got %d, approximate %v", v.Int(), a.Approximate())
		}
		for i := range 100_000 {
			add(&a, i)
		}
		v, _ := a.Result(s)
		if d := math.Abs(float64(v.Int())-100_000) / 100_000; d > 0.03 || !a.Approximate() {
			t.Errorf("past the limit: got %d, approximate %v", v.Int(), a.Approximate())
		}
		checkSketch(t, s, &a, add)
	}
}

// checkSketch: past the limit too, encoding, merging and order keep the count.
func checkSketch(t *testing.T, s Spec, a *Acc, add func(*Acc, int)) {
	t.Helper()
	want, _ := a.Result(s)
	var b, low, high Acc
	if rest, err := b.Decode(a.AppendTo(nil, s), s); err != nil || len(rest) > 0 {
		t.Fatalf("decoding: %v, %d bytes left", err, len(rest))
	}
	for i := 99_999; i >= 0; i-- {
		if i < 500 {
			add(&low, i)
		} else {
			add(&high, i)
		}
	}
	if err := low.Merge(s, &high); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]*Acc{"decoded": &b, "merged": &low} {
		if got, _ := x.Result(s); got != want || !x.Approximate() {
			t.Errorf("%s: got %d, want %d", name, got.Int(), want.Int())
		}
	}
}

func TestZeroesAndNaN(t *testing.T) {
	nan, zero := event.DoubleOf(math.NaN()), event.DoubleOf(math.Copysign(0, -1))
	values := []event.Value{nan, zero, event.DoubleOf(0), nan, event.DoubleOf(2)}
	for fn, want := range map[Func]event.Value{Distinct: event.IntOf(3), Max: event.DoubleOf(2), Min: zero} {
		s := Spec{Func: fn, Type: event.Double}
		if got, _ := of(s, values).Result(s); got != want {
			t.Errorf("function %d: got %v, want %v", fn, got, want)
		}
	}
}

func TestSmallEncodings(t *testing.T) {
	one := []event.Value{event.IntOf(1), event.IntOf(5)}
	for fn, most := range map[Func]int{Count: 2, Sum: 3, Avg: 3, Max: 3, Distinct: 5} {
		s := Spec{Func: fn, Type: event.Int}
		if n := len(of(s, one).AppendTo(nil, s)); n > most {
			t.Errorf("function %d of two small ints takes %d bytes, want at most %d", fn, n, most)
		}
		if n := len(new(Acc).AppendTo(nil, s)); n != 1 {
			t.Errorf("function %d of nothing takes %d bytes, want 1", fn, n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(11, 12))
	specs(func(s Spec) { f.Add(of(s, randoms(r, s.Type, 10)).AppendTo(nil, s), byte(s.Func), byte(s.Type)) })
	f.Fuzz(func(t *testing.T, data []byte, fn, typ byte) {
		s := Spec{Func: Func(fn % byte(len(allFuncs))), Type: allTypes[int(typ)%len(allTypes)], P: 0.5}
		if !takes(s.Func, s.Type) {
			return
		}
		var a Acc
		if _, err := a.Decode(data, s); err != nil {
			return
		}
		a.Result(s)
		var b Acc
		if rest, err := b.Decode(a.AppendTo(nil, s), s); err != nil || len(rest) > 0 {
			t.Errorf("%+v: decoding what was decoded from %x: %v, %d bytes left", s, data, err, len(rest))
		}
	})
}

func BenchmarkAddSum(b *testing.B) {
	s := Spec{Func: Sum, Type: event.Decimal, Scale: 2}
	var a Acc
	b.ReportAllocs()
	for b.Loop() {
		a.Add(s, event.DecimalOf(199, 2))
	}
}

// nearest is ⌈p·n⌉ - 1 with p as it is written.
func nearest(p float64, n int) int {
	written, _ := new(big.Rat).SetString(strconv.FormatFloat(p, 'g', -1, 64))
	written.Mul(written, new(big.Rat).SetInt64(int64(n)))
	whole, rest := new(big.Int).DivMod(written.Num(), written.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		return int(whole.Int64())
	}
	return int(whole.Int64()) - 1
}

// The nearest rank is that of the fraction as the rule writes it, whatever its
// double times the count gives.
func TestNearestRankIsExact(t *testing.T) {
	for _, p := range []float64{0.001, 0.07, 0.14, 0.28, 0.29, 0.5, 0.55, 0.56, 0.57, 0.58, 0.9, 0.95, 0.99, 0.999, 0.9999} {
		for _, n := range []int{1, 2, 3, 7, 10, 20, 25, 50, 99, 100, 101, 200, 700, 1000, 4096, 99_999, 100_000, 1_000_000} {
			if got, want := (Spec{Func: Percentile, P: p}).Nearest(n), nearest(p, n); got != want {
				t.Errorf("place %d of %d for %v, want %d", got, n, p, want)
			}
		}
	}
}

// The variance of numbers is that of fractions, rounded once, however large they
// and their number are.
func TestStddevOfNumbersIsRoundedOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	for range 20_000 {
		s := Spec{Func: Stddev, Type: event.Decimal, Scale: 2, P: 0.9}
		values := make([]event.Value, 1+r.IntN(12))
		base, width := r.Int64()>>r.IntN(64), int64(1)<<r.IntN(62)
		for i := range values {
			values[i] = event.DecimalOf(base/2+r.Int64N(width), 2)
		}
		got, _ := of(s, values).Result(s)
		if want, _ := naive(s, values); got != want {
			t.Fatalf("stddev of %v: got %v, want %v", values, got, want)
		}
	}
}

// What came but for what left is the accumulator of what is there.
func TestPlainFormIsTheAccumulator(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 20))
	specs(func(s Spec) {
		if !s.Plain() || s.Func == Count {
			return
		}
		for range 50 {
			values := randoms(r, s.Type, 40)
			came, left, n := make([]byte, s.PlainBytes()), make([]byte, s.PlainBytes()), r.IntN(len(values)+1)
			for i, v := range values {
				if s.AddPlain(came, v.Int()); i < n {
					s.AddPlain(left, v.Int())
				}
			}
			var a Acc
			a.SetPlain(s, came, left)
			if got, want := a.AppendTo(nil, s), of(s, values[n:]).AppendTo(nil, s); string(got) != string(want) {
				t.Fatalf("%+v of %v without the first %d: encoded as %x, want %x", s, values, n, got, want)
			}
		}
	})
}
