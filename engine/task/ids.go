package task

import (
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/caltrop/caltrop/cep/event"
)

// seen remembers the ids of accepted events above the watermark, with the
// event's partition key, by their 128-bit hash.
type seen struct {
	ids   idTable
	order calendar[xxh3.Uint128]
	last  xxh3.Uint128 // of the last repeats call
	buf   []byte
}

func (s *seen) resize(lateness int64) {
	if s.order.empty() {
		s.order = newCalendar[xxh3.Uint128](lateness)
	}
}

// repeats reports whether an event of the same id and key is remembered.
func (s *seen) repeats(ev *event.Event, keyFields []int, mark int64) bool {
	s.buf = append(s.buf[:0], ev.ID...)
	for _, i := range keyFields {
		s.buf = append(s.buf, 0)
		s.buf = ev.Values[i].AppendText(s.buf)
	}
	s.buf = binary.LittleEndian.AppendUint32(s.buf, uint32(len(ev.ID)))
	s.last = xxh3.Hash128(s.buf)
	first, ok := s.ids.get(s.last)
	return ok && first > mark
}

// add remembers the event last asked about.
func (s *seen) add(at int64) { s.remember(s.last, at) }

func (s *seen) remember(id xxh3.Uint128, at int64) {
	s.ids.set(id, at)
	s.order.add(at, id)
}

// forget drops what the watermark has passed.
func (s *seen) forget(mark int64) {
	for s.order.passed(mark) {
		_, ids := s.order.take()
		for _, id := range ids {
			s.ids.removeUntil(id, mark)
		}
		s.order.release(ids)
	}
}

// all returns what is remembered, by time, then hash.
func (s *seen) all() []idEntry {
	entries := make([]idEntry, 0, s.ids.count)
	for _, e := range s.ids.entries {
		if e.id != (xxh3.Uint128{}) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, compareIDs)
	return entries
}

// An idTable maps hashes to times: open addressing with linear probing. The
// zero hash marks a free place and stands for itself as another one.
type idTable struct {
	entries []idEntry
	count   int
}

type idEntry struct {
	id xxh3.Uint128
	at int64
}

func compareIDs(a, b idEntry) int {
	switch {
	case a.at != b.at:
		return sign(a.at < b.at)
	case a.id.Hi != b.id.Hi:
		return sign(a.id.Hi < b.id.Hi)
	case a.id.Lo != b.id.Lo:
		return sign(a.id.Lo < b.id.Lo)
	}
	return 0
}

const idTableMin = 64 // entries

func notZero(id xxh3.Uint128) xxh3.Uint128 {
	if id == (xxh3.Uint128{}) {
		id.Lo = 1
	}
	return id
}

// place returns where id is, or the free place where it belongs.
func (t *idTable) place(id xxh3.Uint128) (i int, found bool) {
	mask := len(t.entries) - 1
	for i = int(id.Lo) & mask; ; i = (i + 1) & mask {
		switch t.entries[i].id {
		case id:
			return i, true
		case xxh3.Uint128{}:
			return i, false
		}
	}
}

func (t *idTable) get(id xxh3.Uint128) (at int64, ok bool) {
	if t.count == 0 {
		return 0, false
	}
	i, ok := t.place(notZero(id))
	return t.entries[i].at, ok
}

func (t *idTable) set(id xxh3.Uint128, at int64) {
	if t.count*4 >= len(t.entries)*3 {
		t.grow()
	}
	id = notZero(id)
	i, found := t.place(id)
	if !found {
		t.count++
	}
	t.entries[i] = idEntry{id, at}
}

func (t *idTable) grow() {
	old := t.entries
	t.entries = make([]idEntry, max(2*len(old), idTableMin))
	for _, e := range old {
		if e.id != (xxh3.Uint128{}) {
			i, _ := t.place(e.id)
			t.entries[i] = e
		}
	}
}

// removeUntil removes id when its time is at or before mark, and moves up what
// had to probe past it.
func (t *idTable) removeUntil(id xxh3.Uint128, mark int64) {
	if t.count == 0 {
		return
	}
	hole, found := t.place(notZero(id))
	if !found || t.entries[hole].at > mark {
		return
	}
	t.count--
	mask := len(t.entries) - 1
	for j := (hole + 1) & mask; t.entries[j].id != (xxh3.Uint128{}); j = (j + 1) & mask {
		if home := int(t.entries[j].id.Lo) & mask; (j-home)&mask >= (j-hole)&mask {
			t.entries[hole] = t.entries[j]
			hole = j
		}
	}
	t.entries[hole] = idEntry{}
}
