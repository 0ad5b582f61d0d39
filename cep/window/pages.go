package window

import (
	"encoding/binary"
	"slices"

	"github.com/caltrop/caltrop/cep/match"
)

// pages are the parts of a key's state that one event does not touch. They are
// in the store where it keeps pages, else within the state itself.
type pages struct {
	key  []byte
	far  match.Paging // nil: near
	near []nearPage   // by number
}

type nearPage struct {
	number uint64
	bytes  []byte
}

// What a page holds; with the slot of an aggregate it is the high part of a
// page's number.
const (
	pageEntries = iota
	pageSuffix
	pageTrail
	pageCounted
	pageRanked
	pageKinds
)

// pageLowBits is the width of the low part of a page's number.
const pageLowBits = 40

// pageNumber is the number of a page of a slot.
func pageNumber(kind, slot int, low uint64) uint64 {
	return uint64(slot*pageKinds+kind)<<pageLowBits | low&(1<<pageLowBits-1)
}

// get returns a page; it is valid until the next call and must not be changed.
func (p *pages) get(number uint64) []byte {
	if p.far != nil {
		return p.far.Page(p.key, number)
	}
	if i, ok := p.find(number); ok {
		return p.near[i].bytes
	}
	return nil
}

// put replaces a page; an empty one is removed.
func (p *pages) put(number uint64, page []byte) {
	if p.far != nil {
		p.far.PutPage(p.key, number, page)
		return
	}
	i, ok := p.find(number)
	switch {
	case len(page) == 0 && ok:
		p.near = slices.Delete(p.near, i, i+1)
	case len(page) == 0:
	case ok:
		p.near[i].bytes = slices.Clone(page)
	default:
		p.near = slices.Insert(p.near, i, nearPage{number, slices.Clone(page)})
	}
}

func (p *pages) find(number uint64) (int, bool) {
	return slices.BinarySearchFunc(p.near, number, func(q nearPage, n uint64) int {
		switch {
		case q.number < n:
			return -1
		case q.number > n:
			return 1
		}
		return 0
	})
}

// append writes the near pages: their count, then each: number, length, bytes.
func (p *pages) append(buf []byte) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(p.near)))
	for _, q := range p.near {
		buf = binary.AppendUvarint(buf, q.number)
		buf = binary.AppendUvarint(buf, uint64(len(q.bytes)))
		buf = append(buf, q.bytes...)
	}
	return buf
}

func (c *cursor) pages(to []nearPage) []nearPage {
	for n := c.uvarint(); n > 0 && !c.bad; n-- {
		q := nearPage{number: c.uvarint()}
		q.bytes = c.take(c.uvarint())
		if k := len(to); len(q.bytes) == 0 || k > 0 && to[k-1].number >= q.number {
			c.bad = true
		}
		to = append(to, q)
	}
	return to
}
