package agg

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
)

// A census estimates what a set estimates that saw the same values, and both
// are near the truth.
func TestCensusEstimates(t *testing.T) {
	s := Spec{Func: Distinct, Type: event.Int}
	var c Census
	var acc Acc
	ranks := map[uint16]uint8{}
	for n := 1; n <= 300_000; n++ {
		v := event.IntOf(int64(n) * 7919)
		acc.Add(s, v)
		register, rank := RegisterOf(s.AppendIdentity(nil, v))
		if old := ranks[register]; rank > old {
			c.Move(old, rank)
			ranks[register] = rank
		}
		if n%977 != 0 || n <= ExactMax {
			continue
		}
		got, set := float64(c.Estimate()), acc.distinct()
		if math.Abs(got-float64(n)) > 0.03*float64(n) || math.Abs(got-float64(set)) > 0.01*float64(n) {
			t.Errorf("%d values: the census says %v, the set %d", n, got, set)
		}
	}
	var back Census
	if err := back.Decode(c.AppendTo(nil)); err != nil || back.Estimate() != c.Estimate() {
		t.Errorf("decoded: %d, %v", back.Estimate(), err)
	}
	if c.Decode(make([]byte, 3)) == nil {
		t.Error("three bytes were taken for a census")
	}
	full := make([]byte, CensusBytes)
	binary.LittleEndian.PutUint16(full, registers)
	binary.LittleEndian.PutUint16(full[2:], 1)
	if c.Decode(full) == nil {
		t.Error("a census of too many registers was taken")
	}
}
