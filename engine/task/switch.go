package task

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
)

// install makes set the live one. Revisions that stay keep their state, those
// that go finish the events held now, new ones start empty.
func (t *Task) install(set Set, carry []string) error {
	defer func() { t.imports = nil }()
	live, err := t.cfg.Resolver.Resolve(set)
	if err != nil {
		return fmt.Errorf("resolving the rule set: %w", err)
	}
	if len(live.Streams) != len(set.Streams) || len(live.Rules) != len(set.Rules) || len(live.Views) != len(set.Views) || len(live.Lists) != len(set.Lists) {
		return fmt.Errorf("resolving the rule set: %d streams, %d rules, %d views and %d lists asked for, %d, %d, %d and %d given",
			len(set.Streams), len(set.Rules), len(set.Views), len(set.Lists), len(live.Streams), len(live.Rules), len(live.Views), len(live.Lists))
	}
	t.epoch++
	t.lists.forget(t.oldestEpoch())
	t.lists.add(t.epoch, set.Lists, live.Lists)
	t.useStreams(set, live)
	capped := t.killSlots(set, live)
	for i := range live.Rules {
		if err := t.start(live.Rules[i], set, carry); err != nil {
			return err
		}
	}
	for _, v := range live.Views {
		if err := t.start(ruleFor(v), set, nil); err != nil {
			return err
		}
	}
	t.set = set
	for _, g := range t.groups {
		t.retire(g)
		t.arrange(g)
		t.look(g)
	}
	t.restoreCapped(capped)
	t.route()
	t.back.loose = true
	return nil
}

// useStreams takes over the streams that changed; the objects of the others
// stay.
func (t *Task) useStreams(set Set, live *Live) {
	if t.cfg.Keyed {
		for _, ref := range set.Streams {
			t.streamOf(ref.Name)
		}
	}
	for i := range t.streams {
		st := &t.streams[i]
		at := slices.IndexFunc(set.Streams, func(r Ref) bool { return r.Name == st.name })
		switch {
		case at < 0:
			st.live, st.ref = nil, Ref{}
		case st.live == nil || st.ref != set.Streams[at]:
			st.use(&live.Streams[at], set.Streams[at], t.cfg.Partitions)
			t.schemas[st.live.Schema] = set.Streams[at]
		}
	}
}

// killSlots ends the slots that the set does not go on with, and takes those over
// that go on over other revisions of their streams.
func (t *Task) killSlots(set Set, live *Live) (capped []cappedView) {
	for _, g := range t.groups {
		var revised []revision
		g.survey()
		t.surveyAlerts(g)
		last := int64(unset)
		for _, at := range g.spans {
			last = max(last, at)
		}
		for _, s := range g.slots {
			if s.died != alive || continues(s, set) {
				continue
			}
			if now, ok := s.successor(set, live); ok {
				revised = append(revised, revision{s, now})
				continue
			}
			s.died, s.until = t.epoch, last
			g.dying++
		}
		t.withdrawDeleted(g, set)
		capped = append(capped, t.revise(g, revised, set)...)
	}
	t.outlive()
	return capped
}

func continues(s *slot, set Set) bool {
	profiles, err := needs(s.rule, set)
	refs := set.Rules
	if s.shown != nil {
		refs = set.Views
	}
	return err == nil && slices.Contains(refs, s.ref) &&
		slices.Equal(s.streams, streamRefs(s.rule, set)) && slices.Equal(s.profiles, profiles)
}

// streamRefs returns the set's revisions of the streams of the rule and of the
// profiles it reads.
func streamRefs(r *prog.Rule, set Set) []Ref {
	var refs []Ref
	schemas := schemasOf(r)
	if r.Whole != nil {
		schemas = append(schemas, r.Whole.Streams...)
	}
	for _, sch := range schemas {
		for _, ref := range set.Streams {
			if ref.Name == sch.Stream {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// schemasOf returns the rule's streams, then those that only its profiles read.
func schemasOf(r *prog.Rule) []*event.Schema {
	schemas := slices.Clone(r.Streams)
	for _, p := range r.Profiles {
		if !slices.ContainsFunc(schemas, func(s *event.Schema) bool { return s.Stream == p.Stream.Stream }) {
			schemas = append(schemas, p.Stream)
		}
	}
	return schemas
}

// start brings a live rule to work unless a slot of it goes on.
func (t *Task) start(r Rule, set Set, carry []string) error {
	g, err := t.groupOf(r.Rule)
	if err != nil {
		return err
	}
	ref := r.ref()
	for _, s := range g.slots {
		if s.died == alive && s.ref == ref && (s.shown != nil) == (r.view != nil) {
			if s.shown == nil {
				t.turn(g, s, set.ModeOf(ref))
			}
			return nil
		}
	}
	profiles, err := needs(r.Rule, set)
	if err != nil {
		return err
	}
	t.slotIDs++
	s := t.newSlot(t.slotIDs, r, streamRefs(r.Rule, set), profiles)
	switch {
	case g.mark != unset:
		s.covered = t.coverage(g, s)
	case t.cfg.Covered:
		s.covered = unset + 1
	default:
		s.covered = g.first
	}
	if m := set.ModeOf(ref); s.shown == nil && m != ModeLive {
		s.modes = []stretch{{t.epoch, m}}
	}
	t.enlist(g, s)
	t.attach(g, s)
	if err := t.share(g, s); err != nil {
		return err
	}
	if slices.Contains(carry, set.ModeOf(ref).Of(ref.Name)) {
		t.inherit(g, s)
	}
	return t.settleIn(g, s)
}

// inherit gives a slot that starts what the revision before it remembers: the one that
// this Switch ended or, of a revision on trial, the one beside it. The two run the same
// automaton over the same conditions.
func (t *Task) inherit(g *group, s *slot) {
	var from *slot
	for _, was := range g.slots {
		past := was.born < t.epoch && (was.died == alive || was.died == t.epoch) && was.shown == nil && was.mode(t.epoch) != ModeShadow
		if past && was.rule.Name == s.rule.Name && slices.Equal(was.streams, s.streams) && slices.Equal(was.profiles, s.profiles) {
			from = was
		}
	}
	if from == nil {
		return
	}
	s.covered = from.covered
	t.give(g, s, t.remembered(from))
	if s.paged() {
		t.copyInto(s.id|pagesBit, t.recordsOf(from.id|pagesBit))
	}
}

// coverage returns from when on a slot that starts now sees every event: from
// the watermark, as the held events are shown to it, but not before the group's
// first event; past them when they are of another revision of a stream and lack what it reads.
func (t *Task) coverage(g *group, s *slot) int64 {
	from := g.mark + 1
	if !t.cfg.Covered {
		from = max(from, g.first)
	}
	for schema, last := range g.spans {
		if s.mentions(schema) && !s.reads(schema) && !(schema.Layout > 0 && s.rule.Sees(schema)) {
			from = max(from, last+1)
		}
	}
	return from
}

// survey notes how far the held events of each schema reach.
func (g *group) survey() {
	g.spans = map[*event.Schema]int64{}
	for _, h := range g.held.all() {
		g.spans[h.ev.Schema] = h.time
	}
}

// attach adds a slot to its group; arrange must follow.
func (t *Task) attach(g *group, s *slot) {
	for _, i := range g.streams {
		if t.streams[i].live != nil {
			s.lateness = max(s.lateness, t.streams[i].lateness)
		}
	}
	if s.cohort == nil {
		t.cfg.State.Open(Slot{ID: s.id, Wheel: g.id})
	}
	if s.paged() {
		t.cfg.State.Open(Slot{ID: s.id | pagesBit, Wheel: g.id})
	}
	if s.shown != nil {
		t.cfg.State.Open(Slot{ID: s.id | pulseBit, Wheel: g.id})
	}
	g.slots = append(g.slots, s)
	t.slots[s.id] = s
	t.openBooks(g, s)
}

// arrange orders the slots of a group and lays out what its streams go to.
func (t *Task) arrange(g *group) {
	slices.SortFunc(g.slots, func(a, b *slot) int {
		if c := strings.Compare(a.rule.Name, b.rule.Name); c != 0 {
			return c
		}
		return cmp.Compare(a.id, b.id)
	})
	g.wire(t)
}

// retire drops the slots whose last held event has been applied; a view has taken
// back by then what it has published.
func (t *Task) retire(g *group) {
	if g.dying == 0 {
		return
	}
	gone := func(s *slot) bool { return s.died != alive && s.until <= g.mark }
	for _, s := range g.slots {
		if gone(s) && s.shown != nil && !s.withdrawn {
			t.withdraw(g, s)
		}
	}
	if !slices.ContainsFunc(g.slots, gone) {
		return
	}
	for _, s := range g.slots {
		if gone(s) {
			t.timers++
			if s.cohort == nil {
				t.cfg.State.Drop(s.id)
			}
			if s.paged() {
				t.cfg.State.Drop(s.id | pagesBit)
			}
			if s.shown != nil {
				t.cfg.State.Drop(s.id | pulseBit)
			}
			delete(t.slots, s.id)
		}
	}
	t.disband(g, gone)
	g.slots = slices.DeleteFunc(g.slots, gone)
	t.back.loose = true
	t.forgetHistories(g)
	g.wire(t)
}
