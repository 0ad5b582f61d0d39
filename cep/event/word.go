package event

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Eight bytes at a time: a byte of x that is zero has its high bit set in
// (x - ones) &^ x & highs, and the lowest one set is right. (H. Warren,
// "Hacker's Delight", 6-1.)
const (
	wordBytes = 8

	ones    = 0x0101010101010101
	highs   = 0x8080808080808080
	spaces  = ' ' * ones
	quotes  = '"' * ones
	slashes = '\\' * ones
	strokes = '/' * ones
	zeros   = '0' * ones
	points  = '.' * ones
)

func wordAt(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// firstOf returns the place of the first byte that has its high bit set,
// wordBytes where none has.
func firstOf(w uint64) int { return bits.TrailingZeros64(w) / 8 }

// marks finds the first quote or backslash.
func marks(w uint64) uint64 {
	q, s := w^quotes, w^slashes
	return ((q-ones)&^q | (s-ones)&^s) & highs
}

// plain returns the place of the first byte that is not itself in a JSON string,
// or that is not ASCII; len(s) when there is none.
func plain(s string) int {
	i := 0
	for ; i+wordBytes <= len(s); i += wordBytes {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		if odd := marks(w) | (w|(w-spaces)&^w)&highs; odd != 0 {
			return i + firstOf(odd)
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return i
		}
	}
	return i
}

// pastNumber finds the first byte that is no digit, minus or point. Those lie
// side by side, with a stroke among them.
func pastNumber(w uint64) uint64 {
	low, s := w&^highs, w^strokes
	among := (low + (0x80-'-')*ones) &^ (low + (0x80-'9'-1)*ones) &^ w
	return (^among | (s-ones)&^s) & highs
}

// validUTF8 is utf8.Valid, at a glance where all is ASCII.
func validUTF8(b []byte) bool {
	const four = 4 * wordBytes
	var seen uint64
	for i := 0; i+four <= len(b) && seen&highs == 0; i += four {
		seen = wide(b[i : i+four])
	}
	if len(b) < four || (seen|wide(b[len(b)-four:]))&highs != 0 {
		return utf8.Valid(b)
	}
	return true
}

// wide joins four words: a byte of it has its high bit set where one of theirs has.
func wide(b []byte) uint64 {
	return wordAt(b, 0) | wordAt(b, wordBytes) | wordAt(b, 2*wordBytes) | wordAt(b, 3*wordBytes)
}
