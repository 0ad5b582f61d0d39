package agg

import (
	"math/big"
	"math/bits"
)

// A wide is a signed 128-bit integer: any sum of 64-bit values fits. A sum of
// squares, which is never negative, may not; it is then negative for good.
type wide struct {
	hi int64
	lo uint64
}

func (w *wide) add(n int64) {
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, uint64(n), 0)
	w.hi += n>>63 + int64(carry)
}

func (w *wide) merge(o wide) {
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, o.lo, 0)
	w.hi += o.hi + int64(carry)
}

// addSquare adds n² to a sum of squares.
func (w *wide) addSquare(n int64) {
	m := uint64(n)
	if n < 0 {
		m = -m
	}
	hi, lo := bits.Mul64(m, m)
	w.addSquares(wide{hi: int64(hi), lo: lo})
}

// addSquares joins two sums of squares.
func (w *wide) addSquares(o wide) {
	if w.hi < 0 || o.hi < 0 {
		w.hi = -1
		return
	}
	w.merge(o)
}

// int64 returns the number when it fits.
func (w wide) int64() (int64, bool) {
	n := int64(w.lo)
	return n, n>>63 == w.hi
}

func (w wide) big() *big.Int {
	b := new(big.Int).Lsh(big.NewInt(w.hi), 64)
	return b.Add(b, new(big.Int).SetUint64(w.lo))
}
