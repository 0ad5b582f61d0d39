package agg

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
)

// A long is an exact sum of doubles, or of products of two: a fixed-point
// number wide enough for any of them (U. Kulisch, "Computer Arithmetic and
// Validity", 2008), of which only the words in use are kept. What was added
// can be taken away again, and the order never matters. The zero long is 0.
type long struct {
	low     int     // the place of words[0]: its unit is 2^(32·low + longUnit)
	words   []int64 // 32 bits each and what was carried
	pending int     // additions since the last carry
	odd     odds
}

// odds counts what is no number.
type odds struct{ nan, inf, negInf int64 }

const (
	wordBits = 32
	wordMask = 1<<wordBits - 1
	// longUnit is the exponent of the lowest word: below the square of the
	// least double, 2^-2148.
	longUnit = -68 * wordBits
	// pendingMax is how many additions a word takes before it may overflow.
	pendingMax = 1 << 29
)

// add adds sign times x, sign being 1 or -1.
func (l *long) add(x float64, sign int64) {
	switch {
	case x != x:
		l.odd.nan += sign
	case math.IsInf(x, 1):
		l.odd.inf += sign
	case math.IsInf(x, -1):
		l.odd.negInf += sign
	case x != 0:
		if x < 0 {
			x, sign = -x, -sign
		}
		mantissa, exp := split(x)
		l.addAt(mantissa, exp, sign)
	}
}

// split returns a positive x as mantissa·2^exp.
func split(x float64) (mantissa uint64, exp int) {
	b := math.Float64bits(x)
	exp, mantissa = int(b>>52)&0x7ff, b&(1<<52-1)
	if exp == 0 {
		return mantissa, -1074
	}
	return mantissa | 1<<52, exp - 1075
}

// addSquare adds sign times x².
func (l *long) addSquare(x float64, sign int64) {
	p := x * x
	l.add(p, sign)
	if !math.IsInf(p, 0) && p == p {
		l.add(math.FMA(x, x, -p), sign)
	}
}

// addAt adds sign·mantissa·2^exp.
func (l *long) addAt(mantissa uint64, exp int, sign int64) {
	at := exp - longUnit
	word, shift := at/wordBits, uint(at%wordBits)
	lo, hi := mantissa<<shift, uint64(0)
	if shift > 0 {
		hi = mantissa >> (64 - shift)
	}
	w := l.room(word, 3)
	w[0] += sign * int64(lo&wordMask)
	w[1] += sign * int64(lo>>wordBits)
	w[2] += sign * int64(hi)
	if l.pending++; l.pending >= pendingMax {
		l.carry()
	}
}

// room returns n words from a place on.
func (l *long) room(from, n int) []int64 {
	if len(l.words) == 0 {
		l.low = from
	}
	if from < l.low {
		more := l.low - from
		for range more {
			l.words = append(l.words, 0)
		}
		copy(l.words[more:], l.words)
		clear(l.words[:more])
		l.low = from
	}
	for len(l.words) < from-l.low+n {
		l.words = append(l.words, 0)
	}
	return l.words[from-l.low:]
}

// carry brings the number into its one form: words of 32 bits, without zeros
// at either end; a negative number has −1 on top.
func (l *long) carry() {
	l.pending = 0
	var over int64
	for i, w := range l.words {
		w += over
		l.words[i], over = w&wordMask, w>>wordBits
	}
	for over != 0 && over != -1 {
		l.words = append(l.words, over&wordMask)
		over >>= wordBits
	}
	n := len(l.words)
	for top := over & wordMask; n > 0 && l.words[n-1] == top; {
		n--
	}
	if l.words = l.words[:n]; over == -1 {
		l.words = append(l.words, -1)
	}
	zeros := 0
	for zeros < len(l.words) && l.words[zeros] == 0 {
		zeros++
	}
	if zeros > 0 {
		l.words = l.words[:copy(l.words, l.words[zeros:])]
		l.low += zeros
	}
	if len(l.words) == 0 {
		l.low = 0
	}
}

// merge adds o.
func (l *long) merge(o *long) {
	l.odd.nan, l.odd.inf, l.odd.negInf = l.odd.nan+o.odd.nan, l.odd.inf+o.odd.inf, l.odd.negInf+o.odd.negInf
	if len(o.words) == 0 {
		return
	}
	if l.pending+o.pending >= pendingMax {
		l.carry()
	}
	w := l.room(o.low, len(o.words))
	for i, x := range o.words {
		w[i] += x
	}
	l.pending += o.pending + 1
}

func (l *long) clone() long {
	c := *l
	c.words = append([]int64(nil), l.words...)
	return c
}

// reset makes the number 0 and keeps its memory.
func (l *long) reset() { *l = long{words: l.words[:0]} }

// float returns the double nearest to the number.
func (l *long) float() float64 {
	switch o := l.odd; {
	case o.nan > 0 || o.inf > 0 && o.negInf > 0:
		return math.NaN()
	case o.inf > 0:
		return math.Inf(1)
	case o.negInf > 0:
		return math.Inf(-1)
	}
	l.carry()
	n := len(l.words)
	if n == 0 {
		return 0
	}
	if l.words[n-1] < 0 {
		l.negate()
		x := -l.round()
		l.negate()
		return x
	}
	return l.round()
}

func (l *long) negate() {
	for i := range l.words {
		l.words[i] = -l.words[i]
	}
	l.carry()
}

// round is the double nearest to a positive number in its one form. The sum of
// doubles is a multiple of the least double, so what is below the normal range
// needs no rounding.
func (l *long) round() float64 {
	n := len(l.words)
	var top uint64 // the highest 64 bits, the lowest one saying whether more follow
	space := bits.LeadingZeros64(uint64(l.words[n-1]))
	left := 64
	i := n - 1
	for ; i >= 0 && left > 0; i-- {
		width := wordBits
		if i == n-1 {
			width = 64 - space
		}
		w := uint64(l.words[i])
		if width > left {
			if w&(1<<(width-left)-1) != 0 {
				top |= 1
			}
			w >>= width - left
			width = left
		}
		left -= width
		top |= w << left
	}
	for ; i >= 0; i-- {
		if l.words[i] != 0 {
			top |= 1
		}
	}
	high := (l.low+n-1)*wordBits + (64 - space) + longUnit // the exponent past the highest bit
	return math.Ldexp(float64(top), high-64)
}

// big returns the number as n·2^exp.
func (l *long) big() (n *big.Int, exp int) {
	l.carry()
	n = new(big.Int)
	for i := len(l.words) - 1; i >= 0; i-- {
		n.Lsh(n, wordBits)
		n.Add(n, big.NewInt(l.words[i]))
	}
	return n, l.low*wordBits + longUnit
}

// The encoding of a long: the number of words times four, plus 2 when it is
// negative and plus 1 when odd counts follow; the place; the words.
func (l *long) appendTo(buf []byte) []byte {
	l.carry()
	words, head := l.words, uint64(0)
	if n := len(words); n > 0 && words[n-1] < 0 {
		words, head = words[:n-1], 2
	}
	head |= uint64(len(words)) << 2
	if l.odd != (odds{}) {
		head |= 1
	}
	buf = binary.AppendUvarint(buf, head)
	if head > 1 {
		buf = binary.AppendUvarint(buf, uint64(l.low))
	}
	for _, w := range words {
		buf = binary.LittleEndian.AppendUint32(buf, uint32(w))
	}
	if head&1 != 0 {
		for _, n := range [3]int64{l.odd.nan, l.odd.inf, l.odd.negInf} {
			buf = binary.AppendUvarint(buf, uint64(n))
		}
	}
	return buf
}

// longWordsMax is more words than any sum of doubles or squares takes.
const longWordsMax = 160

// long reads what appendTo wrote into l, whose memory it uses.
func (r *reader) long(l *long) {
	l.reset()
	head := r.Uvarint()
	if head > 1 {
		l.low = int(r.Uvarint())
	}
	n := head >> 2
	if n > longWordsMax || l.low < 0 || l.low > longWordsMax || 4*n > uint64(len(r.Buf)) {
		r.Bad = true
		return
	}
	for i := range n {
		l.words = append(l.words, int64(binary.LittleEndian.Uint32(r.Buf[4*i:])))
	}
	r.Buf = r.Buf[4*n:]
	if head&2 != 0 {
		l.words = append(l.words, -1)
	}
	if head&1 != 0 {
		l.odd = odds{int64(r.Uvarint()), int64(r.Uvarint()), int64(r.Uvarint())}
	}
}
