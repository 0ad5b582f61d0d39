package state

import (
	"cmp"
	"slices"
)

// Records that grow leave smaller blocks behind, which nobody may ever want
// again. When what lies idle in an arena is more than a quarter of what is used,
// the chunks that have most of it are emptied and given up: first their idle blocks
// are taken from the lists, then their records move. Both go by steps, so that no
// event waits long.

// packing is what is known of it while it is under way.
type packing struct {
	leaving int // chunks that are to be emptied; 0: none is under way
	class   int // of the list that is looked through, classes after the last
	list    ref // what is left of it
	hand    int // of the search of the table for records to move
	given   int // blocks that had been given out when a step was last taken
}

const (
	idleShare  = 4               // what may lie idle is a part of what is used,
	idleMin    = 2 * chunkBytes  // and this
	packEvery  = 8               // blocks are given out before a step is taken,
	packPlaces = 32              // of so many places for each block
	sparseMin  = chunkBytes / 16 // idle bytes of a chunk that is worth emptying
)

// taken are the bytes that count against the budget: those that are used, and what
// may lie idle between them.
func (s *Store) taken() int {
	used := s.arena.used + s.names.used
	return used + used/idleShare + s.table.bytes()
}

// pack goes on with emptying chunks, or begins where too much lies idle; it looks
// at up to so many idle blocks or places of the table. It may move any record.
func (s *Store) pack(places int) {
	p := &s.packing
	p.given = s.arena.given
	if p.leaving == 0 && !s.choose() {
		return
	}
	for ; places > 0 && p.class < classes; places-- {
		s.unlist()
	}
	for ; places > 0 && p.leaving > 0; places-- {
		s.move()
	}
}

// choose picks the chunks to be emptied, those that have half of what is idle; false
// when there are none.
func (s *Store) choose() bool {
	a, p := &s.arena, &s.packing
	if a.idle <= a.used/idleShare+idleMin {
		return false
	}
	var sparse []int
	for i := range a.counts {
		if i != a.open && a.counts[i].idle >= sparseMin {
			sparse = append(sparse, i)
		}
	}
	slices.SortFunc(sparse, func(i, j int) int { return cmp.Compare(a.counts[j].idle, a.counts[i].idle) })
	for want := a.idle / 2; len(sparse) > 0 && want > 0; sparse = sparse[1:] {
		k := &a.counts[sparse[0]]
		want -= int(k.idle)
		a.idle -= int(k.idle)
		k.leaving, k.idle = true, 0
		p.leaving++
	}
	p.class, p.list, p.hand = 0, 0, 0
	return p.leaving > 0
}

// unlist looks at one idle block: it stays in its list unless its chunk is to go.
func (s *Store) unlist() {
	a, p := &s.arena, &s.packing
	if p.list == 0 {
		for p.list == 0 && p.class < classes {
			p.list, a.free[p.class] = a.free[p.class], 0
			if p.list == 0 {
				p.class++
			}
		}
		return
	}
	r := p.list
	p.list = a.behind(r)
	if !a.counts[r>>chunkBits].leaving {
		a.list(r, p.class)
	}
	if p.list == 0 {
		p.class++
	}
}

// move moves the record at the next place of the table, if its chunk is to go.
// After the last place the chunks that are empty are given up: where an entry has
// moved back past the hand, there is another round.
func (s *Store) move() {
	a, p := &s.arena, &s.packing
	if p.hand >= len(s.table.entries) {
		p.hand = 0
		s.dropEmptied()
		return
	}
	e := s.table.entries[p.hand]
	if at := ref(e); e != 0 && a.counts[at>>chunkBits].leaving {
		r := record(a.at(at))
		size := r.size()
		to := a.alloc(size)
		copy(a.at(to), r[:size])
		s.table.entries[p.hand] = entryOf(uint32(e>>32), to)
		a.release(at, size)
	}
	p.hand++
}

func (s *Store) dropEmptied() {
	a := &s.arena
	for i := range a.counts {
		if k := &a.counts[i]; k.leaving && k.used == 0 {
			a.drop(ref(i))
			s.packing.leaving--
		}
	}
}

// packNames writes the names of all deadlines anew, where more lies idle between
// them than they take. Its caller has just looked at all deadlines of a wheel.
func (s *Store) packNames() {
	if s.names.idle <= s.names.used+idleMin {
		return
	}
	var to arena
	for _, t := range s.wheels {
		if t == nil {
			continue
		}
		for i := range t.heap {
			t.heap[i].name = to.putName(s.names.nameOf(t.heap[i].name))
		}
	}
	s.names = to
}
