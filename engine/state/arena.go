package state

import "math/bits"

// An arena gives out blocks of bytes from large chunks. A block is named by a
// ref: the chunk in the high bits, the unit within it in the low ones. Freed
// blocks are kept by size class and used again.
type arena struct {
	chunks [][]byte
	counts []counts     // of each chunk
	free   [classes]ref // heads of lists linked through the blocks' first bytes
	holes  []uint32     // numbers of chunks that were given up
	next   int          // first unused byte of the open chunk
	open   int          // the chunk that small blocks come from
	used   int          // bytes in blocks given out
	idle   int          // bytes in lists
	held   int          // bytes of all chunks
	given  int          // blocks given out ever
}

// counts are what is known of a chunk.
type counts struct {
	used, idle int32 // bytes in blocks given out, in lists
	leaving    bool  // nothing more is given out of it, see packing
}

// A ref names a block; 0 names none.
type ref uint32

const (
	unit       = 8 // bytes
	chunkBits  = 17
	chunkBytes = unit << chunkBits
	chunkMin   = 16 << 10 // the first chunk; each next one is twice as large, chunkSteps times
	chunkSteps = 6
	chunksMax  = 1 << (32 - chunkBits)
	smallMax   = 512 // up to here classes are a unit apart, then an eighth
	largeMin   = 256 << 10
	classes    = smallMax/unit + 1 + 8*10
)

// class returns the size class of n bytes and its block size.
func class(n int) (c, size int) {
	if n <= smallMax {
		c = (n + unit - 1) / unit
		return c, c * unit
	}
	exp := bits.Len(uint(n-1)) - 1 // 2^exp < n <= 2^(exp+1)
	step := 1 << (exp - 3)
	k := (n - 1<<exp + step - 1) / step // 1..8
	return smallMax/unit + (exp-9)*8 + k, 1<<exp + k*step
}

// alloc returns a block of at least n bytes; its content is undefined.
func (a *arena) alloc(n int) ref {
	c, size := class(n)
	a.used += size
	a.given++
	if size > largeMin {
		return a.allocLarge(size)
	}
	if r := a.free[c]; r != 0 {
		a.free[c] = a.behind(r)
		k := &a.counts[r>>chunkBits]
		if k.used += int32(size); !k.leaving {
			k.idle -= int32(size)
			a.idle -= size
		}
		return r
	}
	if len(a.chunks) == 0 || a.next+size > len(a.chunks[a.open]) {
		a.open = a.chunk(make([]byte, max(min(chunkBytes, chunkMin<<min(len(a.chunks), chunkSteps)), size+unit)))
		a.next = unit // so that no block is ref 0
	}
	r := ref(a.open)<<chunkBits | ref(a.next/unit)
	a.next += size
	a.counts[a.open].used += int32(size)
	return r
}

func (a *arena) allocLarge(size int) ref {
	return ref(a.chunk(make([]byte, size+unit)))<<chunkBits | 1
}

func (a *arena) chunk(b []byte) int {
	a.held += len(b)
	if n := len(a.holes); n > 0 {
		i := a.holes[n-1]
		a.holes = a.holes[:n-1]
		a.chunks[i] = b
		return int(i)
	}
	if len(a.chunks) == chunksMax {
		panic("state: an arena is full; its budget must be below 32 GiB")
	}
	a.chunks, a.counts = append(a.chunks, b), append(a.counts, counts{})
	return len(a.chunks) - 1
}

// drop gives up a chunk.
func (a *arena) drop(chunk ref) {
	a.held -= len(a.chunks[chunk])
	a.chunks[chunk], a.counts[chunk] = nil, counts{}
	a.holes = append(a.holes, uint32(chunk))
}

// at returns the bytes from the start of a block to the end of its chunk.
func (a *arena) at(r ref) []byte { return a.chunks[r>>chunkBits][int(r&(1<<chunkBits-1))*unit:] }

// release gives back a block that was allocated for n bytes.
func (a *arena) release(r ref, n int) {
	c, size := class(n)
	a.used -= size
	if size > largeMin {
		a.drop(r >> chunkBits)
		return
	}
	k := &a.counts[r>>chunkBits]
	if k.used -= int32(size); !k.leaving {
		k.idle += int32(size)
		a.idle += size
		a.list(r, c)
	}
}

// list puts a block first in the list of its class.
func (a *arena) list(r ref, class int) {
	b := a.at(r)
	head := a.free[class]
	b[0], b[1], b[2], b[3] = byte(head), byte(head>>8), byte(head>>16), byte(head>>24)
	a.free[class] = r
}

// behind is the block behind another in its list.
func (a *arena) behind(r ref) ref {
	b := a.at(r)
	return ref(b[0]) | ref(b[1])<<8 | ref(b[2])<<16 | ref(b[3])<<24
}
