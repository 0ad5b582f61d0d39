package agg

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// ExactMax is how many distinct values are counted exactly (language §5).
const ExactMax = exactMax

const (
	registerBits = 14
	registers    = 1 << registerBits
	rankMax      = 64 - registerBits + 1
)

// RegisterOf returns what HyperLogLog keeps of a value, by its identity: the
// register, below 2^14, and the rank that the register is raised to, from 1.
func RegisterOf(identity []byte) (register uint16, rank uint8) {
	h := xxh3.Hash(identity)
	return uint16(h >> (64 - registerBits)), uint8(bits.LeadingZeros64(h<<registerBits|1<<(registerBits-1))) + 1
}

// A Census is how many registers of a HyperLogLog sketch have which rank: all
// that an estimate needs, and what can be kept when values leave. The zero
// Census is that of no values.
type Census struct {
	ranks [rankMax + 1]uint16 // that of rank 0 says nothing
}

// Move tells that a register has gone from one rank to another.
func (c *Census) Move(from, to uint8) {
	c.ranks[from]--
	c.ranks[to]++
}

// Estimate returns how many distinct values there are, by the estimator of O.
// Ertl (New cardinality estimation algorithms for HyperLogLog sketches, 2017,
// algorithm 6), which needs no table of corrections.
func (c *Census) Estimate() int64 {
	const m = registers
	z := m * tau(1-float64(c.ranks[rankMax])/m)
	for k := rankMax - 1; k >= 1; k-- {
		z = (z + float64(c.ranks[k])) / 2
	}
	z += m * sigma(float64(c.empty())/m)
	return int64(math.Round(m * m / (2 * math.Ln2 * z)))
}

// empty is the number of registers of rank 0.
func (c *Census) empty() int {
	n := registers
	for _, k := range c.ranks[1:] {
		n -= int(k)
	}
	return n
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		last := z
		z += x * y
		y *= 2
		if z == last {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		last := z
		y /= 2
		z -= (1 - x) * (1 - x) * y
		if z == last {
			return z / 3
		}
	}
}

// CensusBytes is the size of the encoding of a Census.
const CensusBytes = 2 * rankMax

// AppendTo appends the encoding.
func (c *Census) AppendTo(buf []byte) []byte {
	for _, n := range c.ranks[1:] {
		buf = binary.LittleEndian.AppendUint16(buf, n)
	}
	return buf
}

// Decode reads what AppendTo wrote. The error matches ErrCorrupt when it
// cannot be of a sketch.
func (c *Census) Decode(b []byte) error {
	*c = Census{}
	if len(b) != CensusBytes {
		return fmt.Errorf("reading a census of %d bytes: %w", len(b), ErrCorrupt)
	}
	for i := range c.ranks[1:] {
		c.ranks[i+1] = binary.LittleEndian.Uint16(b[2*i:])
	}
	if c.empty() < 0 {
		return fmt.Errorf("reading a census: %w", ErrCorrupt)
	}
	return nil
}
