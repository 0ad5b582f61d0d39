package match

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
)

// state is all that a Machine remembers of one key, decoded. Its slices are
// reused from key to key.
type state struct {
	capped    bool
	truncated bool  // of an alert being written: an event that may be evidence was forgotten
	timer     int64 // the deadline set in the Store; 0: none
	nextID    uint32
	seq       uint64
	leads     []lead
	held      []held
	links     []link
	runs      []run
	pool      []*event.Event
	used      int
}

// A lead keeps the two latest distinct times of events that a leading absence
// forbids.
type lead struct{ last, before leadTime }

type leadTime struct {
	at  int64
	set bool
}

// event returns the held event at index i, decoding it at the first use.
func (st *state) event(m *Machine, i int32) *event.Event {
	h := &st.held[i]
	if h.ev == nil {
		h.ev = st.room()
		m.decodeEvent(h, h.ev)
	}
	return h.ev
}

// part returns what conditions read of the held event at index i.
func (st *state) part(m *Machine, i int32) *event.Event {
	h := &st.held[i]
	if h.ev != nil || m.glances == nil {
		return st.event(m, i)
	}
	if h.part == nil {
		h.part = st.room()
		m.glance(h, h.part)
	}
	return h.part
}

func (st *state) room() *event.Event {
	if st.used == len(st.pool) {
		st.pool = append(st.pool, &event.Event{})
	}
	st.used++
	return st.pool[st.used-1]
}

// lapse forgets everything but the deadline that is set.
func (st *state) lapse() {
	clear(st.leads)
	st.capped, st.truncated, st.nextID, st.seq = false, false, 0, 0
	st.held, st.links, st.runs = st.held[:0], st.links[:0], st.runs[:0]
}

// runIndex returns where the run with an id is, or -1 when it has ended.
func (st *state) runIndex(id uint32) int32 {
	for i := range st.runs {
		if r := &st.runs[i]; r.id == id && !r.dead {
			return int32(i)
		}
	}
	return -1
}

// load decodes the state of a key; nil is a key never seen. What is decoded
// points into raw until save.
func (m *Machine) load(raw []byte) {
	st := &m.st
	*st = state{leads: st.leads[:0], held: st.held[:0], links: st.links[:0], runs: st.runs[:0], pool: st.pool}
	m.view.reset()
	for range m.pat.Leads {
		st.leads = append(st.leads, lead{})
	}
	m.slab, m.owed = m.slab[:0], m.owed[:0]
	if raw != nil {
		m.decode(raw)
	}
}

// save encodes what is left of the key's state and sets its deadline.
func (m *Machine) save(key []byte, s Store) {
	m.dropEnded()
	m.dropTwins()
	m.capRuns()
	m.mark()
	m.capEvidence()
	timer := m.nextTimer()
	if len(m.st.runs) == 0 && !m.leadsLive() {
		s.Put(key, nil)
		if m.st.timer != 0 || m.ev == nil {
			s.Timer(key, 0)
		}
		return
	}
	moved := timer != m.st.timer
	m.st.timer = timer
	m.buf = m.encode(m.buf[:0])
	if moved {
		s.Timer(key, timer)
	}
	s.Put(key, m.buf)
}

// dropEnded removes the runs that can take nothing more.
func (m *Machine) dropEnded() {
	kept := 0
	for i := range m.st.runs {
		r := &m.st.runs[i]
		if r.dead || r.alive.empty() && r.faded.empty() || r.ghost && !m.owes(r) {
			continue
		}
		if kept != i {
			m.st.runs[kept] = *r
		}
		kept++
	}
	m.st.runs = m.st.runs[:kept]
}

// owes reports whether a run that a ghost could end is still there.
func (m *Machine) owes(r *run) bool {
	return slices.ContainsFunc(r.debts, func(d debt) bool { return m.st.runIndex(d.run) >= 0 })
}

// dropTwins removes, of the runs that took the current event, those that
// another equals in all that can matter: two derivations of one match.
func (m *Machine) dropTwins() {
	if m.ev == nil || len(m.children) < 2 {
		return
	}
	runs, kept := m.st.runs, 0
	m.twin.reset(len(runs))
	for i := range runs {
		like := m.twin.chain(runs[i].first, m.st.links[runs[i].tail].event)
		if m.hasTwin(*like, &runs[i]) {
			continue
		}
		if kept != i {
			runs[kept] = runs[i]
		}
		m.twin.next = append(m.twin.next, *like)
		*like = int32(kept)
		kept++
	}
	m.st.runs = runs[:kept]
}

func (m *Machine) hasTwin(of int32, r *run) bool {
	for ; of >= 0; of = m.twin.next[of] {
		if m.twins(&m.st.runs[of], r) {
			return true
		}
	}
	return false
}

// twinning files runs by their first and last event.
type twinning struct {
	heads []int32
	next  []int32 // by run: the one before it in its chain; -1: none
}

func (t *twinning) reset(runs int) {
	size := 16
	for size < runs {
		size *= 2
	}
	t.heads, t.next = slices.Grow(t.heads[:0], size)[:size], t.next[:0]
	for i := range t.heads {
		t.heads[i] = -1
	}
}

func (t *twinning) chain(first, last int32) *int32 {
	return &t.heads[int(uint32(first)*31+uint32(last)*7)&(len(t.heads)-1)]
}

func (m *Machine) twins(a, b *run) bool {
	return a.pos == b.pos && a.first == b.first && a.alive == b.alive && a.faded == b.faded && a.ghost == b.ghost &&
		m.st.links[a.tail].event == m.st.links[b.tail].event &&
		slices.Equal(a.counts, b.counts) && slices.Equal(a.debts, b.debts) && m.sameChain(a.tail, b.tail)
}

func (m *Machine) sameChain(a, b int32) bool {
	for a != b {
		if a < 0 || b < 0 {
			return false
		}
		x, y := &m.st.links[a], &m.st.links[b]
		if x.event != y.event || m.pat.Positions[x.pos].Step != m.pat.Positions[y.pos].Step {
			return false
		}
		a, b = x.prev, y.prev
	}
	return true
}

// capRuns keeps limits.runs_per_key: the oldest start is dropped, with a
// trailing absence the newest, which is furthest from firing.
func (m *Machine) capRuns() {
	for len(m.st.runs) > m.rule.Limits.RunsPerKey {
		m.dropRun()
	}
}

func (m *Machine) dropRun() {
	st, drop := &m.st, 0
	for i := range st.runs {
		if older := st.runs[i].first < st.runs[drop].first; older != m.pat.Trailing && st.runs[i].first != st.runs[drop].first {
			drop = i
		}
	}
	st.runs = slices.Delete(st.runs, drop, drop+1)
	st.capped = true
	m.out.Stats.RunsCapped++
}

// mark numbers the links and events that runs still need.
func (m *Machine) mark() {
	st := &m.st
	for i := range st.links {
		st.links[i].ref = -1
	}
	for i := range st.held {
		st.held[i].ref = -1
	}
	for i := range st.runs {
		st.held[st.runs[i].first].ref = 0
		for l := st.runs[i].tail; l >= 0 && st.links[l].ref < 0; l = st.links[l].prev {
			st.links[l].ref = 0
			st.held[st.links[l].event].ref = 0
		}
	}
}

// nextTimer returns the next deadline that may raise something. An earlier one
// that stands is kept. Plain expiry needs none: the Store lets go of what can
// matter no more.
func (m *Machine) nextTimer() int64 {
	want := int64(deadlineNone)
	if !m.pat.Trailing {
		return m.st.timer
	}
	for i := range m.st.runs {
		r := &m.st.runs[i]
		edges := m.pat.Follow[r.pos]
		for j := range edges {
			if !r.ghost && r.alive.has(j) && edges[j].Kind == prog.AcceptDeadline {
				want = min(want, m.deadline(r, &edges[j]))
			}
		}
	}
	switch {
	case m.st.timer != 0 && m.st.timer <= want:
		return m.st.timer
	case want == deadlineNone:
		return 0
	}
	return want
}

// leadsLive reports whether a past event may still forbid a start, and
// forgets those that may not.
func (m *Machine) leadsLive() bool {
	live := false
	for i := range m.st.leads {
		l := &m.st.leads[i]
		if l.last.set && l.last.at+m.pat.Leads[i].Span >= m.now {
			live = true
		} else {
			*l = lead{}
		}
	}
	return live
}
