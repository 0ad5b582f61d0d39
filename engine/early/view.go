package early

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
)

// An Item is a held event as one rule and key sees it.
type Item struct {
	Event *event.Event
	Roles uint64 // match.Evaluator.Event
	Epoch uint32 // of acceptance
	Noted bool   // an alert was made of it: it may not be used again

	// What running it gave; it is Known while nothing has changed before it.
	known   bool
	counted bool // there is something to count
	wrote   bool // the state changed
	timed   bool
	from    int32 // of the state after it, in View.states; -1 when it is not kept but while it is the last
	to      int32
	timer   int64 // µs, where timed
}

// Known reports whether running the event at the watermark gives what it gave
// ahead of it, and nothing that is to be counted.
func (it *Item) Known() bool { return it.known && !it.counted && (it.from >= 0 || !it.wrote) }

// Timer returns the deadline that the event has set, if any: 0 removes it.
func (it *Item) Timer() (at int64, ok bool) { return it.timer, it.timed }

// Wrote reports whether the event changed the state.
func (it *Item) Wrote() bool { return it.wrote }

// A View is one rule's outlook on one key: the events that the watermark has
// not passed, and copies of the state after each that was run. When the
// watermark has passed all of them, it has the state of the key.
type View struct {
	Key  string // of which it is
	Idle bool   // it is among those that became empty last

	items  []Item // in key order from head on
	head   int
	last   int64  // time of the last item, µs
	run    int    // the items before it are known
	live   bool   // from and to tell the state before item run
	states []byte // copies, in the order of their items
	from   int32
	to     int32
	pages  map[uint64]*page // of the state, see page
	capped bool             // too many events to replay: the key is final
	until  int64            // capped: until the watermark has reached this time
	calm   int              // see Calm
	lifts  uint8            // see Lift
	lifted int64            // time of the last event that lifts something
}

// Len returns the number of events held.
func (v *View) Len() int { return len(v.items) - v.head }

// Add files an event; those after it are to be run again.
func (v *View) Add(it Item) {
	if v.Len() == 0 {
		v.items, v.head, v.run = v.items[:0], 0, 0
	}
	at, last := len(v.items), v.last
	v.last = max(last, it.Event.Time)
	v.calm--
	if at == v.head || last < it.Event.Time { // the others' memory is cold
		v.items = append(v.items, it)
		return
	}
	for at > v.head && event.Compare(v.items[at-1].Event, it.Event) > 0 {
		at--
	}
	if v.items = slices.Insert(v.items, at, it); at == len(v.items)-1 {
		return
	}
	if at < v.run {
		v.run++
		v.rewind(at)
	}
}

// rewind goes back to the state before item at.
func (v *View) rewind(at int) {
	for i := at; i < v.run; i++ {
		v.items[i].known = false
	}
	v.run = at
	if at > v.head && v.items[at-1].from >= 0 {
		v.from, v.to, v.live = v.items[at-1].from, v.items[at-1].to, true
		v.states = v.states[:v.to]
		return
	}
	v.Stale()
}

// Rewind makes the events after ev run again, and reports whether there are
// any: what rules read besides has changed at ev.
func (v *View) Rewind(ev *event.Event) bool {
	at := len(v.items)
	for at > v.head && event.Compare(v.items[at-1].Event, ev) > 0 {
		at--
	}
	if at < v.run {
		v.rewind(at)
	}
	return at < len(v.items)
}

// Done reports whether no event is to be run.
func (v *View) Done() bool { return v.run == len(v.items) }

// Stale forgets what was run: the state of the key has changed, or is not read
// yet.
func (v *View) Stale() {
	for i := v.head; i < v.run; i++ {
		v.items[i].known = false
	}
	v.run, v.live, v.calm = v.head, false, 0
}

// Live reports whether the state before the first event that is to be run is
// at hand; else Begin must come before Next.
func (v *View) Live() bool { return v.live }

// Begin takes the state of the watermark, to run all events.
func (v *View) Begin(final []byte) {
	v.Stale()
	v.states = append(v.states[:0], final...)
	clear(v.pages)
	v.from, v.to, v.live = 0, int32(len(final)), true
}

// Next returns the next event to run, nil when all are. Ran must follow.
func (v *View) Next() *Item {
	if v.run == len(v.items) {
		return nil
	}
	it := &v.items[v.run]
	it.wrote, it.timed = false, false
	return it
}

// Ran ends the run of the event that Next returned. counted says that it gave
// something to count; kept that the copy of the state is all of the state.
func (v *View) Ran(counted, kept bool) {
	it := &v.items[v.run]
	it.known, it.counted = true, counted
	if it.from, it.to = v.from, v.to; !kept {
		it.from = -1
	}
	v.run++
}

// Bounds of the copies of states of a view, in bytes: of all of them, and of
// what of passed events is kept before it is packed.
const (
	statesMax  = 4 << 10
	statesPack = 512
)

// put makes state the one after the event under way. When the copies take too
// much room, or only says so, those of the events before it go.
func (v *View) put(state []byte, only bool) {
	passed := v.passed()
	switch {
	case only || len(v.states)-passed+len(state) > statesMax:
		v.drop()
	case passed > statesPack && passed > len(v.states)/2:
		v.pack(passed)
	}
	v.from = int32(len(v.states))
	v.states = append(v.states, state...)
	v.to = int32(len(v.states))
	v.items[v.run].wrote = true
}

// passed returns how many bytes of the copies are of events that the watermark
// has passed.
func (v *View) passed() int {
	if v.run > v.head {
		return max(int(v.items[v.head].from), 0)
	}
	return int(v.from)
}

func (v *View) drop() {
	for i := v.head; i < v.run; i++ {
		v.items[i].from = -1
	}
	v.states = v.states[:0]
}

func (v *View) pack(n int) {
	v.states = v.states[:copy(v.states, v.states[n:])]
	for i := v.head; i < v.run; i++ {
		if it := &v.items[i]; it.from >= 0 {
			it.from, it.to = it.from-int32(n), it.to-int32(n)
		}
	}
}

// Pop removes the first event if it is ev, which the watermark passes now.
func (v *View) Pop(ev *event.Event) (it Item, ok bool) {
	if v.Len() == 0 || v.items[v.head].Event != ev {
		return Item{}, false
	}
	it = v.items[v.head]
	v.items[v.head] = Item{}
	v.head++
	if v.run < v.head {
		v.run, v.live = v.head, false
	} else if v.run == v.head && it.known {
		it.from, it.to = v.from, v.to
	}
	v.capped = v.capped && ev.Time < v.until
	if v.head >= packAt && 2*v.head >= len(v.items) {
		v.items, v.run, v.head = slices.Delete(v.items, 0, v.head), v.run-v.head, 0
	}
	return it, true
}

// packAt is how many places of popped events are kept at least.
const packAt = 16

// State returns the state after an event just popped that was Known and wrote
// it. The bytes are the view's.
func (v *View) State(it *Item) []byte { return v.states[it.from:it.to] }

// Cap makes the key final until the watermark has reached the last event.
func (v *View) Cap() { v.CapUntil(v.items[len(v.items)-1].Event.Time) }

// CapUntil makes the key final until the watermark has reached a time, in µs.
func (v *View) CapUntil(until int64) {
	v.Stale()
	v.capped, v.until = true, until
}

// Capped reports whether the key is final, and until when.
func (v *View) Capped() (until int64, ok bool) { return v.until, v.capped }

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
	states := v.states[:0]
	if cap(states) > spareStates {
		states = nil
	}
	clear(v.pages)
	*v = View{items: v.items[:0], states: states, pages: v.pages}
}

// spareStates is how much room for states an empty view keeps, in bytes.
const spareStates = 4 << 10
