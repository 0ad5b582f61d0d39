package state

// boundStep is how much less the heap part may take after one call of Bound.
const boundStep = 64 << 10

// boundPlaces are the places at which one call of Bound may pack.
const boundPlaces = 1024

// Bound sets the budget of the heap part, and how much is written to the database
// before that makes a file; only a Store with a database has either. The owner
// calls it often: a heap part that takes more than its new budget gets there by a
// step at each call, so that none takes long, and waits while a cut is under way.
func (s *Store) Bound(bytes, writes int) {
	if s.db == nil || s.err != nil {
		return
	}
	s.db.writes = writes
	s.pack(boundPlaces)
	if bytes == s.opts.Bytes || s.underway() {
		return
	}
	taken := s.taken()
	if s.opts.Bytes = bytes; taken <= bytes {
		return
	}
	s.opts.Bytes = max(bytes, taken-boundStep)
	if s.table.roomy() {
		s.table.refit()
	}
	s.evict(0)
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
