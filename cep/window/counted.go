package window

import (
	"bytes"
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/caltrop/caltrop/cep/agg"
)

// counted counts the distinct values of a rolling window. Up to agg.ExactMax it
// knows how often each is there; a few are in the state itself, more in pages
// by their hash. Beyond, it knows only how often there is a value of each
// register and rank of a HyperLogLog sketch, from which the ranks of the
// registers follow also when values leave; that it stays until none is left.
type counted struct {
	slot    int
	mode    countMode
	n       int // distinct values, while they are exact
	total   int // values, repeated ones included, of a sketch
	items   tally
	census  agg.Census
	scratch []byte
	name    []byte // of a number
}

type countMode byte

const (
	countNear countMode = iota
	countFar
	countSketch
)

func (c *counted) reset() {
	c.mode, c.n, c.total, c.items, c.census = countNear, 0, 0, c.items[:0], agg.Census{}
}

// value is the number of distinct values, and whether it is an estimate.
func (c *counted) value() (n int64, approximate bool) {
	if c.mode == countSketch {
		return c.census.Estimate(), true
	}
	return int64(c.n), false
}

const (
	itemsMax   = 24 // distinct values in the state
	countPages = 64 // of values
	rankPages  = 256
)

// A tally is a list of values, each as its length, its bytes and, in four
// bytes, how often it is there.
type tally []byte

const tallyBytes = 4

// find returns where the count of a value is, and where the item begins; -1
// when the value is not there.
func (t tally) find(value []byte) (count, from int) {
	for at := 0; at < len(t); {
		n, w := binary.Uvarint(t[at:])
		from := at
		at += w + int(n)
		if bytes.Equal(t[at-int(n):at], value) {
			return at, from
		}
		at += tallyBytes
	}
	return -1, -1
}

// add counts a value once more and reports whether it is new.
func (t *tally) add(value []byte) bool {
	if at, _ := t.find(value); at >= 0 {
		n := (*t)[at:]
		binary.LittleEndian.PutUint32(n, binary.LittleEndian.Uint32(n)+1)
		return false
	}
	*t = binary.AppendUvarint(*t, uint64(len(value)))
	*t = append(*t, value...)
	*t = binary.LittleEndian.AppendUint32(*t, 1)
	return true
}

// remove counts a value once less and reports whether it is gone.
func (t *tally) remove(value []byte) (gone, ok bool) {
	at, from := t.find(value)
	if at < 0 {
		return false, false
	}
	n := (*t)[at:]
	if left := binary.LittleEndian.Uint32(n) - 1; left > 0 {
		binary.LittleEndian.PutUint32(n, left)
		return false, true
	}
	*t = append((*t)[:from], (*t)[at+tallyBytes:]...)
	return true, true
}

// each calls f for every value and how often it is there.
func (t tally) each(f func(item, value []byte, count uint32)) {
	for at := 0; at < len(t); {
		n, w := binary.Uvarint(t[at:])
		end := at + w + int(n) + tallyBytes
		f(t[at:end], t[at+w:end-tallyBytes], binary.LittleEndian.Uint32(t[end-tallyBytes:]))
		at = end
	}
}

func (c *counted) add(p *pages, value []byte) {
	switch c.mode {
	case countSketch:
		c.raise(p, value, 1)
		return
	case countNear:
		if c.items.add(value) {
			c.n++
		}
		if c.n > itemsMax {
			c.spill(p)
		}
		return
	}
	number := c.page(value)
	t := tally(append(c.scratch[:0], p.get(number)...))
	if t.add(value) {
		c.n++
	}
	p.put(number, t)
	c.scratch = t
	if c.n > agg.ExactMax {
		c.leaveExact(p)
	}
}

func (c *counted) remove(p *pages, value []byte) bool {
	switch c.mode {
	case countSketch:
		return c.lower(p, value)
	case countNear:
		gone, ok := c.items.remove(value)
		if gone {
			c.n--
		}
		return ok
	}
	number := c.page(value)
	t := tally(append(c.scratch[:0], p.get(number)...))
	gone, ok := t.remove(value)
	p.put(number, t)
	c.scratch = t
	if gone {
		if c.n--; c.n == 0 {
			c.mode = countNear
		}
	}
	return ok
}

// spill moves all items to pages.
func (c *counted) spill(p *pages) {
	c.mode = countFar
	c.items.each(func(item, value []byte, _ uint32) {
		number := c.page(value)
		c.scratch = append(append(c.scratch[:0], p.get(number)...), item...)
		p.put(number, c.scratch)
	})
	c.items = c.items[:0]
}

// leaveExact makes a sketch of the values.
func (c *counted) leaveExact(p *pages) {
	c.mode, c.n = countSketch, 0
	for k := range uint64(countPages) {
		number := pageNumber(pageCounted, c.slot, k)
		c.items = append(c.items[:0], p.get(number)...)
		p.put(number, nil)
		c.items.each(func(_, value []byte, count uint32) { c.raise(p, value, count) })
	}
	c.items = c.items[:0]
}

// page is the number of the page of a value.
func (c *counted) page(value []byte) uint64 {
	return pageNumber(pageCounted, c.slot, xxh3.Hash(value)%countPages)
}

// A page of ranks has, for neighbouring registers, an entry for each rank that
// some value of the window gives to one: register, 2 bytes; rank, 1 byte; how
// many values, 4 bytes; in no order.
const rankBytes = 7

func (c *counted) rankPage(register uint16) uint64 {
	return pageNumber(pageRanks, c.slot, uint64(register)/(1<<14/rankPages))
}

// look finds the entry of a register and rank, -1 when it is not there, and the
// greatest rank of the register, and the greatest but for this one.
func look(page []byte, register uint16, rank uint8) (at int, most, others uint8) {
	at = -1
	for i := 0; i+rankBytes <= len(page); i += rankBytes {
		if binary.LittleEndian.Uint16(page[i:]) != register {
			continue
		}
		most = max(most, page[i+2])
		if page[i+2] == rank {
			at = i
		} else {
			others = max(others, page[i+2])
		}
	}
	return at, most, others
}

// raise adds a value some times to the sketch.
func (c *counted) raise(p *pages, value []byte, times uint32) {
	c.total += int(times)
	register, rank := agg.RegisterOf(value)
	number := c.rankPage(register)
	page := append(c.scratch[:0], p.get(number)...)
	at, most, _ := look(page, register, rank)
	if at < 0 {
		at = len(page)
		page = binary.LittleEndian.AppendUint16(page, register)
		page = append(page, rank, 0, 0, 0, 0)
		c.census.Move(most, max(most, rank))
	}
	count := page[at+3:]
	binary.LittleEndian.PutUint32(count, binary.LittleEndian.Uint32(count)+times)
	p.put(number, page)
	c.scratch = page
}

// lower takes a value out of the sketch; false when it was never there.
func (c *counted) lower(p *pages, value []byte) bool {
	register, rank := agg.RegisterOf(value)
	number := c.rankPage(register)
	page := append(c.scratch[:0], p.get(number)...)
	at, most, others := look(page, register, rank)
	if at < 0 {
		return false
	}
	count := page[at+3:]
	left := binary.LittleEndian.Uint32(count) - 1
	binary.LittleEndian.PutUint32(count, left)
	if left == 0 {
		page = append(page[:at], page[at+rankBytes:]...)
		c.census.Move(most, others)
	}
	p.put(number, page)
	c.scratch = page
	if c.total--; c.total == 0 {
		c.reset()
	}
	return true
}

// The encoding: the mode, one byte; then the number of values, and near their
// length and themselves; or of a sketch the number of values, repeated ones
// included, and the census.
func (c *counted) append(buf []byte) []byte {
	buf = append(buf, byte(c.mode))
	switch c.mode {
	case countSketch:
		return c.census.AppendTo(binary.AppendUvarint(buf, uint64(c.total)))
	case countFar:
		return binary.AppendUvarint(buf, uint64(c.n))
	}
	buf = binary.AppendUvarint(buf, uint64(c.n))
	buf = binary.AppendUvarint(buf, uint64(len(c.items)))
	return append(buf, c.items...)
}

func (c *counted) decode(r *cursor) {
	c.reset()
	switch c.mode = countMode(r.Byte()); c.mode {
	case countSketch:
		c.total = int(r.Uvarint())
		if b := r.Take(agg.CensusBytes); r.Bad || c.census.Decode(b) != nil {
			r.Bad = true
		}
	case countFar:
		c.n = int(r.Uvarint())
	case countNear:
		c.n = int(r.Uvarint())
		c.items = append(c.items, r.Bytes()...)
		if c.items.count() != c.n {
			r.Bad = true
		}
	default:
		r.Bad = true
	}
}

// count returns the number of items, -1 when they are corrupt.
func (t tally) count() (n int) {
	for c := cursorOn(t); len(c.Buf) > 0; n++ {
		c.Bytes()
		c.Take(tallyBytes)
		if c.Bad {
			return -1
		}
	}
	return n
}
