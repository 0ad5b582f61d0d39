package task

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/profile"
	"github.com/caltrop/caltrop/cep/prog"
)

// A history is one profile at work in one group: the rules of the group that
// read it share it. Each event is given to it after the rules, so that they
// see the profile as it was before. It lives as long as a rule of the group
// reads it.
type history struct {
	id     uint32
	ref    Ref // the profile's revision
	stream Ref // the revision of its stream
	prog   *prog.Profile
	eval   *profile.History
	keyer  *keyer // wired with the group
	born   uint32 // epoch
	facts  expr.Facts
	group  *group
	ahead  forecast // where an early rule reads it

	moment uint64 // what state is of: Task.moment, and the key
	key    []byte
	state  []byte
	opened bool
}

// needs names the profiles that a rule reads with the revisions of the set.
func needs(r *prog.Rule, set Set) (refs []Ref, err error) {
	for _, p := range r.Profiles {
		i := slices.IndexFunc(set.Profiles, func(ref Ref) bool { return ref.Name == p.Name })
		if i < 0 {
			return nil, fmt.Errorf("rule %s reads profile %s, which is not in the set", r.Name, p.Name)
		}
		refs = append(refs, set.Profiles[i])
	}
	return refs, nil
}

// share gives a slot the histories of the profiles that its rule reads,
// starting those that the group does not have.
func (t *Task) share(g *group, s *slot) error {
	for i, p := range s.rule.Profiles {
		stream := streamRef(s.streams, p.Stream.Stream)
		h := g.history(s.profiles[i], stream)
		if h == nil {
			t.slotIDs++
			h = t.newHistory(g, t.slotIDs, s.profiles[i], stream, p)
			h.born = t.epoch
		}
		s.histories = append(s.histories, h)
	}
	return nil
}

func streamRef(refs []Ref, name string) Ref {
	i := slices.IndexFunc(refs, func(r Ref) bool { return r.Name == name })
	if i < 0 {
		return Ref{}
	}
	return refs[i]
}

func (g *group) history(ref, stream Ref) *history {
	for _, h := range g.histories {
		if h.ref == ref && h.stream == stream {
			return h
		}
	}
	return nil
}

func (t *Task) newHistory(g *group, id uint32, ref, stream Ref, p *prog.Profile) *history {
	h := &history{id: id, ref: ref, stream: stream, prog: p, eval: profile.New(p), group: g}
	t.cfg.State.Open(Slot{ID: id, Wheel: g.id})
	g.histories = append(g.histories, h)
	return h
}

// forgetHistories drops the histories that no slot of the group reads any more.
func (t *Task) forgetHistories(g *group) {
	g.histories = slices.DeleteFunc(g.histories, func(h *history) bool {
		if slices.ContainsFunc(g.slots, func(s *slot) bool { return slices.Contains(s.histories, h) }) {
			return false
		}
		t.cfg.State.Drop(h.id)
		return true
	})
}

// record gives an event that the rules have seen to the histories of its
// stream. begun tells that the feed's keyers have it.
func (t *Task) record(g *group, f *feed, ev *event.Event, begun bool) {
	for _, h := range f.histories {
		if h.prog.Stream != ev.Schema || begun && !h.keyer.ok || !begun && !h.keyer.begin(ev) {
			continue
		}
		key := h.keyer.bytes()
		if next, dies, taken := t.extend(h, t.cfg.State.Get(h.id, key), ev); taken {
			t.cfg.State.Put(h.id, key, next, dies)
		}
		h.ahead.pass(key, ev)
	}
}

// extend returns the state of a history after one more event; taken is false
// when it stays as it is.
func (t *Task) extend(h *history, state []byte, ev *event.Event) (next []byte, dies int64, taken bool) {
	if len(h.prog.Outside.Lists) > 0 {
		h.facts.Lists = t.lists.at(t.clampTo(h.group, h))
	}
	next, dies, taken, _ = h.eval.Add(state, ev, &h.facts)
	return next, dies, taken
}

// clampTo is the epoch whose lists a history reads now: one in which a rule
// that reads it was live.
func (t *Task) clampTo(g *group, h *history) uint32 {
	last := h.born
	for _, s := range g.slots {
		if slices.Contains(s.histories, h) {
			last = max(last, s.died-1)
		}
	}
	return min(max(t.since, h.born), last)
}

// recall makes a history ready to answer for a key at the moment under way.
// It reads the State, and so comes before an evaluator does.
func (t *Task) recall(h *history, key []byte) {
	if h.moment == t.moment && string(h.key) == string(key) {
		return
	}
	h.moment, h.opened = t.moment, false
	h.key = append(h.key[:0], key...)
	h.state = append(h.state[:0], t.cfg.State.Get(h.id, key)...)
}

func (s *store) open(h *history) {
	if !h.opened {
		h.opened = true
		h.eval.Open(h.state, s.task.now, &s.facts)
	}
}

var _ expr.History = (*store)(nil)

// Value implements expr.History for the key under way.
func (s *store) Value(profile, value int) (event.Value, bool) {
	h := s.slot.histories[profile]
	s.open(h)
	return h.eval.Value(value)
}

// List implements expr.History for the key under way.
func (s *store) List(profile, value int) ([]event.Value, bool) {
	h := s.slot.histories[profile]
	s.open(h)
	return h.eval.List(value)
}
