package ceptest

import (
	"math"
	"slices"
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
	case agg.Percentile:
		rank := int(math.Ceil(s.P * float64(len(sorted))))
		return sorted[max(rank, 1)-1]
	case agg.Stddev:
		return event.DoubleOf(math.Sqrt(variance(values)))
	}
	return event.DoubleOf(mean(values))
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

// sum adds ints and decimals exactly, doubles in key order.
func sum(s agg.Spec, values []event.Value) event.Value {
	var whole int64
	var double float64
	for _, v := range values {
		whole += v.Int()
		double += v.Double()
	}
	switch s.Type {
	case event.Double:
		return event.DoubleOf(double)
	case event.Decimal:
		return event.DecimalOf(whole, s.Scale)
	case event.Duration:
		return event.DurationOf(whole)
	}
	return event.IntOf(whole)
}

func mean(values []event.Value) float64 {
	if v := values[0]; v.Type() == event.Decimal {
		total := sum(agg.Spec{Type: event.Decimal, Scale: v.Scale()}, values)
		return total.Double() / float64(len(values))
	}
	total := 0.0
	for _, v := range values {
		total += v.Double()
	}
	return total / float64(len(values))
}

func variance(values []event.Value) float64 {
	m, total := mean(values), 0.0
	for _, v := range values {
		total += (v.Double() - m) * (v.Double() - m)
	}
	return total / float64(len(values))
}

func distinct(values []event.Value) int {
	seen := map[event.Value]bool{}
	for _, v := range values {
		seen[v] = true
	}
	return len(seen)
}
