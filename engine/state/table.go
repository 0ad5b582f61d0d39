package state

import "github.com/zeebo/xxh3"

// A table finds records by slot and key: open addressing with linear probing.
// An entry is the hash's high half and the record's ref. Removal shifts the
// entries behind, so there are no tombstones. (D. Knuth, TAOCP 3, 6.4, R.)
type table struct {
	entries []uint64
	count   int
}

const tableMin = 64 // entries

// hashOf is the hash of a record's name, which the table keeps. The records of
// one key in neighbouring slots stand side by side: an event comes to one rule
// after the other.
func hashOf(slot uint32, key []byte) uint32 {
	return uint32(xxh3.HashSeed(key, uint64(slot/neighbours))>>32)&^(neighbours-1) | slot%neighbours
}

// neighbours are the entries of a cache line.
const neighbours = 8

func entryOf(hash uint32, r ref) uint64 { return uint64(hash)<<32 | uint64(r) }

// find returns the place of a record, or -1.
func (t *table) find(a *arena, hash uint32, slot uint32, key []byte) int {
	if t.count == 0 {
		return -1
	}
	mask := uint32(len(t.entries) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := t.entries[i]
		if e == 0 {
			return -1
		}
		if uint32(e>>32) == hash {
			if r := record(a.at(ref(e))); r.slot() == slot && string(r.key()) == string(key) {
				return int(i)
			}
		}
	}
}

// next returns the place after i of another entry with this hash, -1 when
// there is none; after -1 the first.
func (t *table) next(hash uint32, i int) int {
	if t.count == 0 {
		return -1
	}
	mask := len(t.entries) - 1
	if i < 0 {
		i = int(hash)&mask - 1
	}
	for i = (i + 1) & mask; t.entries[i] != 0; i = (i + 1) & mask {
		if uint32(t.entries[i]>>32) == hash {
			return i
		}
	}
	return -1
}

func (t *table) insert(hash uint32, r ref) {
	if t.count*8 >= len(t.entries)*6 {
		t.grow()
	}
	t.count++
	t.place(entryOf(hash, r))
}

func (t *table) place(e uint64) {
	mask := uint32(len(t.entries) - 1)
	i := uint32(e>>32) & mask
	for t.entries[i] != 0 {
		i = (i + 1) & mask
	}
	t.entries[i] = e
}

func (t *table) grow() {
	old := t.entries
	t.entries = make([]uint64, max(2*len(old), tableMin))
	for _, e := range old {
		if e != 0 {
			t.place(e)
		}
	}
}

// remove empties place i and moves up what had to probe past it.
func (t *table) remove(i int) {
	t.count--
	mask := len(t.entries) - 1
	hole := i
	for j := (i + 1) & mask; t.entries[j] != 0; j = (j + 1) & mask {
		home := int(uint32(t.entries[j]>>32)) & mask
		if (j-home)&mask >= (j-hole)&mask {
			t.entries[hole] = t.entries[j]
			hole = j
		}
	}
	t.entries[hole] = 0
}

func (t *table) bytes() int { return 8 * len(t.entries) }
