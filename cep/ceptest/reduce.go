package ceptest

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

// reduceSome is an aggregate of at least one value.
func reduceSome(s agg.Spec, values []event.Value) event.Value {
	sorted := slices.Clone(values)
	slices.SortStableFunc(sorted, compareValues)
	switch s.Func {
	case agg.Min:
		return sorted[0]
	case agg.Max:
		return sorted[len(sorted)-1]
	case agg.First:
		return values[0]
	case agg.Last:
		return values[len(values)-1]
	case agg.Distinct:
		return event.IntOf(int64(distinct(values)))
	case agg.Percentile:
		return sorted[nearestRank(s.P, len(sorted))-1]
	case agg.Stddev:
		return event.DoubleOf(math.Sqrt(rounded(variance(values)).Double()))
	}
	if s.Type == event.Double {
		return event.DoubleOf(rounded(total(values)).Double() / float64(len(values)))
	}
	return rounded(mean(values))
}

// nearestRank is ⌈p·n⌉, p being the decimal fraction that the rule writes.
func nearestRank(p float64, n int) int {
	rank, _ := new(big.Rat).SetString(strconv.FormatFloat(p, 'g', -1, 64))
	rank.Mul(rank, new(big.Rat).SetInt64(int64(n)))
	whole, rest := new(big.Int).DivMod(rank.Num(), rank.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		return int(whole.Int64()) + 1
	}
	return int(whole.Int64())
}

func compareValues(a, b event.Value) int {
	switch a.Type() {
	case event.String:
		return strings.Compare(a.Str(), b.Str())
	case event.Double:
		switch {
		case a.Double() < b.Double():
			return -1
		case a.Double() > b.Double():
			return 1
		}
		return 0
	}
	return compareInt(a.Int(), b.Int())
}

// exact is a number without rounding.
func exact(v event.Value) *big.Rat {
	switch v.Type() {
	case event.Double:
		return new(big.Rat).SetFloat64(v.Double())
	case event.Decimal:
		under := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(v.Scale())), nil)
		return new(big.Rat).SetFrac(big.NewInt(v.Int()), under)
	}
	return new(big.Rat).SetInt64(v.Int())
}

func total(values []event.Value) *big.Rat {
	t := new(big.Rat)
	for _, v := range values {
		t.Add(t, exact(v))
	}
	return t
}

func mean(values []event.Value) *big.Rat {
	return new(big.Rat).Quo(total(values), new(big.Rat).SetInt64(int64(len(values))))
}

// sum is exact and rounded once; one of ints that is no int is an error.
func sum(s agg.Spec, values []event.Value) (event.Value, bool) {
	t := total(values)
	if s.Type == event.Int {
		return event.IntOf(t.Num().Int64()), t.Num().IsInt64()
	}
	return rounded(t), true
}

func rounded(r *big.Rat) event.Value {
	f, _ := r.Float64()
	return event.DoubleOf(f)
}

func variance(values []event.Value) *big.Rat {
	m, squares := mean(values), new(big.Rat)
	for _, v := range values {
		d := exact(v)
		d.Sub(d, m)
		squares.Add(squares, d.Mul(d, d))
	}
	return squares.Quo(squares, new(big.Rat).SetInt64(int64(len(values))))
}

func distinct(values []event.Value) int {
	seen := map[event.Value]bool{}
	for _, v := range values {
		seen[v] = true
	}
	return len(seen)
}
