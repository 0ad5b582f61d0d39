package window

import (
	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/expr"
)

// A paned rule need not look at each window of a key: where one was found false,
// so is the next one with the same panes, and where a count was too low, any with
// some of them. It rests then until a pane leaves, or the last one, or one comes.

// A rest is a part of having that says so while it is false.
type rest struct {
	part  *expr.Part
	fewer bool // of windows with some of the panes too
}

// makeRests looks at the parts of having.
func (p *paned) makeRests() {
	if p.Having == nil || p.Shown {
		return
	}
	for i := range p.Having.Parts {
		part := &p.Having.Parts[i]
		rests, fewer := !part.More && len(part.Bounds) > 0, true
		for _, v := range part.Values {
			rests = rests && p.copies[v] >= 0
		}
		if !rests {
			continue
		}
		for _, b := range part.Bounds {
			fewer = fewer && b.Above && p.Window.Aggs.List[p.bounded(b)].Spec.Func == agg.Count
		}
		p.rests = append(p.rests, rest{part, fewer})
	}
}

// A calm is for which windows the one just judged speaks.
type calm uint8

const (
	calmNone  calm = iota
	calmSame       // those with the same panes
	calmFewer      // those with some of them
)

// calmed is for which windows the one that was just found false speaks.
func (p *paned) calmed() calm {
	c := calmNone
	for i := range p.rests {
		switch r := &p.rests[i]; {
		case c == calmSame && !r.fewer || !r.part.Denies(&p.frame):
		case r.fewer:
			return calmFewer
		default:
			c = calmSame
		}
	}
	return c
}

// leap moves on to the next window that the last one, which had all panes, does
// not speak for.
func (f *frames) leap(c calm, oldest, every int64) {
	switch c {
	case calmSame:
		f.next = max(f.next, min(oldest+every, f.newest.start))
	case calmFewer:
		f.next = max(f.next, f.newest.start)
	}
}
