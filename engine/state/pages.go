package state

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// Pages are what a cut has copied, on its way from the owner of the Store to Link.
type pages struct {
	mu struct {
		sync.Mutex
		full []*pebble.Batch
		last bool // nothing comes after full
		err  error
	}
	more *sync.Cond
}

const (
	pageBytes  = 256 << 10
	pageSlack  = 16 << 10 // of the record that fills a page; a larger one costs a copy
	pagesAhead = 4        // pages that may wait for Link before Copy does
)

func (p *pages) init() { p.more = sync.NewCond(&p.mu) }

func (p *pages) put(b *pebble.Batch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.full = append(p.mu.full, b)
	p.more.Signal()
}

// end says that this was all, or why there is no more.
func (p *pages) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.last, p.mu.err = true, err
	p.more.Signal()
}

func (p *pages) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.mu.full)
}

// take waits for the next page; nil is the end.
func (p *pages) take() (*pebble.Batch, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.mu.full) == 0 && !p.mu.last {
		p.more.Wait()
	}
	if p.mu.err != nil || len(p.mu.full) == 0 {
		return nil, p.mu.err
	}
	b := p.mu.full[0]
	p.mu.full = p.mu.full[1:]
	return b, nil
}
