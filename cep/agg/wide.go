package agg

import (
	"math/big"
	"math/bits"
)

// A wide is a signed 128-bit integer: any sum of 64-bit values fits.
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

func (w *wide) take(o wide) {
	var borrow uint64
	w.lo, borrow = bits.Sub64(w.lo, o.lo, 0)
	w.hi -= o.hi + int64(borrow)
}

func (w *wide) sub(n int64) {
	var borrow uint64
	w.lo, borrow = bits.Sub64(w.lo, uint64(n), 0)
	w.hi -= n>>63 + int64(borrow)
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
