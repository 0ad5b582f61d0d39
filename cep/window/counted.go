package window

import (
	"bytes"
	"encoding/binary"
)

// counted counts the distinct values of a rolling window: how often each is in
// it. A few are in the state itself; of many each has a page, by its hash.
type counted struct {
	slot    int
	n       int
	spilled bool
	items   tally
	scratch []byte
	name    []byte // of a number
}

func (c *counted) reset() { c.n, c.spilled, c.items = 0, false, c.items[:0] }

// itemsMax is how many distinct values stay in the state.
const itemsMax = 24

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

func (c *counted) add(p *pages, value []byte) {
	if !c.spilled {
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
}

func (c *counted) remove(p *pages, value []byte) bool {
	t, number := c.items, uint64(0)
	if c.spilled {
		number = c.page(value)
		t = append(c.scratch[:0], p.get(number)...)
	}
	gone, ok := t.remove(value)
	if gone {
		c.n--
	}
	if !c.spilled {
		c.items = t
		return ok
	}
	p.put(number, t)
	c.scratch = t
	c.spilled = c.n > 0
	return ok
}

// spill moves all items to pages.
func (c *counted) spill(p *pages) {
	c.spilled = true
	for at := 0; at < len(c.items); {
		n, w := binary.Uvarint(c.items[at:])
		item := c.items[at : at+w+int(n)+tallyBytes]
		number := c.page(item[w : w+int(n)])
		c.scratch = append(append(c.scratch[:0], p.get(number)...), item...)
		p.put(number, c.scratch)
		at += len(item)
	}
	c.items = c.items[:0]
}

// page is the number of the page of a value, by the FNV-1a hash (G. Fowler, L.
// C. Noll, K.-P. Vo).
func (c *counted) page(value []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range value {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return pageNumber(pageCounted, c.slot, h^h>>pageLowBits)
}

// The encoding: the number of values times two, plus one when they are in
// pages; the length of the items; the items.
func (c *counted) append(buf []byte) []byte {
	head := uint64(c.n) << 1
	if c.spilled {
		head |= 1
	}
	buf = binary.AppendUvarint(buf, head)
	if !c.spilled {
		buf = binary.AppendUvarint(buf, uint64(len(c.items)))
		buf = append(buf, c.items...)
	}
	return buf
}

func (c *counted) decode(r *cursor) {
	head := r.uvarint()
	c.n, c.spilled, c.items = int(head>>1), head&1 != 0, c.items[:0]
	if c.spilled {
		return
	}
	c.items = append(c.items, r.take(r.uvarint())...)
	n := 0
	for check := (cursor{buf: c.items}); len(check.buf) > 0; n++ {
		check.take(check.uvarint())
		check.take(tallyBytes)
		if check.bad {
			r.bad = true
			return
		}
	}
	if n != c.n {
		r.bad = true
	}
}
