package state

import "encoding/binary"

// A record is one block of the arena: the head, the key, the value.
//
//	slot   4  bytes
//	value  4  length
//	timer  8  µs, 0 for none
//	dies   8  µs, task.Never for never
//	key    2  length
//	flags  2
type record []byte

const headBytes = 28

const (
	flagTouched = 1 << iota // used since the clock hand last came by
	flagDirty               // differs from the database
	flagParity              // of Store.parity when it became dirty
	flagOnDisk              // the database may hold a record of this key
)

func (r record) slot() uint32      { return binary.LittleEndian.Uint32(r) }
func (r record) valueLen() int     { return int(binary.LittleEndian.Uint32(r[4:])) }
func (r record) timer() int64      { return int64(binary.LittleEndian.Uint64(r[8:])) }
func (r record) dies() int64       { return int64(binary.LittleEndian.Uint64(r[16:])) }
func (r record) keyLen() int       { return int(binary.LittleEndian.Uint16(r[24:])) }
func (r record) flags() uint16     { return binary.LittleEndian.Uint16(r[26:]) }
func (r record) key() []byte       { return r[headBytes : headBytes+r.keyLen()] }
func (r record) value() []byte     { at := headBytes + r.keyLen(); return r[at : at+r.valueLen()] }
func (r record) size() int         { return headBytes + r.keyLen() + r.valueLen() }
func (r record) has(f uint16) bool { return r.flags()&f != 0 }

func (r record) setTimer(at int64) { binary.LittleEndian.PutUint64(r[8:], uint64(at)) }
func (r record) setDies(at int64)  { binary.LittleEndian.PutUint64(r[16:], uint64(at)) }
func (r record) set(f uint16)      { binary.LittleEndian.PutUint16(r[26:], r.flags()|f) }
func (r record) clear(f uint16)    { binary.LittleEndian.PutUint16(r[26:], r.flags()&^f) }
func (r record) setValueLen(n int) { binary.LittleEndian.PutUint32(r[4:], uint32(n)) }

// empty reports whether the record says nothing.
func (r record) empty() bool { return r.valueLen() == 0 && r.timer() == 0 }

// fill writes a fresh record into r, which has room for it.
func (r record) fill(slot uint32, key, value []byte, timer, dies int64, flags uint16) {
	binary.LittleEndian.PutUint32(r, slot)
	r.setValueLen(len(value))
	r.setTimer(timer)
	r.setDies(dies)
	binary.LittleEndian.PutUint16(r[24:], uint16(len(key)))
	binary.LittleEndian.PutUint16(r[26:], flags)
	copy(r[headBytes:], key)
	copy(r[headBytes+len(key):], value)
}
