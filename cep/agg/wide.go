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

// A vast is an unsigned 192-bit integer: any sum of squares of 64-bit values
// fits.
type vast struct{ hi, mid, lo uint64 }

// vastSquare is n².
func vastSquare(n int64) vast {
	m := uint64(n)
	if n < 0 {
		m = -m
	}
	hi, lo := bits.Mul64(m, m)
	return vast{mid: hi, lo: lo}
}

func (v *vast) merge(o vast) {
	var carry uint64
	v.lo, carry = bits.Add64(v.lo, o.lo, 0)
	v.mid, carry = bits.Add64(v.mid, o.mid, carry)
	v.hi += o.hi + carry
}

func (v *vast) take(o vast) {
	var borrow uint64
	v.lo, borrow = bits.Sub64(v.lo, o.lo, 0)
	v.mid, borrow = bits.Sub64(v.mid, o.mid, borrow)
	v.hi -= o.hi + borrow
}

func (v vast) big() *big.Int {
	b := new(big.Int).SetUint64(v.hi)
	for _, word := range [...]uint64{v.mid, v.lo} {
		b.Lsh(b, 64)
		b.Add(b, new(big.Int).SetUint64(word))
	}
	return b
}
