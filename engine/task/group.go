package task

import (
	"cmp"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// A group is the rules over one set of streams, those of the profiles they
// read included: they share a watermark, the least of the streams', and the
// events held for it.
type group struct {
	id        uint32 // the wheel of its timers
	streams   []int  // positions in Task.streams, rising
	asides    []int  // those of streams that only profiles read
	above     bool   // its rules read alerts
	ahead     bool   // something of it looks ahead of the watermark
	mark      int64  // the watermark applied
	first     int64  // time of the first event read by rules; unset before
	held      queue
	slots     []*slot    // by rule name, then age
	histories []*history // of the profiles that the rules read
	cohorts   []*cohort
	feeds     []feed                  // by position in streams
	spans     map[*event.Schema]int64 // of a Switch: how far held events reach
	dying     int                     // slots that only finish what is held
	due       deadline
}

// A deadline is the earliest of a group's timers, remembered until one may
// have changed.
type deadline struct {
	at    int64
	is    bool   // there is one
	since uint64 // Task.timers when it was asked for; 0: never
}

// A feed is what one stream of a group goes to, by revision of the stream:
// usually one.
type feed struct {
	keyers    []*keyer
	routes    []route
	histories []*history
	schemas   []*event.Schema // that its rules and histories were compiled against
}

// A route is what the events of one schema go to.
type route struct {
	schema  *event.Schema
	taps    []tap
	sieve   *match.Sieve
	early   bool // some rule of it looks ahead of the watermark
	members [1]uint64
	sheet   *match.Sheet
	musters []muster
}

// A tap leads from a stream to one slot: a key a role.
type tap struct {
	slot  *slot
	roles []*keyer
}

// A reader is a group that reads a stream, and the stream's feed there.
type reader struct {
	group *group
	feed  uint16
	aside bool // only profiles read it there
}

// hold files an accepted event with every group that reads its stream.
func (t *Task) hold(st *stream, ev *event.Event) {
	if len(st.readers) == 0 {
		t.recycle(ev)
		return
	}
	t.weigh(ev, len(st.readers))
	for _, r := range st.readers {
		if r.group.first == unset && !r.aside {
			r.group.begin(ev.Time)
		}
		h := held{time: ev.Time, ev: ev, epoch: t.epoch, feed: r.feed}
		if r.group.ahead {
			t.foretell(r.group, &h)
			t.foresee(r.group, &h)
			t.rectify(r.group)
		}
		r.group.held.push(&h)
	}
}

// let takes a group's hold off an event, which may be used again when no group
// and no alert has it.
func (t *Task) let(ev *event.Event) {
	if ev.Hold.Queues--; ev.Hold.Queues > 0 {
		return
	}
	t.heldBytes -= int64(ev.Hold.Bytes)
	if !ev.Hold.Kept {
		t.recycle(ev)
	}
}

// begin notes the first event that the group reads: from its time on the
// states of its rules cover everything.
func (g *group) begin(at int64) {
	g.first = at
	for _, s := range g.slots {
		if s.covered == unset {
			s.covered = at
		}
	}
}

// route lays out which groups read each stream.
func (t *Task) route() {
	for i := range t.streams {
		t.streams[i].readers = t.streams[i].readers[:0]
		if t.cfg.Keyed {
			t.streams[i].hotFields = t.saltedKey(t.streams[i].name)
		}
	}
	for _, g := range t.groups {
		for feed, i := range g.streams {
			t.streams[i].readers = append(t.streams[i].readers, reader{g, uint16(feed), slices.Contains(g.asides, i)})
		}
	}
}

// advance brings a group up to its watermark; those over alerts follow the
// others, see advanceReaders.
func (t *Task) advance(g *group) {
	if g.above {
		return
	}
	least := int64(ended)
	for _, i := range g.streams {
		least = min(least, t.streams[i].mark)
	}
	if least > g.mark {
		if t.run(g, least); t.failed != nil {
			return
		}
		g.mark = least
		t.retire(g)
		t.cfg.State.Passed(g.id, least)
	}
}

// run applies the deadlines d with d-1 <= to and the events up to to, in the
// order of time; at one time deadlines come first.
func (t *Task) run(g *group, to int64) {
	for !t.stopped() {
		h, isEvent := g.held.first()
		isEvent = isEvent && h.time <= to
		at, isTimer := t.earliest(g)
		isTimer = isTimer && at-1 <= to
		switch {
		case isTimer && (!isEvent || at <= h.time):
			t.fire(g, at)
		case isEvent:
			t.deliver(g, h)
			g.held.pop()
		default:
			return
		}
	}
}

// earliest returns the group's earliest timer. The State is asked again only
// when a timer may have changed.
func (t *Task) earliest(g *group) (at int64, ok bool) {
	if g.due.since != t.timers {
		g.due.since = t.timers
		g.due.at, g.due.is = t.cfg.State.Earliest(g.id)
	}
	return g.due.at, g.due.is
}

// fire runs the deadlines due at one time, in the order of rule name and key;
// a suppression period ends before anything else of its key happens.
func (t *Task) fire(g *group, at int64) {
	t.now, t.since = at, t.epoch
	t.timers++
	t.fired = t.cfg.State.Take(g.id, at, t.fired[:0])
	t.dues = t.dues[:0]
	for _, f := range t.fired {
		t.dues = append(t.dues, t.due(f))
	}
	slices.SortFunc(t.dues, compareDue)
	for _, d := range t.dues {
		switch {
		case t.stopped():
			return
		case d.books != nil:
			t.endPeriod(d.books, []byte(d.key), at)
		case d.slot != nil:
			t.expire(d, at)
		}
	}
}

// expire runs one deadline of a slot.
func (t *Task) expire(d dueTimer, at int64) {
	t.moment++
	t.expiring = append(t.expiring[:0], d.key...)
	key := t.expiring
	d.slot.store.key, d.slot.store.wrote = key, false
	if d.pulse {
		t.beat(d.slot, key, at)
		return
	}
	if d.slot.withdrawn {
		return
	}
	d.slot.eval.Deadline(key, at, &d.slot.store, &t.out)
	if d.slot.store.wrote {
		d.slot.unsettle(key)
	}
	if d.slot.keeper != nil {
		t.handOver(d.slot, key)
	}
	t.collect(d.slot, key, nil, d.slot.raises(t.epoch))
	switch {
	case d.slot.shown == nil:
	case d.slot.died == alive:
		t.turns(d.slot, key)
	default:
		t.lapsed(d.slot, key)
	}
}

// A dueTimer is a timer with what it belongs to: a slot or a rule's books,
// neither when that is gone.
type dueTimer struct {
	name  string
	key   string
	slot  *slot
	books *books
	pulse bool // of the slot's view, not of its window
}

func (t *Task) due(f Timer) dueTimer {
	if s := t.slots[f.Slot]; s != nil {
		return dueTimer{name: s.rule.Name, key: f.Key, slot: s}
	}
	if s := t.slots[f.Slot&^pulseBit]; s != nil {
		return dueTimer{name: s.rule.Name, key: f.Key, slot: s, pulse: true}
	}
	for name, b := range t.books {
		if b.slot == f.Slot {
			return dueTimer{name: name, key: f.Key, books: b}
		}
	}
	return dueTimer{}
}

func compareDue(a, b dueTimer) int {
	if c := strings.Compare(a.name, b.name); c != 0 {
		return c
	}
	if c := strings.Compare(a.key, b.key); c != 0 {
		return c
	}
	if c := cmp.Compare(a.age(), b.age()); c != 0 || a.pulse == b.pulse {
		return c
	}
	if a.pulse { // a window that ends has nothing left to publish
		return 1
	}
	return -1
}

func (d dueTimer) age() uint32 {
	if d.slot == nil {
		return 0
	}
	return d.slot.id
}
