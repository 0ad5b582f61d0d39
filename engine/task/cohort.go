package task

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/caltrop/caltrop/cep/match"
)

// A cohort is the slots of a group whose rules are of one shape: what they
// remember of a key is one record of the State. The first of a shape keeps its
// records to itself until a second comes.
type cohort struct {
	id     uint32 // of the State's slot
	retain int64
	slots  []*slot // by place; nil: free
	eval   *match.Cohort
	moved  uint64 // the moment in which it took an event
}

// cohortBit marks the State's slot of a cohort, beside the id of the slot that
// was its first.
const cohortBit = 1 << 29

// shapeOf returns what rules have in common that may be in one cohort, "" for a
// rule that may be in none.
func (g *group) shapeOf(s *slot) string {
	if s.shown != nil || s.ahead != nil || g.above {
		return ""
	}
	return match.Shape(s.eval)
}

// enlist puts a slot that starts into the cohort of its shape. Where one other
// slot has the shape the two make one, which takes over that one's records.
func (t *Task) enlist(g *group, s *slot) {
	if s.shape = g.shapeOf(s); s.shape == "" {
		return
	}
	for _, o := range g.slots {
		if o.shape != s.shape || o.retain != s.retain || o.cohort == nil && g.hasCohort(o.id|cohortBit) {
			continue // the last: it has left one of that id, which is still there
		}
		if o.cohort == nil {
			t.found(g, o)
		}
		o.cohort.join(s, o.cohort.place())
		return
	}
}

func (g *group) hasCohort(id uint32) bool {
	return slices.ContainsFunc(g.cohorts, func(c *cohort) bool { return c.id == id })
}

// reenlist gives a slot that is restored the place it had.
func (t *Task) reenlist(g *group, s *slot, h *slotHeader) error {
	s.shape = g.shapeOf(s)
	if h.Cohort == 0 {
		return nil
	}
	c := t.cohortOf(g, h.Cohort)
	alike := !slices.ContainsFunc(c.slots, func(o *slot) bool { return o != nil && o.shape != s.shape })
	if s.shape == "" || !alike || h.Place < 0 || h.Place > math.MaxUint16 {
		return fmt.Errorf("%w: slot %d at place %d of cohort %d", errSnapshot, s.id, h.Place, c.id)
	}
	c.join(s, h.Place)
	return nil
}

// cohortID returns the State's slot of the cohort, 0 where there is none.
func (s *slot) cohortID() uint32 {
	if s.cohort == nil {
		return 0
	}
	return s.cohort.id
}

// found makes the cohort of a slot that has been alone.
func (t *Task) found(g *group, s *slot) {
	records := t.remembered(s)
	t.cfg.State.Drop(s.id)
	t.cohortOf(g, s.id|cohortBit).join(s, 0)
	t.give(g, s, records)
}

// cohortOf returns the cohort of an id, made when it is new.
func (t *Task) cohortOf(g *group, id uint32) *cohort {
	for _, c := range g.cohorts {
		if c.id == id {
			return c
		}
	}
	c := &cohort{id: id, eval: &match.Cohort{}}
	t.cfg.State.Open(Slot{ID: id, Wheel: g.id})
	g.cohorts = append(g.cohorts, c)
	return c
}

// place returns the first that is free.
func (c *cohort) place() int {
	if i := slices.Index(c.slots, nil); i >= 0 {
		return i
	}
	return len(c.slots)
}

func (c *cohort) join(s *slot, place int) {
	for len(c.slots) <= place {
		c.slots = append(c.slots, nil)
	}
	c.slots[place], c.retain = s, s.retain
	s.cohort, s.place = c, place
	c.eval.Join(s.eval, place)
}

// remembered lists what the State has of a slot's rule, by key.
func (t *Task) remembered(s *slot) []ImportRecord {
	if s.cohort == nil {
		return t.recordsOf(s.id)
	}
	all := t.recordsOf(s.cohort.id)
	for i := range all {
		all[i].Value = slices.Clone(s.cohort.eval.Member(all[i].Value, s.place))
	}
	return slices.DeleteFunc(all, func(r ImportRecord) bool { return len(r.Value) == 0 })
}

// give makes records those of a slot's rule. A record that others share lasts as
// long as theirs may.
func (t *Task) give(g *group, s *slot, records []ImportRecord) {
	if s.cohort == nil {
		t.copyInto(s.id, records)
		return
	}
	for _, r := range records {
		dies := r.Dies
		if s.retain != Never && g.mark != unset {
			dies = max(dies, g.mark+s.retain)
		}
		t.cfg.State.Put(s.cohort.id, r.Key, s.cohort.eval.Replace(t.cfg.State.Get(s.cohort.id, r.Key), s.place, r.Value), dies)
	}
}

// disband takes slots that are dropped out of their cohorts.
func (t *Task) disband(g *group, gone func(*slot) bool) {
	for _, c := range g.cohorts {
		var places []int
		left := 0
		for place, s := range c.slots {
			switch {
			case s == nil:
			case gone(s):
				places = append(places, place)
				c.slots[place] = nil
			default:
				left++
			}
		}
		if len(places) == 0 {
			continue
		}
		if left == 0 {
			t.cfg.State.Drop(c.id)
		} else {
			t.strike(c, places)
		}
		c.eval.Leave(places)
	}
	g.cohorts = slices.DeleteFunc(g.cohorts, func(c *cohort) bool { return !slices.ContainsFunc(c.slots, func(s *slot) bool { return s != nil }) })
}

// strike takes what members remember out of the records of a cohort.
func (t *Task) strike(c *cohort, places []int) {
	for more := true; more; {
		var changed []ImportRecord
		more = false
		t.cfg.State.Each(c.id, func(key, value []byte, dies, _ int64) {
			record, held := c.eval.Without(value, places)
			switch {
			case !held:
			case len(changed) == siftKeys:
				more = true
			default:
				changed = append(changed, ImportRecord{Key: slices.Clone(key), Value: slices.Clone(record), Dies: dies})
			}
		})
		for _, r := range changed {
			t.cfg.State.Put(c.id, r.Key, r.Value, r.Dies)
		}
		more = more && t.cfg.State.Err() == nil
	}
}

// A muster is a cohort whose rules read the events of a route.
type muster struct {
	cohort *cohort
	taps   []int    // by place
	set    []uint64 // of taps
	keyer  *keyer
}

// muster lays out which taps of a route lead to which cohort.
func (r *route) muster() {
	r.musters = nil
	for i := range r.taps {
		c := r.taps[i].slot.cohort
		if c == nil {
			continue
		}
		at := slices.IndexFunc(r.musters, func(m muster) bool { return m.cohort == c })
		if at < 0 {
			at = len(r.musters)
			r.musters = append(r.musters, muster{cohort: c, taps: make([]int, len(c.slots)), set: make([]uint64, (len(r.taps)+63)/64), keyer: r.taps[i].roles[0]})
			c.eval.Share(r.schema)
		}
		m := &r.musters[at]
		m.taps[r.taps[i].slot.place] = i
		m.set[i>>6] |= 1 << (i & 63)
	}
}

// parade shows an event to all rules of a route in set, cohorts among them, and
// takes them out. It reports whether an alert refers to the event now.
func (t *Task) parade(r *route, h *held, set []uint64) (kept bool) {
	for i := range r.musters {
		t.march(&r.musters[i], r, h, set)
	}
	for i := match.NextMember(set); i >= 0; i = match.NextMember(set) {
		p := &r.taps[i]
		if c := p.slot.cohort; c != nil && c.moved == t.moment {
			kept = t.hear(p, h) || kept
		} else {
			kept = t.offer(p, h) || kept
		}
	}
	return kept
}

// march shows an event to the rules of a cohort that are in set, and leaves in
// set those of them that have something to say: hear asks them. Where a condition
// ends in an error all stay: offer asks them.
func (t *Task) march(m *muster, r *route, h *held, set []uint64) {
	if !m.meets(set) || !m.keyer.ok {
		return
	}
	c, key := m.cohort, m.keyer.bytes()
	record, changed, loud, ok := c.eval.Event(t.cfg.State.Get(c.id, key), h.ev)
	if !ok {
		return
	}
	if changed {
		t.cfg.State.Put(c.id, key, record, c.dies(t.now))
	}
	for i, word := range m.set {
		for hit := word & set[i]; hit != 0; hit &= hit - 1 {
			r.taps[i<<6+bits.TrailingZeros64(hit)].slot.counts.Events++
		}
		set[i] &^= word
	}
	for _, place := range loud {
		tap := m.taps[place]
		set[tap>>6] |= 1 << (tap & 63)
	}
	c.moved = t.moment
}

func (m *muster) meets(set []uint64) bool {
	for i, word := range m.set {
		if word&set[i] != 0 {
			return true
		}
	}
	return false
}

func (c *cohort) dies(now int64) int64 {
	if c.retain == Never {
		return Never
	}
	return now + c.retain
}

// hear collects what a rule found in its cohort, and reports whether an alert
// refers to the event now.
func (t *Task) hear(p *tap, h *held) (kept bool) {
	s := p.slot
	found, stats := s.cohort.eval.Said(s.place)
	s.count(&stats)
	if s.raises(h.epoch) {
		t.raise(s, p.roles[0].bytes(), h.ev, found)
	}
	return len(found) > 0
}
