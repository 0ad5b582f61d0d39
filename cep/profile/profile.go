// Package profile keeps the histories that rules read as profile.NAME.VALUE
// (language §1): per key, panes of mergeable aggregates and the values last
// seen. Like the evaluators of rules it holds only scratch space; what it
// remembers of a key is bytes that its caller keeps. It is pure.
package profile

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
)

// A History writes and reads the state of one profile, a key at a time. It is
// owned by one goroutine.
type History struct {
	profile *prog.Profile
	frame   expr.Frame
	next    []byte // the state being written
	pane    []byte // one closed pane of it
	accs    []agg.Acc
	sum     []agg.Acc
	results []event.Value // of the aggregates of the opened state
	open    record        // the opened state
	at      int64         // number of the pane in which it was opened
	facts   *expr.Facts
	lists   [][]event.Value
	listed  []bool
}

// New returns the evaluator of a profile.
func New(p *prog.Profile) *History {
	n := len(p.Aggs.List)
	return &History{profile: p, accs: make([]agg.Acc, n), sum: make([]agg.Acc, n), results: make([]event.Value, n),
		lists: make([][]event.Value, len(p.Sets)), listed: make([]bool, len(p.Sets))}
}

// number is that of the pane that holds a time: panes begin at multiples of
// their length.
func (h *History) number(at int64) int64 {
	n := at / h.profile.Pane
	if at%h.profile.Pane < 0 {
		n--
	}
	return n
}

// Add returns the state of a key after ev, which comes after all events that
// the state has, and the time from which nothing of it matters. taken is false
// when the profile does not take the event: the state stays. The bytes are
// valid until the next call; errors counts conditions that ended in one.
func (h *History) Add(state []byte, ev *event.Event, facts *expr.Facts) (next []byte, dies int64, taken bool, errors int) {
	h.frame = expr.Frame{Event: ev, Facts: facts}
	if w := h.profile.Where; w != nil {
		truth, ok := w.Holds(&h.frame)
		if !ok {
			errors++
		}
		if !truth || !ok {
			return nil, 0, false, errors
		}
	}
	at := h.number(ev.Time)
	r := h.read(state, at)
	if at > r.newest {
		h.turn(&r, at)
	}
	h.take(r.accs)
	h.write(&r)
	return h.next, (at + 1 + h.profile.Panes) * h.profile.Pane, true, errors
}

// turn closes the newest pane, drops those that are past, and adds the rest
// up, so that reading need not.
func (h *History) turn(r *record, at int64) {
	if len(h.accs) == 0 {
		r.newest = at
		return
	}
	h.pane = h.pane[:0]
	kept := 0
	r.closed.each(func(number int64, accs []byte) {
		if number >= at-h.profile.Panes {
			h.pane = appendPane(h.pane, number, accs)
			kept++
		}
	})
	if r.newest >= at-h.profile.Panes && r.full {
		h.pane = appendPane(h.pane, r.newest, h.appendAccs(nil, r.accs))
		kept++
	}
	r.closed = panes{n: kept, buf: slices.Clone(h.pane)}
	clear(r.accs)
	r.merged = h.merge(r.closed, at-h.profile.Panes)
	r.newest, r.full = at, false
}

// merge adds up the closed panes from number from on.
func (h *History) merge(p panes, from int64) []agg.Acc {
	clear(h.sum)
	p.each(func(number int64, buf []byte) {
		if number < from {
			return
		}
		for i := range h.sum {
			var one agg.Acc
			var err error
			buf, err = one.Decode(buf, h.spec(i))
			mustRead(err)
			mustRead(h.sum[i].Merge(h.spec(i), &one))
		}
	})
	return h.sum
}

func (h *History) spec(i int) agg.Spec { return h.profile.Aggs.List[i].Spec }

// take gives the event to the aggregates: one that finds nothing in it leaves
// it out.
func (h *History) take(accs []agg.Acc) {
	for i := range accs {
		a := &h.profile.Aggs.List[i]
		switch {
		case a.Arg == nil:
			accs[i].Add(a.Spec, event.Value{})
		case a.Spec.Func == agg.Count:
			if truth, ok := a.Arg.Holds(&h.frame); truth && ok {
				accs[i].Add(a.Spec, event.Value{})
			}
		default:
			if v, ok := a.Arg.Eval(&h.frame); ok {
				accs[i].Add(a.Spec, v)
			}
		}
	}
}

// Open reads the state of a key as of a time: what Value and List answer from.
// The state must stay as it is until the next Open; facts are those of the
// expressions that read it.
func (h *History) Open(state []byte, now int64, facts *expr.Facts) {
	h.facts = facts
	h.at = h.number(now)
	h.open = h.read(state, h.at)
	clear(h.listed)
	from := h.at - h.profile.Panes
	sum := h.open.merged
	if h.open.closed.n > 0 && h.open.closed.oldest() < from {
		sum = h.merge(h.open.closed, from)
	}
	for i := range h.results {
		total := sum[i].Clone()
		if h.open.newest >= from {
			mustRead(total.Merge(h.spec(i), &h.open.accs[i]))
		}
		v, ok := total.Result(h.spec(i))
		if !ok {
			v = event.Value{}
		}
		h.results[i] = v
	}
}

// Value returns a single value of the opened state; false when it is an
// error: an average of nothing.
func (h *History) Value(i int) (event.Value, bool) {
	h.frame = expr.Frame{Aggs: h.results, Facts: h.facts}
	return h.profile.Values[i].Expr.Eval(&h.frame)
}

// List returns what a set of the opened state holds, most recently seen first;
// false when it holds nothing.
func (h *History) List(i int) ([]event.Value, bool) {
	set := h.profile.Values[i].Set
	if !h.listed[set] {
		h.listed[set] = true
		h.lists[set] = h.lists[set][:0]
		h.open.sets[set].each(func(number int64, _ []byte, v event.Value) {
			if number >= h.at-h.profile.Panes {
				h.lists[set] = append(h.lists[set], v)
			}
		})
	}
	return h.lists[set], len(h.lists[set]) > 0
}

// mustRead stops on state that this package did not write: storage is
// checksummed, so the engine itself is broken and no alert could be trusted.
func mustRead(err error) {
	if err != nil {
		panic(fmt.Sprintf("profile: %v", err))
	}
}

// write puts the state together, with the event in its sets.
func (h *History) write(r *record) {
	b := append(h.next[:0], format)
	b = binary.AppendVarint(b, r.newest)
	b = h.appendAccs(b, r.accs)
	b = binary.AppendUvarint(b, uint64(r.closed.n))
	b = binary.AppendUvarint(b, uint64(len(r.closed.buf)))
	b = append(b, r.closed.buf...)
	if r.closed.n > 0 {
		b = h.appendAccs(b, r.merged)
	}
	for i := range r.sets {
		b = h.appendSet(b, i, r)
	}
	h.next = b
}

func (h *History) appendAccs(b []byte, accs []agg.Acc) []byte {
	for i := range accs {
		b = accs[i].AppendTo(b, h.spec(i))
	}
	return b
}

// appendSet writes a set with what the event has first, without what is past
// or more than limits.set.
func (h *History) appendSet(b []byte, i int, r *record) []byte {
	seen, ok := h.profile.Sets[i].Eval(&h.frame)
	h.pane = h.pane[:0]
	n := 0
	if ok {
		seen = plain(seen)
		h.pane = event.AppendValue(binary.AppendVarint(h.pane, r.newest), seen)
		n++
	}
	r.sets[i].each(func(number int64, entry []byte, v event.Value) {
		if number >= r.newest-h.profile.Panes && !(ok && v == seen) && n < h.profile.SetMax {
			h.pane = append(h.pane, entry...)
			n++
		}
	})
	b = binary.AppendUvarint(b, uint64(n))
	b = binary.AppendUvarint(b, uint64(len(h.pane)))
	return append(b, h.pane...)
}

// plain makes equal doubles the same value: −0 is 0.
func plain(v event.Value) event.Value {
	if v.Type() == event.Double && v.Double() == 0 {
		return event.DoubleOf(0)
	}
	return v
}
