package task

import "math"

// A State keeps what rules remember, by slot and key. A slot is one revision
// of one rule (or the suppression periods of one rule name). The methods have
// no errors: a State that cannot read or write keeps its first error for Err
// and answers as if empty; the task asks Err at the end of each call. It is
// used by one goroutine.
type State interface {
	// Open tells of a slot before its first use; opening one again, as after a
	// restore, changes nothing.
	Open(slot Slot)
	// Get returns the record of key, or nil. The bytes are valid until the next
	// call of any method.
	Get(slot uint32, key []byte) []byte
	// Edit returns the record of key, or nil, to be changed where it is, but for
	// its length. It counts as changed; dies as with Put. The bytes are valid
	// until the next call of any method.
	Edit(slot uint32, key []byte, dies int64) []byte
	// Put replaces the record of key; an empty value removes it, and its timer
	// stays. Bytes are copied. From event time dies on nothing of the record
	// can matter any more unless it has a timer; Never keeps it.
	Put(slot uint32, key, value []byte, dies int64)
	// SetTimer sets the one timer of key, in µs, replacing any other; 0 removes it.
	SetTimer(slot uint32, key []byte, at int64)
	// Earliest returns the time of the earliest timer of the wheel's slots.
	Earliest(wheel uint32) (at int64, ok bool)
	// Take removes the wheel's timers at exactly this time, the earliest, and
	// appends them to buf in any order. Keys are copies.
	Take(wheel uint32, at int64, buf []Timer) []Timer
	// Passed tells that the wheel's event time has reached watermark: records
	// that died at or before it may go.
	Passed(wheel uint32, watermark int64)
	// Each visits the records of a slot in any order, with the time from which
	// each is of no use and its timer, 0 where it has none. The bytes are valid
	// during the visit, which must not call the State.
	Each(slot uint32, visit func(key, value []byte, dies, timer int64))
	// Drop removes all records and timers of a slot.
	Drop(slot uint32)
	// Err returns the first error; the state is unusable from then on.
	Err() error
}

// A Slot is a space of keys in a State. IDs are never reused within a task.
// Slots whose timers wait for the same watermark share a wheel.
type Slot struct {
	ID    uint32
	Wheel uint32
}

// A Timer is a timer that is due.
type Timer struct {
	Slot uint32
	Key  string
}

// Never is the time after all times: of records that do not die.
const Never = math.MaxInt64
