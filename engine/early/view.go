package early

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
)

// An Item is a held event as one rule and key sees it.
type Item struct {
	Event *event.Event
	Epoch uint32 // of acceptance
	Roles uint64 // match.Evaluator.Event
	Noted bool   // an alert was made of it: it may not be used again
}

// A View is one rule's outlook on one key: the events that the watermark has
// not passed, and the state after the last of them.
type View struct {
	items  []Item // in key order from head on
	head   int
	state  []byte
	fresh  bool  // state is that after the last item
	capped bool  // too many events to replay: the key is final
	until  int64 // capped: until the watermark has reached this time
}

// Len returns the number of events held.
func (v *View) Len() int { return len(v.items) - v.head }

// Items returns the events held, in key order. They are the view's.
func (v *View) Items() []Item { return v.items[v.head:] }

// Add files an event. It reports whether the event is the last in key order
// and the state that of the one before: then Run it alone, else run all.
func (v *View) Add(it Item, final []byte) (next bool) {
	if v.Len() == 0 {
		v.items, v.head = v.items[:0], 0
		v.state, v.fresh = append(v.state[:0], final...), true
	}
	at := len(v.items)
	for at > v.head && event.Compare(v.items[at-1].Event, it.Event) > 0 {
		at--
	}
	v.fresh = v.fresh && at == len(v.items)
	v.items = slices.Insert(v.items, at, it)
	return v.fresh
}

// Pop removes the first event if it is ev, which the watermark passes now. It
// reports whether the event was there, and whether an alert was made of it.
func (v *View) Pop(ev *event.Event) (ok, noted bool) {
	if v.Len() == 0 || v.items[v.head].Event != ev {
		return false, false
	}
	noted = v.items[v.head].Noted
	v.items[v.head] = Item{}
	v.head++
	v.capped = v.capped && ev.Time < v.until
	if v.head >= packAt && 2*v.head >= len(v.items) {
		v.items, v.head = slices.Delete(v.items, 0, v.head), 0
	}
	return true, noted
}

// packAt is how many places of popped events are kept at least.
const packAt = 16

// Begin goes back to the state of the watermark, to run all events.
func (v *View) Begin(final []byte) { v.state, v.fresh = append(v.state[:0], final...), true }

// Cap makes the key final until the watermark has reached the last event.
func (v *View) Cap() { v.CapUntil(v.items[len(v.items)-1].Event.Time) }

// CapUntil makes the key final until the watermark has reached a time, in µs.
func (v *View) CapUntil(until int64) { v.capped, v.until, v.fresh = true, until, false }

// Capped reports whether the key is final, and until when.
func (v *View) Capped() (until int64, ok bool) { return v.until, v.capped }

// Stale forgets the state, so that the next event makes all run.
func (v *View) Stale() { v.fresh = false }

// Note marks the event at a place as one that an alert was made of.
func (v *View) Note(at Place) {
	for i := v.head; i < len(v.items); i++ {
		if PlaceOf(v.items[i].Event) == at {
			v.items[i].Noted = true
		}
	}
}

// Clear empties the view for another use.
func (v *View) Clear() {
	clear(v.items)
	*v = View{items: v.items[:0], state: v.state[:0]}
}

// A World is what an evaluator sees besides its own state.
type World interface {
	Covered() int64
	Facts() *expr.Facts
}

// An Ahead is the match.Store of a view: evaluators run on the view's state,
// and deadlines, which early rules have only to clear up, are not kept.
type Ahead struct {
	World
	view *View
}

var _ match.Knowing = (*Ahead)(nil)

// Use makes the evaluator see a view's state.
func (a *Ahead) Use(v *View) { a.view = v }

// Get implements match.Store.
func (a *Ahead) Get([]byte) []byte {
	if len(a.view.state) == 0 {
		return nil
	}
	return a.view.state
}

// Put implements match.Store.
func (a *Ahead) Put(_, state []byte) { a.view.state = append(a.view.state[:0], state...) }

// Timer implements match.Store.
func (a *Ahead) Timer([]byte, int64) {}
