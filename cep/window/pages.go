package window

import "github.com/caltrop/caltrop/cep/match"

// pages are the parts of a key's state that one event does not touch.
type pages struct {
	key   []byte
	store match.Paging
}

// What a page holds; with the slot of an aggregate it is the high part of a
// page's number.
const (
	pageEntries = iota
	pageTrail
	pageCounted
	pageRanks
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
func (p *pages) get(number uint64) []byte { return p.store.Page(p.key, number) }

// put replaces a page; an empty one is removed.
func (p *pages) put(number uint64, page []byte) { p.store.PutPage(p.key, number, page) }
