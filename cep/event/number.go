package event

import (
	"encoding/binary"
	"math"
)

// numberDigitsMax bounds the digits and the exponent that an exact number may
// be written with: far more than an int64 can use.
const numberDigitsMax = 400

// exact reads the text of a JSON number as an integer count of 10^-scale,
// without passing through a binary fraction. With floor, digits beyond the
// scale are rounded down; without, they are refused unless they are zero. The
// reason is empty on success.
func exact(text []byte, scale int, floor bool) (int64, Reason) {
	if n, digits, ok := plainNumber(text); ok && scale >= digits && len(text)+scale-digits <= plainDigitsMax {
		return n * powers[scale-digits], ""
	}
	n, ok := scanNumber(text)
	switch {
	case !ok:
		return 0, WrongType
	case n.zero():
		return 0, ""
	case n.exp > numberDigitsMax || len(n.whole)+len(n.frac) > numberDigitsMax:
		return 0, NumberRange
	}
	return n.scaled(scale, floor)
}

// plainDigitsMax is how many digits plainNumber takes: any so many fit.
const plainDigitsMax = 18

// powers are the powers of ten that fit.
var powers = [plainDigitsMax + 1]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// plainNumber reads the usual number, of few digits and without an exponent:
// n / 10^fraction. It refuses any other, and all that is no JSON number.
func plainNumber(text []byte) (n int64, fraction int, ok bool) {
	i := 0
	if len(text) > 0 && text[0] == '-' {
		i = 1
	}
	from, point := i, len(text)
	if len(text)-from > plainDigitsMax || len(text) == from {
		return 0, 0, false
	}
	for len(text)-i >= wordBytes {
		w := binary.LittleEndian.Uint64(text[i:])
		if !eightDigits(w) {
			break
		}
		n = n*1e8 + valueOfEight(w)
		i += wordBytes
	}
	for ; i < len(text); i++ {
		d := text[i] - '0'
		switch {
		case d <= 9:
			n = n*10 + int64(d)
		case text[i] == '.' && point == len(text):
			point = i
		default:
			return 0, 0, false
		}
	}
	if point == from || point == len(text)-1 || point-from > 1 && text[from] == '0' {
		return 0, 0, false
	}
	if from == 1 {
		n = -n
	}
	return n, max(len(text)-point-1, 0), true
}

// shortNumber reads a number of one to eight characters from the beginning of a
// word: n / 10^fraction. It refuses what plainNumber does, and negative ones.
func shortNumber(w uint64, length int) (n int64, fraction int, ok bool) {
	begin := wordBytes - length // as many zeros go before it
	w = w<<(8*begin) | zeros>>(8*length)
	whole := length
	p := w ^ points
	if p = (p - ones) &^ p & highs; p != 0 {
		at := firstOf(p)
		whole, fraction = at-begin, wordBytes-1-at
		if whole == 0 || fraction == 0 {
			return 0, 0, false
		}
		before := p&-p>>7 - 1
		w = w&before<<8 | w&^(before<<8|0xff) | '0'
	}
	if !eightDigits(w) || whole > 1 && byte(w>>(8*(wordBytes-whole-fraction))) == '0' {
		return 0, 0, false
	}
	return valueOfEight(w), fraction, true
}

// Eight digits at a time. (As D. Lemire, "Quickly parsing eight digits", 2018.)

// eightDigits reports whether every byte is a digit: its high half is 3, and
// still is when 6 is added.
func eightDigits(w uint64) bool {
	return w&(ones*0xf0) == ones*0x30 && (w+ones*6)&(ones*0xf0) == ones*0x30
}

// valueOfEight joins neighbours: digits to pairs, pairs to fours, those to eight.
func valueOfEight(w uint64) int64 {
	w = (w & (ones * 0x0f)) * (10<<8 + 1) >> 8
	w = (w & 0x00ff00ff00ff00ff) * (100<<16 + 1) >> 16
	return int64((w & 0x0000ffff0000ffff) * (10000<<32 + 1) >> 32)
}

// A number is JSON number text taken apart: ±whole.frac × 10^exp.
type number struct {
	neg         bool
	whole, frac []byte
	exp         int
}

// scanNumber checks the JSON grammar of a number.
func scanNumber(s []byte) (n number, ok bool) {
	if len(s) > 0 && s[0] == '-' {
		n.neg, s = true, s[1:]
	}
	n.whole, s = digits(s)
	if len(n.whole) == 0 || n.whole[0] == '0' && len(n.whole) > 1 {
		return n, false
	}
	if len(s) > 0 && s[0] == '.' {
		if n.frac, s = digits(s[1:]); len(n.frac) == 0 {
			return n, false
		}
	}
	if len(s) > 0 && s[0]|0x20 == 'e' {
		if n.exp, s, ok = exponent(s[1:]); !ok {
			return n, false
		}
	}
	return n, len(s) == 0
}

func digits(s []byte) (run, rest []byte) {
	i := 0
	for i < len(s) && s[i]-'0' <= 9 {
		i++
	}
	return s[:i], s[i:]
}

// exponent reads the part after "e"; sizes past any use are clipped.
func exponent(s []byte) (exp int, rest []byte, ok bool) {
	neg := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	run, rest := digits(s)
	for _, c := range run {
		if exp = exp*10 + int(c-'0'); exp > 1<<20 {
			exp = 1 << 20
		}
	}
	if neg {
		exp = -exp
	}
	return exp, rest, len(run) > 0
}

func (n *number) zero() bool {
	for _, c := range n.whole {
		if c != '0' {
			return false
		}
	}
	for _, c := range n.frac {
		if c != '0' {
			return false
		}
	}
	return true
}

// at returns the digit of weight 10^w, before the exponent.
func (n *number) at(w int) byte {
	i := len(n.whole) - 1 - w
	switch {
	case i < 0 || i >= len(n.whole)+len(n.frac):
		return 0
	case i < len(n.whole):
		return n.whole[i] - '0'
	}
	return n.frac[i-len(n.whole)] - '0'
}

func (n *number) scaled(scale int, floor bool) (int64, Reason) {
	low := -scale - n.exp // weight of the last digit kept
	lost := false
	for w := -len(n.frac); w < low && w < len(n.whole); w++ {
		lost = lost || n.at(w) != 0
	}
	if lost && !floor {
		return 0, DecimalDigits
	}
	var u uint64
	for w := len(n.whole) - 1; w >= low; w-- {
		if u > (math.MaxUint64-9)/10 {
			return 0, NumberRange
		}
		u = u*10 + uint64(n.at(w))
	}
	return n.signed(u, lost)
}

// signed gives u its sign; a loss below the last digit rounds down, which for
// negative numbers is away from zero.
func (n *number) signed(u uint64, lost bool) (int64, Reason) {
	if !n.neg {
		if u > math.MaxInt64 {
			return 0, NumberRange
		}
		return int64(u), ""
	}
	if lost {
		u++
	}
	if u > 1<<63 {
		return 0, NumberRange
	}
	return -int64(u), ""
}
