package state

import (
	"encoding/binary"
	"math"

	"github.com/caltrop/caltrop/engine/task"
)

// A record is one block of the arena: the head, the key, the value.
//
//	slot   4  bytes
//	value  4  length
//	timer  8  µs, 0 for none
//	dies   4  s, rounded up; neverDies for never
//	key    2  length
//	flags  2  the number of a cut above the flags
type record []byte

const headBytes = 24

const (
	flagTouched = 1 << iota // used since the clock hand last came by
	flagDirty               // differs from the database
	flagOnDisk              // the database may hold a record of this key
	cutShift    = iota
)

// cutsMax is the last number of a cut; the next is 1 again.
const cutsMax = math.MaxUint16 >> cutShift

func (r record) slot() uint32      { return binary.LittleEndian.Uint32(r) }
func (r record) valueLen() int     { return int(binary.LittleEndian.Uint32(r[4:])) }
func (r record) timer() int64      { return int64(binary.LittleEndian.Uint64(r[8:])) }
func (r record) keyLen() int       { return int(binary.LittleEndian.Uint16(r[20:])) }
func (r record) flags() uint16     { return binary.LittleEndian.Uint16(r[22:]) }
func (r record) key() []byte       { return r[headBytes : headBytes+r.keyLen()] }
func (r record) size() int         { return headBytes + r.keyLen() + r.valueLen() }
func (r record) has(f uint16) bool { return r.flags()&f != 0 }

func (r record) value() []byte {
	at := headBytes + r.keyLen()
	end := at + r.valueLen()
	return r[at:end:end]
}

func (r record) setTimer(at int64) { binary.LittleEndian.PutUint64(r[8:], uint64(at)) }

// cut is the number of the cut that the record's last change is, or was, part of;
// 0 where it has none.
func (r record) cut() uint16 { return r.flags() >> cutShift }

func (r record) setCut(n uint16) {
	binary.LittleEndian.PutUint16(r[22:], r.flags()&(1<<cutShift-1)|n<<cutShift)
}

func (r record) set(f uint16)      { binary.LittleEndian.PutUint16(r[22:], r.flags()|f) }
func (r record) clear(f uint16)    { binary.LittleEndian.PutUint16(r[22:], r.flags()&^f) }
func (r record) setValueLen(n int) { binary.LittleEndian.PutUint32(r[4:], uint32(n)) }

// neverDies is the stored form of task.Never.
const neverDies = math.MaxUint32

func (r record) dies() int64 {
	if s := binary.LittleEndian.Uint32(r[16:]); s != neverDies {
		return int64(s) * 1e6
	}
	return task.Never
}

// setDies may keep the record up to a second longer, never shorter.
func (r record) setDies(at int64) {
	s := uint32(neverDies)
	if up := max(at, 0)/1e6 + 1; up < neverDies {
		s = uint32(up)
	}
	if s != binary.LittleEndian.Uint32(r[16:]) { // else the cache line stays clean
		binary.LittleEndian.PutUint32(r[16:], s)
	}
}

// empty reports whether the record says nothing.
func (r record) empty() bool { return r.valueLen() == 0 && r.timer() == 0 }

// fill writes a fresh record into r, which has room for it.
func (r record) fill(slot uint32, key, value []byte, timer, dies int64, flags uint16) {
	binary.LittleEndian.PutUint32(r, slot)
	r.setValueLen(len(value))
	r.setTimer(timer)
	r.setDies(dies)
	binary.LittleEndian.PutUint16(r[20:], uint16(len(key)))
	binary.LittleEndian.PutUint16(r[22:], flags)
	copy(r[headBytes:], key)
	copy(r[headBytes+len(key):], value)
}
