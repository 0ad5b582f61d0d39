package early

import (
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
)

// A World is what an evaluator sees besides its own state.
type World interface {
	Covered() int64
	Facts() *expr.Facts
	// Page returns a page of the watermark's state, as match.Paging.
	Page(key []byte, number uint64) []byte
}

// An Ahead is the match.Store of the views of one rule: evaluators run on the
// state of the view in use. Deadlines, which early rules have only to clear
// up, do not fire there; they are noted for when the watermark comes.
type Ahead struct {
	World
	// Paged says that the evaluator keeps pages. Then only the state after a
	// view's last event is kept, and the events before it are run again at the
	// watermark.
	Paged bool
	view  *View
	bytes int // of the copies of states
}

var _ match.Knowing = (*Ahead)(nil)

// aheadBytesMax bounds what the copies of states of one rule take. Past it a
// view keeps only the state after its last event; events are then run again
// when the watermark passes them.
const aheadBytesMax = 64 << 20

// Use makes the evaluator see a view's state.
func (a *Ahead) Use(v *View) { a.view = v }

// Add files an event with a view.
func (a *Ahead) Add(v *View, it Item) {
	a.bytes -= len(v.states)
	v.Add(it)
	a.bytes += len(v.states)
}

// Begin begins a view with the state of the watermark.
func (a *Ahead) Begin(v *View, final []byte) {
	a.bytes -= len(v.states)
	v.Begin(final)
	a.bytes += len(v.states)
}

// Clear empties a view for another use.
func (a *Ahead) Clear(v *View) {
	a.bytes -= len(v.states)
	v.Clear()
}

// Get implements match.Store.
func (a *Ahead) Get([]byte) []byte {
	v := a.view
	if v.from == v.to {
		return nil
	}
	return v.states[v.from:v.to]
}

// Put implements match.Store.
func (a *Ahead) Put(_, state []byte) {
	a.bytes -= len(a.view.states)
	a.view.put(state, a.Paged || a.bytes > aheadBytesMax)
	a.bytes += len(a.view.states)
}

// Timer implements match.Store.
func (a *Ahead) Timer(_ []byte, at int64) {
	it := &a.view.items[a.view.run]
	it.timer, it.timed = at, true
}
