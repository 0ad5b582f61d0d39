package window

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
)

// ranked keeps the numbers of a rolling window sorted, for percentiles: in
// pages, and a directory of them in the state. Pages grow with the root of how
// many numbers there are, so that neither they nor the directory grow much.
type ranked struct {
	slot    int
	n       int    // numbers
	next    uint64 // number of the next page
	dir     []stretch
	scratch []byte
}

func (r *ranked) reset() { r.n, r.next, r.dir = 0, 0, r.dir[:0] }

// A stretch is one page of the directory: its greatest number, how many it
// has, and where.
type stretch struct {
	most uint64
	n    int
	page uint64
}

const rankedBytes = 8 // of one number

// pageMax is how many numbers a page takes; one more splits it, and two
// neighbours with half as many become one.
func (r *ranked) pageMax() int { return 64 + 2*int(math.Sqrt(float64(r.n))) }

// at returns the index of the stretch where a number is or belongs.
func (r *ranked) at(x uint64) int {
	i, _ := slices.BinarySearchFunc(r.dir, x, func(s stretch, x uint64) int {
		if s.most < x {
			return -1
		}
		return 1
	})
	return min(i, len(r.dir)-1)
}

func (r *ranked) read(p *pages, i int) []byte {
	r.scratch = append(r.scratch[:0], p.get(pageNumber(pageRanked, r.slot, r.dir[i].page))...)
	return r.scratch
}

// write replaces the page of stretch i, and removes it with its last number.
func (r *ranked) write(p *pages, i int, page []byte) {
	s := &r.dir[i]
	p.put(pageNumber(pageRanked, r.slot, s.page), page)
	if s.n = len(page) / rankedBytes; s.n == 0 {
		r.dir = slices.Delete(r.dir, i, i+1)
		return
	}
	s.most = number(page, s.n-1)
}

func number(page []byte, i int) uint64 { return binary.BigEndian.Uint64(page[i*rankedBytes:]) }

// place returns where x is or belongs among the numbers of a page.
func place(page []byte, x uint64) int {
	lo, hi := 0, len(page)/rankedBytes
	for lo < hi {
		if mid := (lo + hi) / 2; number(page, mid) < x {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func (r *ranked) add(p *pages, x uint64) {
	if len(r.dir) == 0 {
		r.open(0)
	}
	i := r.at(x)
	page := r.read(p, i)
	at := place(page, x) * rankedBytes
	page = append(page, 0, 0, 0, 0, 0, 0, 0, 0)
	copy(page[at+rankedBytes:], page[at:])
	binary.BigEndian.PutUint64(page[at:], x)
	r.scratch = page
	r.n++
	if n := len(page) / rankedBytes; n > r.pageMax() {
		half := n / 2 * rankedBytes
		r.open(i + 1)
		r.write(p, i+1, page[half:])
		page = page[:half]
	}
	r.write(p, i, page)
}

// open puts an empty stretch into the directory.
func (r *ranked) open(at int) {
	r.dir = slices.Insert(r.dir, at, stretch{page: r.next})
	r.next++
}

func (r *ranked) remove(p *pages, x uint64) bool {
	if len(r.dir) == 0 {
		return false
	}
	i := r.at(x)
	page := r.read(p, i)
	at := place(page, x)
	if at*rankedBytes >= len(page) || number(page, at) != x {
		return false
	}
	page = append(page[:at*rankedBytes], page[(at+1)*rankedBytes:]...)
	r.n--
	r.write(p, i, page)
	r.join(p, i)
	if len(r.dir) == 0 {
		r.next = 0
	}
	return true
}

// join makes one of stretch i and the next when both are small.
func (r *ranked) join(p *pages, i int) {
	if i+1 >= len(r.dir) || r.dir[i].n+r.dir[i+1].n > r.pageMax()/2 {
		return
	}
	page := append(r.read(p, i), p.get(pageNumber(pageRanked, r.slot, r.dir[i+1].page))...)
	r.scratch = page
	r.write(p, i+1, nil)
	r.write(p, i, page)
}

// result is the percentile; absent when the window has no number.
func (r *ranked) result(p *pages, s agg.Spec) event.Value {
	if r.n == 0 {
		return event.Value{}
	}
	at := s.Nearest(r.n)
	i := 0
	for ; at >= r.dir[i].n; i++ {
		at -= r.dir[i].n
	}
	return s.Ranked(number(p.get(pageNumber(pageRanked, r.slot, r.dir[i].page)), at))
}

// The encoding: the number of stretches, the next page, then each: greatest
// number, count, page.
func (r *ranked) append(buf []byte) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(r.dir)))
	buf = binary.AppendUvarint(buf, r.next)
	for _, s := range r.dir {
		buf = binary.BigEndian.AppendUint64(buf, s.most)
		buf = binary.AppendUvarint(buf, uint64(s.n))
		buf = binary.AppendUvarint(buf, s.page)
	}
	return buf
}

func (r *ranked) decode(c *cursor) {
	r.dir, r.n = r.dir[:0], 0
	n := c.Uvarint()
	r.next = c.Uvarint()
	for ; n > 0 && !c.Bad; n-- {
		most := c.Take(rankedBytes)
		if c.Bad {
			return
		}
		s := stretch{binary.BigEndian.Uint64(most), int(c.Uvarint()), c.Uvarint()}
		r.dir, r.n = append(r.dir, s), r.n+s.n
	}
}
