package task

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/window"
	"github.com/caltrop/caltrop/engine/early"
)

// A slot is one revision of a rule at work in a task. Around a Switch the old
// and the new one run side by side over the events held at that moment: each
// sees all events, and raises only what is its own. A match belongs to the
// revision that was live when its completing event was accepted, a deadline
// to the one that is live when it fires (language §8).
type slot struct {
	id        uint32
	place     int     // in the cohort
	cohort    *cohort // nil: its records are its own
	ref       Ref
	streams   []Ref      // the stream revisions it was compiled against, those of its profiles included
	profiles  []Ref      // the revisions of the profiles it reads, as rule.Profiles
	histories []*history // as profiles
	rule      *prog.Rule
	eval      match.Evaluator
	born      uint32    // raises for events accepted in epochs [born, died)
	died      uint32    // alive while it is live
	until     int64     // of a slot that died: it is dropped when the watermark gets here
	covered   int64     // since when its state is whole; unset before the first event
	retain    int64     // µs after which an untouched record is of no use, Never: always
	lateness  int64     // µs, the greatest of its streams
	modes     []stretch // none: always live
	level     int       // of a rule that reads alerts: above those it reads from; else 0
	counts    RuleCounts
	store     store
	ahead     *outlook // of a rule with timing early
	shown     *shown   // of a view
	shape     string   // of what may share records; "": it has its own
	keeper    *keeper  // of a first stage
}

const alive = math.MaxUint32

// A store is a slot's side of the State: what its evaluator sees.
type store struct {
	task  *Task
	slot  *slot
	facts expr.Facts
	page  []byte      // the key of a page
	key   []byte      // of the call under way
	wrote bool        // the call under way changed the state
	item  *early.Item // of the call under way, when it is ahead of the watermark
}

var (
	_ match.Knowing = (*store)(nil)
	_ match.Paging  = (*store)(nil)
)

func (s *store) Get(key []byte) []byte {
	if c := s.slot.cohort; c != nil {
		return c.eval.Member(s.task.cfg.State.Get(c.id, key), s.slot.place)
	}
	return s.task.cfg.State.Get(s.slot.id, key)
}

func (s *store) Put(key, state []byte) {
	s.wrote = true
	if c := s.slot.cohort; c != nil {
		s.task.cfg.State.Put(c.id, key, c.eval.Replace(s.task.cfg.State.Get(c.id, key), s.slot.place, state), s.dies())
		return
	}
	s.task.cfg.State.Put(s.slot.id, key, state, s.dies())
}

func (s *store) Edit(key []byte) []byte {
	s.wrote = true
	return s.task.cfg.State.Edit(s.slot.id, key, s.dies())
}

// dies is the time from which a record that is written now is of no use.
func (s *store) dies() int64 {
	if s.slot.retain == Never {
		return Never
	}
	return s.task.now + s.slot.retain
}

func (s *store) Timer(key []byte, at int64) {
	s.task.timers++
	s.task.cfg.State.SetTimer(s.slot.id, key, at)
}

// pagesBit marks the State's slot for the pages of a slot. Ids of slots grow
// neither that far nor to pulseBit.
const pagesBit = 1 << 31

func (s *store) Page(key []byte, number uint64) []byte {
	return s.task.cfg.State.Get(s.slot.id|pagesBit, s.pageKey(key, number))
}

func (s *store) PutPage(key []byte, number uint64, page []byte) {
	s.caught(key, number)
	s.task.cfg.State.Put(s.slot.id|pagesBit, s.pageKey(key, number), page, Never)
}

// caught tells the view of a key that the watermark's state changes a page.
func (s *store) caught(key []byte, number uint64) {
	if s.slot.ahead != nil {
		if v := s.slot.ahead.views[string(key)]; v != nil {
			v.Caught(number)
		}
	}
}

const pageNumberBytes = 8

// pageKey is the key followed by the bytes of the number.
func (s *store) pageKey(key []byte, number uint64) []byte {
	s.page = binary.BigEndian.AppendUint64(append(s.page[:0], key...), number)
	return s.page
}

func (s *store) Covered() int64 { return s.slot.covered }

// Facts are what the rule may read besides events: the profiles of the key,
// and the lists as they were when the event was accepted. A revision reads no lists of times when it was not
// live: it was not compiled against them.
func (s *store) Facts() *expr.Facts {
	s.facts.Lists = s.task.lists.at(s.slot.clamp(s.task.since))
	if len(s.slot.histories) > 0 {
		s.facts.Profiles = s
		for _, h := range s.slot.histories {
			if s.item != nil {
				s.task.foresight(h, s.key, s.item)
			} else {
				s.task.recall(h, s.key)
			}
		}
	}
	return &s.facts
}

func (s *slot) clamp(epoch uint32) uint32 { return min(max(epoch, s.born), s.died-1) }

func (t *Task) newSlot(id uint32, r Rule, streams, profiles []Ref) *slot {
	s := &slot{id: id, ref: r.ref(), streams: streams, profiles: profiles,
		born: t.epoch, died: alive, covered: unset, retain: retention(r.Rule)}
	s.store = store{task: t, slot: s}
	s.run(r)
	return s
}

// run makes the slot's evaluator.
func (s *slot) run(r Rule) {
	s.rule, s.ahead = r.Rule, nil
	switch {
	case r.view != nil:
		s.shown = newShown(r.view)
		s.eval = s.shown.gauge
	case r.Stage == First:
		s.keeper = newKeeper(&r)
		s.eval = s.keeper.Keeper
	case r.Stage == Second:
		s.eval = window.NewMerger(r.Rule.Whole)
	case r.Evaluator != nil:
		s.eval = r.Evaluator(r.Rule)
	case r.Rule.Window != nil:
		s.eval = window.New(r.Rule)
	default:
		s.eval = match.New(r.Rule)
	}
	if r.Rule.Early {
		s.ahead = newOutlook(s)
	}
}

// retention returns how long after an event a record can matter: a match lies
// within `within` of its first event, and a leading absence looks back at most
// the longest gap.
func retention(r *prog.Rule) int64 {
	if r.Window != nil {
		return r.Window.Size
	}
	if r.Within == 0 {
		return Never
	}
	longest := int64(0)
	if r.Doc != nil {
		for _, step := range r.Doc.Steps {
			longest = max(longest, step.Gap.Microseconds())
		}
	}
	return r.Within + longest
}

// reads reports whether the rule was compiled against this very schema.
func (s *slot) reads(schema *event.Schema) bool {
	return slices.Contains(s.rule.Streams, schema)
}

// mentions reports whether the rule reads the schema's stream, at some
// revision.
func (s *slot) mentions(schema *event.Schema) bool {
	return slices.ContainsFunc(s.rule.Streams, func(own *event.Schema) bool { return own.Stream == schema.Stream })
}

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
		capped = append(capped, t.revise(g, revised, set)...)
	}
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

// paged reports whether the rule's evaluator keeps pages.
func (s *slot) paged() bool { return s.rule.Window != nil && s.rule.Window.Kind == "rolling" }

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

// retire drops the slots whose last held event has been applied.
func (t *Task) retire(g *group) {
	if g.dying == 0 {
		return
	}
	gone := func(s *slot) bool { return s.died != alive && s.until <= g.mark }
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

// streamAt returns the place of a stream among those that the task reads, -1
// for one that it does not.
func (t *Task) streamAt(name string) int {
	return slices.IndexFunc(t.streams, func(s stream) bool { return s.name == name })
}

// groupOf finds or makes the group of a rule's streams. A new one starts with
// the events of its streams that other groups still hold.
func (t *Task) groupOf(r *prog.Rule) (*group, error) {
	var streams, asides []int
	for n, sch := range schemasOf(r) {
		i := t.streamAt(sch.Stream)
		if i < 0 {
			return nil, fmt.Errorf("starting rule %s: the task does not read stream %s", r.Name, sch.Stream)
		}
		streams = append(streams, i)
		if n >= len(r.Streams) {
			asides = append(asides, i)
		}
	}
	slices.Sort(streams)
	slices.Sort(asides)
	for _, g := range t.groups {
		if slices.Equal(g.streams, streams) && slices.Equal(g.asides, asides) {
			return g, nil
		}
	}
	g := t.newGroup(streams, asides)
	t.fill(g)
	g.survey()
	t.surveyAlerts(g)
	t.groups = append(t.groups, g)
	return g, nil
}

func (t *Task) newGroup(streams, asides []int) *group {
	lateness, mark := int64(0), int64(ended)
	for _, i := range streams {
		lateness = max(lateness, t.streams[i].lateness)
		mark = min(mark, t.streams[i].mark)
	}
	return &group{id: uint32(len(t.groups)), streams: streams, asides: asides, mark: mark, first: unset, held: newQueue(len(streams), lateness),
		above: slices.Contains(streams, t.back.stream)}
}

func (t *Task) fill(g *group) {
	taken := map[*event.Event]bool{}
	for _, other := range t.groups {
		for _, h := range other.held.all() {
			feed := slices.Index(g.streams, other.streams[h.feed])
			if feed >= 0 && h.time > g.mark && !taken[h.ev] {
				taken[h.ev] = true
				h.feed, h.known, h.idle = uint16(feed), false, false
				h.ev.Hold.Queues++
				g.held.push(h)
				if !slices.Contains(g.asides, g.streams[feed]) && (g.first == unset || h.time < g.first) {
					g.first = h.time
				}
			}
		}
	}
}

// wire lays out, by stream, the slots and the distinct key projections.
func (g *group) wire(t *Task) {
	g.held.forget()
	g.feeds = make([]feed, len(g.streams))
	g.dying, g.ahead, g.near = 0, false, false
	for _, s := range g.slots {
		if s.died != alive {
			g.dying++
		}
		g.ahead, g.near = g.ahead || s.ahead != nil, g.near || s.paged()
		for i, sch := range s.rule.Streams {
			f := &g.feeds[g.feedOf(t, sch.Stream)]
			p := tap{slot: s}
			for _, fields := range s.rule.Keys[i].Roles {
				p.roles = append(p.roles, f.keyer(fields, s.salts(), t.cfg.Owns))
			}
			f.tap(sch, p)
		}
	}
	for _, h := range g.histories {
		f := &g.feeds[g.feedOf(t, h.prog.Stream.Stream)]
		h.keyer = f.keyer(h.prog.Key, 0, t.cfg.Owns)
		f.histories = append(f.histories, h)
		g.ahead = g.ahead || h.ahead != nil
	}
	for i := range g.feeds {
		g.feeds[i].sift()
		g.feeds[i].list()
	}
}

// tap adds a tap for events of the schema that its rule was compiled against.
func (f *feed) tap(schema *event.Schema, p tap) {
	r := f.route(schema)
	if r == nil {
		f.routes = append(f.routes, route{schema: schema})
		r = &f.routes[len(f.routes)-1]
	}
	r.early = r.early || p.slot.ahead != nil
	if p.slot.paged() {
		r.near = append(r.near, nearby{len(r.taps), p.slot.id, p.roles[0]})
	}
	r.taps = append(r.taps, p)
}

// sift makes the sieves of a feed whose taps are laid out.
func (f *feed) sift() {
	for i := range f.routes {
		r := &f.routes[i]
		r.sheet = match.NewSheet()
		evaluators := make([]match.Evaluator, len(r.taps))
		for j := range r.taps {
			evaluators[j] = r.taps[j].slot.eval
			if e, ok := evaluators[j].(match.Sharing); ok {
				e.Share(r.schema, r.sheet)
			}
		}
		r.sieve = match.NewSieve(r.schema, evaluators)
		r.muster()
	}
}

// feedOf returns the position of a stream in the group, -1 when it reads
// another's.
func (g *group) feedOf(t *Task, stream string) int {
	return slices.IndexFunc(g.streams, func(n int) bool { return t.streams[n].name == stream })
}

func (f *feed) keyer(fields []int, salts int, owns func([]byte) bool) *keyer {
	for _, k := range f.keyers {
		if k.salts == salts && slices.Equal(k.fields, fields) {
			return k
		}
	}
	k := &keyer{fields: fields, salts: salts, owns: owns}
	f.keyers = append(f.keyers, k)
	return k
}
