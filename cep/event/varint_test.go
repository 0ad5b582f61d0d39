package event

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// Varints are those of encoding/binary, whatever stands behind them.
func TestVarintsAreThoseOfBinary(t *testing.T) {
	numbers := []uint64{0, 1, math.MaxUint64}
	for shift := range 64 {
		numbers = append(numbers, 1<<shift-1, 1<<shift, 1<<shift+1)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for range 20_000 {
		numbers = append(numbers, rng.Uint64()>>rng.IntN(64))
	}
	for i, x := range numbers {
		want := binary.AppendUvarint([]byte("ab"), x)
		got := AppendUvarint([]byte("ab"), x)
		if !bytes.Equal(got, want) {
			t.Fatalf("%#x: got % x, want % x", x, got, want)
		}
		for _, behind := range []int{0, 3, 9} {
			buf := append(bytes.Clone(want[2:]), bytes.Repeat([]byte{byte(i)}, behind)...)
			if n, width := Uvarint(buf); n != x || width != len(want)-2 {
				t.Fatalf("% x: got %#x, %d bytes; want %#x, %d", buf, n, width, x, len(want)-2)
			}
		}
	}
	for _, n := range []int64{0, -1, 1, 63, -64, 64, math.MaxInt64, math.MinInt64, -1 << 40} {
		want := binary.AppendVarint(nil, n)
		if got := AppendVarint(nil, n); !bytes.Equal(got, want) {
			t.Errorf("%d: got % x, want % x", n, got, want)
		}
		if got, width := Varint(want); got != n || width != len(want) {
			t.Errorf("%d: got %d, %d bytes", n, got, width)
		}
	}
}

// What is no varint is none here either.
func TestBrokenVarints(t *testing.T) {
	for _, buf := range [][]byte{nil, {0x80}, {0xff, 0xff}, bytes.Repeat([]byte{0x80}, 7), bytes.Repeat([]byte{0x80}, 8), bytes.Repeat([]byte{0xff}, 10), bytes.Repeat([]byte{0xff}, 20)} {
		n, width := Uvarint(buf)
		if m, w := binary.Uvarint(buf); n != m || width != w {
			t.Errorf("% x: got %d, %d; want %d, %d", buf, n, width, m, w)
		}
	}
}
