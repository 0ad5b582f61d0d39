package state

import (
	"fmt"
	"math"
	"slices"

	"github.com/caltrop/caltrop/engine/task"
)

// Options are a Store's.
type Options struct {
	// Bytes is the budget of the heap part; 0 means no bound. Past it cold
	// records leave the heap. Only a Store with a database has a budget.
	Bytes int
	// Keys bounds the records in the heap; 0 means no bound. Tests use 1.
	Keys int
	// Timers bounds the deadlines in the heap; 0 means 1<<20. The others wait
	// in the database.
	Timers int
}

func (o Options) withDefaults() Options {
	if o.Timers == 0 {
		o.Timers = timersMax
	}
	if o.Bytes == 0 {
		o.Bytes = math.MaxInt
	}
	if o.Keys == 0 {
		o.Keys = math.MaxInt
	}
	return o
}

const timersMax = 1 << 20

// A Store implements task.State. It is owned by one goroutine, but for
// Cut.Link, which may run beside it.
type Store struct {
	opts   Options
	arena  arena // of records
	names  arena // of deadlines
	table  table
	slots  map[uint32]uint32 // slot to wheel
	wheels []*timers         // by wheel, nil where none is open
	db     *disk             // nil: everything stays in the heap
	err    error

	hand    int // of the clock that evicts
	sweep   int // of the search for the dead
	packing packing
	passes  int // calls of Passed
	burial  burial
	dirty   []uint32 // hashes of records that have changed since the last cut began
	spare   []uint32 // room for them
	dropped []uint32
	cut     *Cut   // under way
	next    uint16 // number of the cut after it
	stats   Stats
}

var _ task.State = (*Store)(nil)

// Stats are totals since the Store was made.
type Stats struct {
	Misses  uint64 // reads that asked the database
	Evicted uint64
	Looked  uint64 // places that were looked at for what may be evicted
	Written uint64 // records written to the database
	Expired uint64
	// Searched are records of the database that were looked at, as they might be dead.
	Searched uint64
}

// NewMemory returns a Store without a database: for `match` and tests.
func NewMemory() *Store { return newStore(Options{}, nil) }

func newStore(o Options, db *disk) *Store {
	return &Store{opts: o.withDefaults(), slots: map[uint32]uint32{}, db: db, burial: newBurial(), next: 1}
}

// Open implements task.State.
func (s *Store) Open(slot task.Slot) {
	s.slots[slot.ID] = slot.Wheel
	if s.wheel(slot.Wheel) == nil {
		t := &timers{horizon: math.MaxInt64, trimAt: timersSlack, mark: math.MinInt64}
		if s.db != nil {
			t.horizon = math.MinInt64
		}
		for int(slot.Wheel) >= len(s.wheels) {
			s.wheels = append(s.wheels, nil)
		}
		s.wheels[slot.Wheel] = t
	}
}

// wheel returns the timers of a wheel, nil when it was never opened.
func (s *Store) wheel(n uint32) *timers {
	if int(n) < len(s.wheels) {
		return s.wheels[n]
	}
	return nil
}

// marks returns the event times of the wheels.
func (s *Store) marks() map[uint32]int64 {
	marks := map[uint32]int64{}
	for i, t := range s.wheels {
		if t != nil {
			marks[uint32(i)] = t.mark
		}
	}
	return marks
}

// Err implements task.State.
func (s *Store) Err() error { return s.err }

// Stats returns the totals.
func (s *Store) Stats() Stats { return s.stats }

// Len returns the records in the heap.
func (s *Store) Len() int { return s.table.count }

// Count returns how many records in the heap are of slots that which picks.
func (s *Store) Count(which func(slot uint32) bool) int {
	n := 0
	for _, e := range s.table.entries {
		if e != 0 && which(record(s.arena.at(ref(e))).slot()) {
			n++
		}
	}
	return n
}

// Bytes returns the heap memory that records, deadlines and their index take,
// without what lies idle between them: at most a quarter more, see pack.
func (s *Store) Bytes() int {
	n := s.arena.used + s.names.used + s.table.bytes()
	for _, t := range s.wheels {
		if t != nil {
			n += cap(t.heap) * deadlineBytes
		}
	}
	return n
}

const deadlineBytes = 16

// Full reports whether the heap is over its budget and nothing may be evicted
// until the cut under way is linked: the driver pauses reading.
func (s *Store) Full() bool { return s.over() && s.underway() }

// Get implements task.State.
func (s *Store) Get(slot uint32, key []byte) []byte {
	r := s.load(hashOf(slot, key), slot, key)
	if r == nil || r.valueLen() == 0 {
		return nil
	}
	return r.value()
}

// Edit implements task.State.
func (s *Store) Edit(slot uint32, key []byte, dies int64) []byte {
	hash := hashOf(slot, key)
	r := s.load(hash, slot, key)
	if r == nil || r.valueLen() == 0 {
		return nil
	}
	s.preserve(r)
	r.setDies(dies)
	s.touch(r, hash)
	return r.value()
}

// load finds a record in the heap or brings it there; nil when there is none.
func (s *Store) load(hash, slot uint32, key []byte) record {
	if i := s.table.find(&s.arena, hash, slot, key); i >= 0 {
		r := record(s.arena.at(ref(s.table.entries[i])))
		r.set(flagTouched)
		return r
	}
	if s.db == nil || s.err != nil {
		return nil
	}
	s.stats.Misses++
	img, ok, err := s.db.get(slot, key)
	if err != nil {
		s.fail(err)
		return nil
	}
	if !ok {
		return nil
	}
	return s.insert(hash, slot, key, img, flagOnDisk)
}

// An image is the content of a record.
type image struct {
	value []byte
	timer int64
	dies  int64
}

func (s *Store) insert(hash, slot uint32, key []byte, img image, flags uint16) record {
	if img.dies != task.Never {
		s.reap()
	}
	at := s.arena.alloc(headBytes + len(key) + len(img.value))
	r := record(s.arena.at(at))
	r.fill(slot, key, img.value, img.timer, img.dies, flags|flagTouched)
	s.table.insert(hash, at)
	s.evict(at)
	return r
}

// Put implements task.State.
func (s *Store) Put(slot uint32, key, value []byte, dies int64) {
	hash := hashOf(slot, key)
	r := s.load(hash, slot, key)
	switch {
	case r == nil && len(value) == 0:
		return
	case r == nil:
		s.touch(s.insert(hash, slot, key, image{value: value, dies: dies}, 0), hash)
		return
	case len(key) > math.MaxUint16:
		s.fail(fmt.Errorf("a key of %d bytes: the limit is %d", len(key), math.MaxUint16))
		return
	}
	s.preserve(r)
	r = s.resize(r, hash, value)
	r.setDies(dies)
	s.settle(r, hash)
	s.evict(0)
}

// resize gives the record a new value, in a new block when the old one does
// not fit.
func (s *Store) resize(r record, hash uint32, value []byte) record {
	oldSize, newSize := r.size(), headBytes+r.keyLen()+len(value)
	if oldClass, _ := class(oldSize); oldClass != firstOf(class(newSize)) {
		i := s.table.find(&s.arena, hash, r.slot(), r.key())
		old := ref(s.table.entries[i])
		at := s.arena.alloc(newSize)
		n := record(s.arena.at(at))
		n.fill(r.slot(), r.key(), value, r.timer(), r.dies(), r.flags())
		s.table.entries[i] = entryOf(hash, at)
		s.arena.release(old, oldSize)
		return n
	}
	copy(r[headBytes+r.keyLen():], value)
	r.setValueLen(len(value))
	return r
}

func firstOf(c, _ int) int { return c }

// settle marks a changed record, or removes it when it says nothing any more.
func (s *Store) settle(r record, hash uint32) {
	if r.empty() && !r.has(flagOnDisk) {
		s.free(s.table.find(&s.arena, hash, r.slot(), r.key()))
		return
	}
	s.touch(r, hash)
}

// touch marks a record as changed since it was last written.
func (s *Store) touch(r record, hash uint32) {
	if s.db == nil || r.has(flagDirty) {
		return
	}
	r.set(flagDirty)
	r.setCut(s.next)
	if len(s.dirty) > 2*len(s.table.entries) {
		s.relist()
	}
	s.dirty = append(s.dirty, hash)
}

// relist makes the list of changed records anew, without those that were written
// and evicted since.
func (s *Store) relist() {
	s.dirty = s.dirty[:0]
	for _, e := range s.table.entries {
		if e == 0 {
			continue
		}
		if r := record(s.arena.at(ref(e))); r.has(flagDirty) && r.cut() == s.next {
			s.dirty = append(s.dirty, uint32(e>>32))
		}
	}
}

// free removes the record at a place of the table.
func (s *Store) free(i int) {
	at := ref(s.table.entries[i])
	size := record(s.arena.at(at)).size()
	s.table.remove(i)
	s.arena.release(at, size)
}

// SetTimer implements task.State.
func (s *Store) SetTimer(slot uint32, key []byte, at int64) {
	hash := hashOf(slot, key)
	r := s.load(hash, slot, key)
	if r == nil && at == 0 || r != nil && r.timer() == at {
		return
	}
	t := s.wheel(s.slots[slot])
	if at != 0 {
		t.push(deadline{at, slot, s.names.putName(key)})
	}
	if r == nil {
		s.touch(s.insert(hash, slot, key, image{timer: at, dies: task.Never}, 0), hash)
	} else {
		s.preserve(r)
		t.moved(r.timer())
		r.setTimer(at)
		s.settle(r, hash)
	}
	s.trim(t)
}

// Earliest implements task.State.
func (s *Store) Earliest(wheel uint32) (int64, bool) {
	t := s.wheel(wheel)
	if t == nil {
		return 0, false
	}
	for {
		for len(t.heap) > 0 && t.heap[0].at < t.horizon {
			if t.sure || s.owner(t.heap[0]) != nil {
				t.sure = true
				return t.heap[0].at, true
			}
			s.names.releaseName(t.pop().name)
		}
		if t.horizon == math.MaxInt64 || !s.extend(wheel, t) {
			return 0, false
		}
	}
}

// owner returns the record that a deadline is of, nil when it is of none any more.
func (s *Store) owner(d deadline) record {
	if _, open := s.slots[d.slot]; !open {
		return nil
	}
	name := s.names.nameOf(d.name)
	if r := s.load(hashOf(d.slot, name), d.slot, name); r != nil && r.timer() == d.at {
		return r
	}
	return nil
}

// Take implements task.State.
func (s *Store) Take(wheel uint32, at int64, buf []task.Timer) []task.Timer {
	t := s.wheel(wheel)
	for len(t.heap) > 0 && t.heap[0].at == at {
		d := t.pop()
		if r := s.owner(d); r != nil {
			buf = append(buf, task.Timer{Slot: d.slot, Key: string(r.key())})
			s.preserve(r)
			r.setTimer(0)
			s.settle(r, hashOf(d.slot, r.key()))
		}
		s.names.releaseName(d.name)
	}
	return buf
}

// extend brings the next deadlines of the wheel from the database, and
// reports whether there may be any in the heap now.
func (s *Store) extend(wheel uint32, t *timers) bool {
	if s.err != nil {
		return false
	}
	next, err := s.db.deadlines(wheel, t.horizon, timersLoad, func(at int64, slot uint32, key []byte) {
		t.push(deadline{at, slot, s.names.putName(key)})
	})
	if err != nil {
		s.fail(err)
		return false
	}
	t.horizon = next
	return true
}

// timersLoad is how many deadlines come from the database at a time.
const timersLoad = 4096

// trim keeps the number of deadlines in the heap within bounds: stale ones
// go, and with a database those far ahead whose records it holds.
func (s *Store) trim(t *timers) {
	if len(t.heap) < t.trimAt {
		return
	}
	horizon := t.horizon
	if s.db != nil && len(t.heap) > s.opts.Timers {
		times := make([]int64, len(t.heap))
		for i, d := range t.heap {
			times[i] = d.at
		}
		slices.Sort(times)
		horizon = min(horizon, times[s.opts.Timers/2])
	}
	t.keep(func(d deadline) bool {
		stays := s.needs(d, horizon)
		if !stays {
			s.names.releaseName(d.name)
		}
		return stays
	})
	s.packNames()
	t.horizon = horizon
	t.trimAt = 2*len(t.heap) + timersSlack
}

// timersSlack is how many stale deadlines may always stay.
const timersSlack = 1024

// needs reports whether a deadline must stay in the heap: it is its record's,
// and the database does not know it or it is before the horizon.
func (s *Store) needs(d deadline, horizon int64) bool {
	key := s.names.nameOf(d.name)
	i := s.table.find(&s.arena, hashOf(d.slot, key), d.slot, key)
	if i < 0 {
		return s.db != nil && d.at < horizon
	}
	r := record(s.arena.at(ref(s.table.entries[i])))
	return r.timer() == d.at && (d.at < horizon || r.has(flagDirty) || s.pinned(r))
}

// Passed implements task.State. Now and then a call looks at a few records.
func (s *Store) Passed(wheel uint32, watermark int64) {
	t := s.wheel(wheel)
	if t == nil {
		return
	}
	t.mark = watermark
	if s.arena.given-s.packing.given >= packEvery {
		s.pack(packPlaces * (s.arena.given - s.packing.given))
	}
	if s.passes++; s.passes%sweepEvery == 0 {
		s.reap()
		if s.burial.owed >= buryStep && s.err == nil && !s.underway() {
			s.fail(s.bury())
		}
	}
}

// reap looks for dead records at the next places of the table.
func (s *Store) reap() {
	for n := min(sweepStep, len(s.table.entries)); n > 0; n-- {
		if s.sweep++; s.sweep >= len(s.table.entries) {
			s.sweep = 0
		}
		if e := s.table.entries[s.sweep]; e != 0 {
			s.expire(record(s.arena.at(ref(e))), uint32(e>>32))
		}
	}
}

// A search for the dead looks at sweepStep places of the table: at every
// sweepEvery-th call of Passed and whenever a record that will die is added, so
// that the dead go as fast as others come.
const (
	sweepStep  = 4
	sweepEvery = 16
)

func (s *Store) expire(r record, hash uint32) {
	if r.valueLen() == 0 || r.timer() != 0 || r.dies() > s.wheel(s.slots[r.slot()]).mark {
		return
	}
	s.stats.Expired++
	s.preserve(r)
	r = s.resize(r, hash, nil)
	s.settle(r, hash)
}

// Each implements task.State.
func (s *Store) Each(slot uint32, visit func(key, value []byte, dies, timer int64)) {
	for _, e := range s.table.entries {
		if e == 0 {
			continue
		}
		if r := record(s.arena.at(ref(e))); r.slot() == slot && !r.empty() {
			visit(r.key(), r.value(), r.dies(), r.timer())
		}
	}
	if s.db == nil {
		return
	}
	s.fail(s.db.each(slot, func(key []byte, img image) {
		if s.table.find(&s.arena, hashOf(slot, key), slot, key) < 0 { // the heap has no newer one
			visit(key, img.value, img.dies, img.timer)
		}
	}))
}

// Drop implements task.State.
func (s *Store) Drop(slot uint32) {
	var names []string
	for _, e := range s.table.entries {
		if e != 0 {
			if r := record(s.arena.at(ref(e))); r.slot() == slot {
				names = append(names, string(r.key()))
			}
		}
	}
	for _, name := range names {
		key := []byte(name)
		i := s.table.find(&s.arena, hashOf(slot, key), slot, key)
		r := record(s.arena.at(ref(s.table.entries[i])))
		s.preserve(r)
		s.wheels[s.slots[slot]].moved(r.timer())
		s.free(i)
	}
	delete(s.slots, slot)
	if s.db != nil {
		s.dropped = append(s.dropped, slot)
	}
}

func (s *Store) fail(err error) {
	if s.err == nil && err != nil {
		s.err = err
	}
}
