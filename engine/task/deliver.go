package task

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// deliver applies one event to the rules that read its stream and to which it
// may matter.
func (t *Task) deliver(g *group, h *held) {
	ev := h.ev
	if h.idle {
		t.let(ev)
		return
	}
	t.now, t.since = ev.Time, h.epoch
	t.moment++
	f := &g.feeds[h.feed]
	if f.only(ev.Schema) {
		t.deliverForm(g, f, h)
	} else {
		f.each(h, func(of *held) { t.deliverForm(g, f, of) })
	}
	t.let(ev)
}

// deliverForm applies one form of an event to the rules and histories that were compiled
// against its schema.
func (t *Task) deliverForm(g *group, f *feed, h *held) {
	ev, kept := h.ev, false
	r := f.route(ev.Schema)
	if r != nil {
		f.begin(ev, r)
		if set := r.pass(h); match.Any(set) {
			kept = t.present(r, h, set)
		}
	}
	t.record(g, f, ev, r != nil)
	if kept {
		ev.Own()
		ev.Hold.Kept = true
	}
}

// present shows an event to the rules of a route in set, which it empties, and
// reports whether an alert refers to the event now.
func (t *Task) present(r *route, h *held, set []uint64) (kept bool) {
	r.sheet.Begin(h.ev)
	if len(r.musters) > 0 {
		kept = t.parade(r, h, set)
	}
	for i := match.NextMember(set); i >= 0; i = match.NextMember(set) {
		kept = t.offer(&r.taps[i], h) || kept
	}
	r.sheet.End()
	return kept
}

func (f *feed) route(schema *event.Schema) *route {
	for i := range f.routes {
		if f.routes[i].schema == schema {
			return &f.routes[i]
		}
	}
	return nil
}

// pass returns the taps to which an event may matter, as match.Sieve.Pass does.
// Where there are few, what an early rule was told on arrival still holds when
// the watermark comes.
func (r *route) pass(h *held) []uint64 {
	if h.known {
		r.members[0] = h.members
		return r.members[:]
	}
	set := r.sieve.Pass(h.ev)
	if r.early && len(set) == 1 {
		h.members, h.known = set[0], true
	}
	return set
}

// begin makes ev the event that the keyers read, and counts it with the rules
// whose key it lacks.
func (f *feed) begin(ev *event.Event, r *route) {
	whole := true
	for _, k := range f.keyers {
		k.begin(ev)
		whole = whole && k.whole
	}
	if whole {
		return
	}
	for i := range r.taps {
		if p := &r.taps[i]; !slices.ContainsFunc(p.roles, func(k *keyer) bool { return k.whole }) {
			p.slot.counts.NoKey++
		}
	}
}

// offer shows an event to one rule under each of its keys, and reports whether
// an alert refers to the event now.
func (t *Task) offer(p *tap, h *held) (kept bool) {
	s := p.slot
	for i, k := range p.roles {
		if !k.ok || repeatedKey(p.roles[:i], k) {
			continue
		}
		s.store.key = k.bytes()
		s.counts.Events++
		if s.shown != nil {
			t.observe(s, k.bytes(), h, sameKey(p.roles, i))
			continue
		}
		if s.ahead != nil {
			kept = t.confirm(s, k.bytes(), h, sameKey(p.roles, i)) || kept
			continue
		}
		s.eval.Event(k.bytes(), h.ev, sameKey(p.roles, i), &s.store, &t.out)
		if len(t.out.Found) > 0 || t.out.Stats != (match.Stats{}) {
			kept = kept || len(t.out.Found) > 0
			t.collect(s, k.bytes(), h.ev, s.raises(h.epoch))
		}
	}
	return kept
}

// sameKey returns the roles, i and later, under which the event has role i's
// key.
func sameKey(roles []*keyer, i int) uint64 {
	bits := uint64(1) << i
	for j := i + 1; j < len(roles); j++ {
		if roles[j].ok && string(roles[j].bytes()) == string(roles[i].bytes()) {
			bits |= 1 << j
		}
	}
	return bits
}

func repeatedKey(before []*keyer, k *keyer) bool {
	for _, b := range before {
		if b.ok && string(b.bytes()) == string(k.bytes()) {
			return true
		}
	}
	return false
}

// collect turns what the evaluator found into alerts and empties t.out.
// Matches of another revision's time are not raised.
func (t *Task) collect(s *slot, key []byte, ev *event.Event, raises bool) {
	s.count(&t.out.Stats)
	if raises {
		t.raise(s, key, ev, t.out.Found)
	}
	t.out.Reset()
}

// raises reports whether a match is the slot's, and raised, when its completing
// event was accepted in the epoch.
func (s *slot) raises(epoch uint32) bool {
	return s.born <= epoch && epoch < s.died && s.mode(epoch) != ModePaused
}

func (s *slot) count(st *match.Stats) {
	s.counts.RunsCapped += uint64(st.RunsCapped)
	s.counts.ConditionErrors += uint64(st.ConditionErrors)
	s.counts.EvidenceCapped += uint64(st.EvidenceCapped)
	s.counts.WindowTruncated += uint64(st.WindowTruncated)
}
