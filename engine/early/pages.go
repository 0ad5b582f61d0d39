package early

import (
	"math"

	"github.com/caltrop/caltrop/cep/match"
)

var _ match.Paging = (*Ahead)(nil)

// A page is one that a view's evaluator has changed and the watermark's has
// not: the others are read from the state of the watermark, so that a view
// costs what it changes, however large a key's state is. Both see the same
// events in the same order and so change the same pages in the same order;
// when the watermark's has made all the changes, its page is the view's.
type page struct {
	bytes []byte
	ahead int // changes that the watermark has yet to make
}

// page returns the view's own page of a number, which is new if there is none.
func (v *View) page(number uint64) *page {
	p := v.pages[number]
	if p == nil {
		if v.pages == nil {
			v.pages = map[uint64]*page{}
		}
		p = &page{}
		v.pages[number] = p
	}
	return p
}

// Caught tells the view that a page of the watermark's state was changed.
func (v *View) Caught(number uint64) {
	p := v.pages[number]
	if p == nil {
		return
	}
	if p.ahead--; p.ahead <= 0 {
		delete(v.pages, number)
	}
}

// Yield calls put with the pages that the watermark's state lacks, by rising
// number, as that becomes the view's: after a Pop of the last event that was run.
func (v *View) Yield(put func(number uint64, page []byte)) {
	for len(v.pages) > 0 {
		least := uint64(math.MaxUint64)
		for number := range v.pages {
			least = min(least, number)
		}
		p := v.pages[least]
		delete(v.pages, least)
		put(least, p.bytes)
	}
}

// Page implements match.Paging.
func (a *Ahead) Page(key []byte, number uint64) []byte {
	if p := a.view.pages[number]; p != nil {
		return p.bytes
	}
	return a.World.Page(key, number)
}

// PutPage implements match.Paging.
func (a *Ahead) PutPage(_ []byte, number uint64, bytes []byte) {
	p := a.view.page(number)
	p.bytes = append(p.bytes[:0], bytes...)
	p.ahead++
}

// Edit implements match.Paging.
func (a *Ahead) Edit([]byte) []byte {
	a.view.items[a.view.run].wrote = true
	return a.Get(nil)
}
