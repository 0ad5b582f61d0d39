package event

import (
	"encoding/binary"
	"math/bits"
)

// Varints as encoding/binary has them. One of several bytes is taken apart and
// put together in one word: how long it is can hardly be foretold, so a loop
// over its bytes would stall the processor at each.

const (
	more   = 0x8080808080808080 // the bit of each byte that says that another follows
	wordly = 56                 // bits of a number whose varint is a word or less
)

// AppendUvarint is binary.AppendUvarint.
func AppendUvarint(buf []byte, x uint64) []byte {
	switch {
	case x < 0x80:
		return append(buf, byte(x))
	case x >= 1<<wordly:
		return binary.AppendUvarint(buf, x)
	}
	word, n := varintWord(x)
	return binary.LittleEndian.AppendUint64(buf, word)[:len(buf)+n]
}

// varintWord is the varint of a number below 1<<wordly, and how long it is.
func varintWord(x uint64) (word uint64, n int) {
	n = (bits.Len64(x) + 6) / 7
	x = x&0x0fffffff | x&(0x0fffffff<<28)<<4
	x = x&0x00003fff00003fff | x&0x0fffc0000fffc000<<2
	x = x&0x007f007f007f007f | x&0x3f803f803f803f80<<1
	return x | more&(1<<(8*(n-1))-1), n
}

// putUvarint is binary.PutUvarint at a place of buf, behind which are at least a
// word, and returns the place behind it.
func putUvarint(buf []byte, at int, x uint64) int {
	if x < 0x80 {
		buf[at] = byte(x)
		return at + 1
	}
	return putLong(buf, at, x)
}

func putLong(buf []byte, at int, x uint64) int {
	if x >= 1<<wordly {
		return at + binary.PutUvarint(buf[at:], x)
	}
	word, n := varintWord(x)
	binary.LittleEndian.PutUint64(buf[at:], word)
	return at + n
}

// putVarint is putUvarint for signed numbers.
func putVarint(buf []byte, at int, x int64) int {
	return putUvarint(buf, at, uint64(x<<1)^uint64(x>>63))
}

// AppendVarint is binary.AppendVarint.
func AppendVarint(buf []byte, x int64) []byte { return AppendUvarint(buf, uint64(x<<1)^uint64(x>>63)) }

// Uvarint is binary.Uvarint.
func Uvarint(buf []byte) (x uint64, width int) {
	if len(buf) > 0 && buf[0] < 0x80 {
		return uint64(buf[0]), 1
	}
	if len(buf) < 8 {
		return binary.Uvarint(buf)
	}
	x = binary.LittleEndian.Uint64(buf)
	last := ^x & more
	if last == 0 {
		return binary.Uvarint(buf)
	}
	x &= last ^ (last - 1) // up to the first byte that no other follows
	x = x&0x007f007f007f007f | x&0x7f007f007f007f00>>1
	x = x&0x00003fff00003fff | x&0x3fff00003fff0000>>2
	x = x&0x0fffffff | x&(0x0fffffff<<32)>>4
	return x, bits.TrailingZeros64(last)/8 + 1
}

// Varint is binary.Varint.
func Varint(buf []byte) (x int64, width int) {
	n, width := Uvarint(buf)
	return int64(n>>1) ^ -int64(n&1), width
}
