package state

import "math"

// A burial is the search of the database for dead records. It goes round: it
// looks at buryStep records at each cut, and between cuts whenever as many are
// owed; a record that is written owes buryOwed, so that the dead go as fast as
// others come. No record is looked at before one may be dead.
type burial struct {
	owed    int   // records to look at
	soonest int64 // no record of the database dies before
	later   int64 // the same but for those that the round under way has yet to look at
}

const (
	buryStep = 1_000
	buryOwed = 4
)

// newBurial is that of a database of which nothing is known.
func newBurial() burial { return burial{soonest: math.MinInt64, later: math.MaxInt64} }

// wrote takes note of a record that goes to the database.
func (b *burial) wrote(r record) {
	b.owed += buryOwed
	if r.timer() == 0 && !r.empty() {
		b.lives(r.dies())
		b.soonest = min(b.soonest, r.dies())
	}
}

// lives takes note of a record that dies at a time.
func (b *burial) lives(until int64) { b.later = min(b.later, until) }

// round ends a round.
func (b *burial) round() { b.soonest, b.later = b.later, math.MaxInt64 }

// bury looks at the next records of the database and removes the dead.
func (s *Store) bury() error {
	b := &s.burial
	if b.soonest > s.newest() {
		b.owed = 0
		return nil
	}
	b.owed = max(0, b.owed-buryStep)
	whole, err := s.db.bury(buryStep, func(slot uint32, key []byte, img image) bool {
		s.stats.Searched++
		wheel, open := s.slots[slot]
		if !open || img.timer != 0 {
			return false
		}
		if i := s.table.find(&s.arena, hashOf(slot, key), slot, key); i >= 0 {
			if r := record(s.arena.at(ref(s.table.entries[i]))); !r.has(flagDirty) { // else it is written again
				b.lives(img.dies)
			}
			return false
		}
		if img.dies <= s.wheel(wheel).mark {
			return true
		}
		b.lives(img.dies)
		return false
	})
	if whole {
		b.round()
	}
	return err
}

// newest is the event time that the furthest wheel has reached.
func (s *Store) newest() int64 {
	at := int64(math.MinInt64)
	for _, t := range s.wheels {
		if t != nil {
			at = max(at, t.mark)
		}
	}
	return at
}
