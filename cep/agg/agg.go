// Package agg holds the aggregates of language §2 and §5: accumulators with
// an exact, deterministic encoding, used by runs of a pattern and by windows.
// It is pure.
package agg

import "github.com/caltrop/caltrop/cep/event"

// A Func is an aggregate function.
type Func uint8

// The aggregate functions.
const (
	Count Func = iota
	Sum
	Avg
	Min
	Max
	Stddev // of the population
	Distinct
	First
	Last
	Percentile // nearest rank
)

// A Spec is an aggregate over values of one type.
type Spec struct {
	Func  Func
	Type  event.Type // of the argument; Invalid for a bare count
	Scale uint8      // of a Decimal argument: sums are exact, on scaled integers
	P     float64    // of Percentile
}

// An Acc is the running state of one aggregate. The zero Acc is empty and
// ready. A plain copy shares nothing mutable with the original only after
// Clone. Not safe for concurrent use.
type Acc struct {
	n int64
}

// Add takes one present value. Bare counts take the zero Value.
func (a *Acc) Add(s Spec, v event.Value) { panic("unwritten") }

// Result returns the aggregate's value; false when it is an error (anything
// but count, sum and distinct of no values).
func (a *Acc) Result(s Spec) (event.Value, bool) { panic("unwritten") }

// Approximate reports whether distinct has left exact counting.
func (a *Acc) Approximate() bool { panic("unwritten") }

// Clone returns an independent copy.
func (a *Acc) Clone() Acc { panic("unwritten") }

// AppendTo encodes the accumulator at the end of buf; Decode reads it back
// and returns the rest.
func (a *Acc) AppendTo(buf []byte, s Spec) []byte { panic("unwritten") }

// Decode reads what AppendTo wrote and returns the bytes after it.
func (a *Acc) Decode(buf []byte, s Spec) ([]byte, error) { panic("unwritten") }
