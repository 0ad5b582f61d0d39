package task

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/profile"
	"github.com/caltrop/caltrop/cep/prog"
)

// A revision is a slot that goes on over other revisions of its streams, with
// its rule compiled against those.
type revision struct {
	slot *slot
	now  Rule
}

// successor returns the slot's rule as it is compiled against a set; ok where the
// rule is the same there, so that its state stands.
func (s *slot) successor(set Set, live *Live) (now Rule, ok bool) {
	if s.shown != nil {
		at := slices.Index(set.Views, s.ref)
		if at < 0 {
			return now, false
		}
		now = ruleFor(live.Views[at])
	} else {
		at := slices.Index(set.Rules, s.ref)
		if at < 0 {
			return now, false
		}
		now = live.Rules[at]
	}
	profiles, err := needs(now.Rule, set)
	return now, err == nil && slices.Equal(profiles, s.profiles) && prog.Unaltered(s.rule, now.Rule)
}

// revise lets slots of a group go on over other revisions of their streams. The
// held events stay as they were accepted; see formOf. It returns the keys that
// have gone final, which Task.look forgets.
func (t *Task) revise(g *group, revised []revision, set Set) (capped []cappedView) {
	for _, r := range revised {
		s := r.slot
		capped = s.capped(capped)
		t.leave(g, s, revised)
		s.run(r.now)
		if s.shape = g.shapeOf(s); s.cohort != nil {
			s.cohort.eval.Join(s.eval, s.place)
		}
		s.streams = streamRefs(s.rule, set)
		s.lateness = t.latenessOf(g)
	}
	moved := map[*history]*history{}
	for _, r := range revised {
		s := r.slot
		s.histories = slices.Clone(s.histories)
		for i, y := range s.histories {
			if moved[y] == nil {
				moved[y] = t.moveHistory(g, y, s, i)
			}
			s.histories[i] = moved[y]
		}
	}
	return capped
}

// leave takes a slot, with its records, out of a cohort of which not all go on.
func (t *Task) leave(g *group, s *slot, revised []revision) {
	c := s.cohort
	if c == nil || !slices.ContainsFunc(c.slots, func(o *slot) bool {
		return o != nil && !slices.ContainsFunc(revised, func(r revision) bool { return r.slot == o })
	}) {
		return
	}
	records := t.remembered(s)
	t.strike(c, []int{s.place})
	c.eval.Leave([]int{s.place})
	c.slots[s.place] = nil
	s.cohort, s.place = nil, 0
	t.cfg.State.Open(Slot{ID: s.id, Wheel: g.id})
	t.copyInto(s.id, records)
}

// moveHistory brings a history over to the revision of its stream that a slot
// reads now. Where a slot that ends reads it, it gets a copy.
func (t *Task) moveHistory(g *group, y *history, s *slot, at int) *history {
	ref, p := streamRef(s.streams, s.rule.Profiles[at].Stream.Stream), s.rule.Profiles[at]
	if y.stream == ref {
		return y
	}
	if slices.ContainsFunc(g.slots, func(s *slot) bool { return s.died != alive && slices.Contains(s.histories, y) }) {
		t.slotIDs++
		other := t.newHistory(g, t.slotIDs, y.ref, ref, p)
		other.born = y.born
		t.copyInto(other.id, t.recordsOf(y.id))
		return other
	}
	y.stream, y.prog, y.eval = ref, p, profile.New(p)
	y.ahead, y.moment = nil, 0
	return y
}

func (t *Task) latenessOf(g *group) (most int64) {
	for _, i := range g.streams {
		if t.streams[i].live != nil {
			most = max(most, t.streams[i].lateness)
		}
	}
	return most
}

// Alters names those of the set's rules that the task has and a Switch to the set
// would start anew, as what they read has changed.
func (t *Task) Alters(set Set) ([]Ref, error) {
	var altered []Ref
	var live *Live
	for _, g := range t.groups {
		for _, s := range g.slots {
			if s.died != alive || s.shown != nil || !slices.Contains(set.Rules, s.ref) || continues(s, set) {
				continue
			}
			if live == nil {
				var err error
				if live, err = t.cfg.Resolver.Resolve(set); err != nil {
					return nil, err
				}
			}
			if _, ok := s.successor(set, live); !ok {
				altered = append(altered, s.ref)
			}
		}
	}
	return altered, nil
}

// only reports whether all that reads the feed was compiled against a schema.
func (f *feed) only(schema *event.Schema) bool { return len(f.schemas) == 1 && f.schemas[0] == schema }

// list notes the schemas that the feed's rules and histories were compiled
// against.
func (f *feed) list() {
	add := func(s *event.Schema) {
		if !slices.Contains(f.schemas, s) {
			f.schemas = append(f.schemas, s)
		}
	}
	for i := range f.routes {
		add(f.routes[i].schema)
	}
	for _, y := range f.histories {
		add(y.prog.Stream)
	}
}

// each calls do with a held event in each revision of its stream that the feed's
// rules and histories were compiled against.
func (f *feed) each(h *held, do func(*held)) {
	if f.only(h.ev.Schema) {
		do(h)
		return
	}
	for _, schema := range f.schemas {
		if ev := formOf(h.ev, schema); ev == h.ev {
			do(h)
		} else if ev != nil {
			do(&held{time: h.time, ev: ev, epoch: h.epoch, feed: h.feed})
		}
	}
}

// formOf is a held event in a revision of its stream: always the same event for one
// revision. It is nil where the two are not revisions of one stream.
func formOf(ev *event.Event, schema *event.Schema) *event.Event {
	if ev.Schema == schema {
		return ev
	}
	if ev.Schema.Layout == 0 || schema.Layout == 0 {
		return nil
	}
	for of := ev.Hold.Other; of != nil; of = of.Hold.Other {
		if of.Schema == schema {
			return of
		}
	}
	other := *ev
	other.Hold = event.Hold{Other: ev.Hold.Other}
	other.Recast(schema)
	ev.Hold.Other = &other
	return &other
}
