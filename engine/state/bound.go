package state

// boundStep is how much less the heap part may take after one call of Bound.
const boundStep = 64 << 10

// Bound sets the budget of the heap part, and how much is written to the database
// before that makes a file; only a Store with a database has either. The owner
// calls it often: a heap part that takes more than its new budget gets there by a
// step at each call, so that none takes long, and waits while a cut is under way.
func (s *Store) Bound(bytes, writes int) {
	if s.db == nil || s.err != nil {
		return
	}
	s.db.writes = writes
	if bytes == s.opts.Bytes || s.underway() {
		return
	}
	taken := s.arena.used + s.table.bytes()
	if s.opts.Bytes = bytes; taken <= bytes {
		s.compact()
		return
	}
	s.opts.Bytes = max(bytes, taken-boundStep)
	if s.table.roomy() {
		s.table.refit()
	}
	s.evict(0)
	if s.opts.Bytes == bytes {
		s.compact()
	}
}

// compact gives up the memory of blocks that nobody uses, where it is more than
// those that are used take.
func (s *Store) compact() {
	if s.arena.held() <= 2*s.arena.used+2*chunkBytes {
		return
	}
	var to arena
	for i, e := range s.table.entries {
		if e == 0 {
			continue
		}
		r := record(s.arena.at(ref(e)))
		at := to.alloc(r.size())
		copy(to.at(at), r[:r.size()])
		s.table.entries[i] = entryOf(uint32(e>>32), at)
	}
	for _, t := range s.wheels {
		if t == nil {
			continue
		}
		for i := range t.heap {
			t.heap[i].name = to.putName(s.arena.nameOf(t.heap[i].name))
		}
	}
	s.arena = to
}

// held are the bytes of all chunks.
func (a *arena) held() int {
	n := 0
	for _, c := range a.chunks {
		n += len(c)
	}
	return n
}

// roomy reports whether the table could do with a quarter of its places.
func (t *table) roomy() bool { return len(t.entries) > tableMin && t.count*8 < len(t.entries) }

// refit gives up half of the places.
func (t *table) refit() {
	old := t.entries
	t.entries = make([]uint64, len(old)/2)
	for _, e := range old {
		if e != 0 {
			t.place(e)
		}
	}
}
