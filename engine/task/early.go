package task

import (
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/engine/early"
)

// An outlook is what a rule with `timing: early` sees ahead of the watermark,
// by key. Package early tells how it works.
type outlook struct {
	quiet    match.Bounded // nil where the evaluator cannot tell
	views    map[string]*early.View
	idle     []*early.View // in the order in which they were without events; see rest
	oldest   int           // place in idle, once it is full
	spare    []*early.View
	store    early.Ahead
	filled   bool // the events held when the slot began are in the views
	out      match.Output
	findings []early.Finding
}

// idleViewsMax bounds the views without events that a rule keeps: they have the
// state of their key at hand.
const idleViewsMax = 1024

func newOutlook(s *slot) *outlook {
	quiet, _ := s.eval.(match.Bounded)
	return &outlook{quiet: quiet, views: map[string]*early.View{}, store: early.Ahead{World: &s.store, Paged: s.paged()}}
}

// foresee shows an accepted event to the early rules of its stream and sends
// what follows from it.
func (t *Task) foresee(g *group, h *held) {
	if f := &g.feeds[h.feed]; f.only(h.ev.Schema) {
		t.foreseeForm(g, f, h)
	} else {
		t.foreseeForms(g, f, *h)
	}
}

func (t *Task) foreseeForms(g *group, f *feed, h held) {
	f.each(&h, func(of *held) { t.foreseeForm(g, f, of) })
}

func (t *Task) foreseeForm(g *group, f *feed, h *held) {
	if r := f.route(h.ev.Schema); r != nil && r.early {
		t.ahead(g, h, r, func(p *tap) { t.foreseeTap(p, h, g.mark, true) })
	}
}

// ahead calls do for the early rules to which an event may matter.
func (t *Task) ahead(g *group, h *held, r *route, do func(*tap)) {
	f := &g.feeds[h.feed]
	whole := true
	for _, k := range f.keyers {
		whole = k.begin(h.ev) && whole
	}
	r.sheet.Begin(h.ev)
	set := r.pass(h)
	h.idle = h.known && h.members == 0 && whole && len(f.histories) == 0 && f.only(h.ev.Schema)
	for i := match.NextMember(set); i >= 0; i = match.NextMember(set) {
		if p := &r.taps[i]; p.slot.ahead != nil {
			do(p)
		}
	}
	r.sheet.End()
}

// look makes the views of the slots that have none yet, of the held events.
func (t *Task) look(g *group) {
	t.forecasts(g)
	fill := func(s *slot) bool { return s.ahead != nil && !s.ahead.filled }
	if !slices.ContainsFunc(g.slots, fill) {
		return
	}
	for _, h := range g.held.all() {
		f := &g.feeds[h.feed]
		f.each(&h, func(of *held) {
			if r := f.route(of.ev.Schema); r != nil {
				t.ahead(g, of, r, func(p *tap) {
					if fill(p.slot) {
						t.foreseeTap(p, of, g.mark, false)
					}
				})
			}
		})
	}
	for _, s := range g.slots {
		if fill(s) {
			s.ahead.filled = true
			t.reread(s)
		}
	}
}

// reread notes the held events that the slot's alerts were made of.
func (t *Task) reread(s *slot) {
	for _, mode := range s.ledgers() {
		b := t.books[mode.Of(s.rule.Name)]
		if b == nil {
			continue
		}
		for key, v := range s.ahead.views {
			for _, at := range t.open(b, []byte(key)).Places(s.id) {
				v.Note(at)
			}
		}
	}
}

func (t *Task) foreseeTap(p *tap, h *held, mark int64, run bool) {
	for i, k := range p.roles {
		if k.ok && !repeatedKey(p.roles[:i], k) {
			it := early.Item{Event: h.ev, Epoch: h.epoch, Roles: sameKey(p.roles, i)}
			t.foreseeKey(p.slot, k.bytes(), it, mark, run)
		}
	}
}

func (t *Task) foreseeKey(s *slot, key []byte, it early.Item, mark int64, run bool) {
	o := s.ahead
	t.now, t.since = it.Event.Time, it.Epoch
	v := o.views[string(key)]
	if v == nil {
		v = o.newView(key)
	}
	if o.store.Add(v, it); o.quiet != nil {
		v.Lift(o.quiet.Lifts(it.Event), it.Event.Time)
	}
	if run {
		t.runAhead(s, key, v, mark)
	}
}

// runAhead runs the events of a view that are to be run, unless there are too
// many or none of them can raise anything, and what one raised before still stands.
func (t *Task) runAhead(s *slot, key []byte, v *early.View, mark int64) {
	if _, capped := v.Capped(); capped {
		return
	}
	if v.Len() > s.rule.Limits.Replay || s.crowded(key) {
		v.Cap()
		s.counts.ReplayCapped++
		return
	}
	if !s.calm(key, v) {
		t.forerun(s, key, v, mark)
	}
}

// calm reports whether none of the events of a view can raise anything. What it
// finds out holds for some events to come, so that the state is seldom read.
func (s *slot) calm(key []byte, v *early.View) bool {
	q := s.ahead.quiet
	if q == nil || v.Calm() {
		return q != nil
	}
	state, lifts := s.store.Get(key), v.Lifts()
	for _, more := range [...]int{calmEvents, 0} {
		if q.Quiet(state, v.Len()+more, lifts) {
			v.Calmed(more)
			return true
		}
	}
	return false
}

// calmEvents is for how many events to come it is asked whether they are calm.
const calmEvents = 64

// forerun runs the events of a view that have not been since something changed
// before them, and sends what follows.
func (t *Task) forerun(s *slot, key []byte, v *early.View, mark int64) {
	o := s.ahead
	if !v.Live() {
		o.store.Begin(v, s.store.Get(key))
	}
	o.store.Use(v)
	o.findings = o.findings[:0]
	it := v.Next()
	first, noted := it.Event, false
	for ; it != nil; it = v.Next() {
		noted = it.Noted || noted
		v.Ran(t.try(s, key, it), !o.store.Paged)
	}
	if noted || len(o.findings) > 0 {
		from := early.PlaceOf(first)
		t.settle(s, key, early.Scope{From: &from}, mark)
	}
}

// unsettle tells an early rule that a deadline has changed the state of a key,
// which the events ahead of the watermark were run without.
func (s *slot) unsettle(key []byte) {
	if s.ahead == nil {
		return
	}
	if v := s.ahead.views[string(key)]; v != nil {
		v.Stale()
	}
}

func (o *outlook) newView(key []byte) *early.View {
	v := &early.View{}
	if n := len(o.spare); n > 0 {
		v, o.spare = o.spare[n-1], o.spare[:n-1]
	}
	v.Key = string(key)
	o.views[v.Key] = v
	return v
}

// try moves the state of the view in use by one event, and adds what that
// gives to the findings. It reports whether there is something to count.
func (t *Task) try(s *slot, key []byte, it *early.Item) (counted bool) {
	o := s.ahead
	t.now, t.since = it.Event.Time, it.Epoch
	s.store.key, s.store.item = key, it
	o.out.Reset()
	s.eval.Event(key, it.Event, it.Roles, &o.store, &o.out)
	s.store.item = nil
	if s.raises(it.Epoch) && len(o.out.Found) > 0 {
		it.Noted = true
		it.Event.Hold.Kept = true
		o.findings = t.findings(o.findings, s, key, it.Event, o.out.Found)
	}
	return o.out.Stats != (match.Stats{})
}

// findings names what an evaluator found; ev is the event that it found it
// at, nil at a deadline.
func (t *Task) findings(dst []early.Finding, s *slot, key []byte, ev *event.Event, found []match.Found) []early.Finding {
	for i := range found {
		f := &found[i]
		at := early.Place{Time: f.At}
		if ev != nil {
			at = early.PlaceOf(ev)
		}
		a := t.alertOf(s, key, f)
		dst = append(dst, early.Finding{Place: at, Alert: &a})
	}
	return dst
}

// confirm applies an event that the watermark passes to an early rule: what it
// completes is final now, and corrected if need be. It reports whether an
// alert refers to the event.
func (t *Task) confirm(s *slot, key []byte, h *held, roles uint64) (kept bool) {
	o := s.ahead
	v := o.views[string(key)]
	if v == nil {
		return false
	}
	it, ok := v.Pop(h.ev)
	if !ok {
		return false
	}
	if it.Known() && (!it.Noted || len(t.back.readers) == 0) {
		t.promote(s, key, v, &it)
	} else {
		kept = t.rerun(s, key, h, roles, it.Noted)
	}
	if v.Len() == 0 {
		o.rest(v)
	}
	return kept || it.Noted
}

// rest keeps a view that has become empty, and takes back the one that did so
// longest ago.
func (o *outlook) rest(v *early.View) {
	if v.Idle {
		return
	}
	v.Idle = true
	if len(o.idle) < idleViewsMax {
		o.idle = append(o.idle, v)
		return
	}
	old := o.idle[o.oldest]
	o.idle[o.oldest] = v
	o.oldest = (o.oldest + 1) % idleViewsMax
	if old.Idle = false; old.Len() == 0 {
		delete(o.views, old.Key)
		if o.store.Clear(old); len(o.spare) < idleViewsMax {
			o.spare = append(o.spare, old)
		}
	}
}

// promote makes final what an event gave ahead of the watermark.
func (t *Task) promote(s *slot, key []byte, v *early.View, it *early.Item) {
	if it.Wrote() {
		s.store.Put(key, v.State(it))
		v.Yield(func(number uint64, page []byte) { s.store.PutPage(key, number, page) })
	}
	if at, ok := it.Timer(); ok {
		s.store.Timer(key, at)
	}
	if !it.Noted {
		return
	}
	b := t.books[s.mode(t.since).Of(s.rule.Name)]
	book := t.open(b, key)
	timer := book.Deadline()
	at := early.PlaceOf(it.Event)
	book.Stand(early.Scope{Slot: s.id, At: &at})
	book.Forget(t.now)
	b.out = b.out[:0]
	t.close(b, key, timer)
}

// rerun runs an event that something came before since it was run ahead of the
// watermark, or that was not.
func (t *Task) rerun(s *slot, key []byte, h *held, roles uint64, noted bool) (kept bool) {
	o := s.ahead
	s.eval.Event(key, h.ev, roles, &s.store, &t.out)
	s.count(&t.out.Stats)
	o.findings = o.findings[:0]
	if s.raises(h.epoch) {
		o.findings = t.findings(o.findings, s, key, h.ev, t.out.Found)
	}
	if noted || len(o.findings) > 0 {
		at := early.PlaceOf(h.ev)
		t.settle(s, key, early.Scope{At: &at, Final: true}, t.now)
	}
	kept = len(t.out.Found) > 0
	t.out.Reset()
	return kept
}

// settle makes the books of a key say what its outlook's findings say, and
// sends the difference; now is how far event time has come for the key.
func (t *Task) settle(s *slot, key []byte, scope early.Scope, now int64) {
	findings := s.ahead.findings
	switch modes := s.ledgers(); {
	case scope.At != nil:
		t.write(s, s.mode(t.since), key, scope, findings, now)
	case len(modes) == 1:
		t.write(s, modes[0], key, scope, findings, now)
	default:
		for _, mode := range modes {
			if t.books[mode.Of(s.rule.Name)] == nil {
				continue
			}
			own := slices.DeleteFunc(slices.Clone(findings), func(f early.Finding) bool { return f.Alert.Mode != mode.String() })
			t.write(s, mode, key, scope, own, now)
		}
	}
	clear(findings)
}

// write makes the book of a key, of a mode, say what findings say.
func (t *Task) write(s *slot, mode Mode, key []byte, scope early.Scope, findings []early.Finding, now int64) {
	b := t.books[mode.Of(s.rule.Name)]
	book := t.open(b, key)
	timer := book.Deadline()
	scope.Slot, scope.Suppress = s.id, s.rule.Suppress
	b.out = book.Settle(scope, findings, b.out[:0])
	s.counts.Suppressed += uint64(book.Suppressed())
	s.counts.Raised += uint64(len(b.out))
	book.Forget(now)
	t.close(b, key, timer)
	for i := range findings {
		if book.Stands(findings[i].Alert.ID) {
			t.publish(s, findings[i].Alert)
		}
	}
}

// A cappedView is a key that has gone final, as a snapshot keeps it.
type cappedView struct {
	Slot  uint32
	Key   []byte
	Until int64
}

func (t *Task) cappedViews() []cappedView {
	var all []cappedView
	for _, s := range t.slots {
		all = s.capped(all)
	}
	slices.SortFunc(all, func(a, b cappedView) int {
		if a.Slot != b.Slot {
			return int(a.Slot) - int(b.Slot)
		}
		return strings.Compare(string(a.Key), string(b.Key))
	})
	return all
}

// capped adds the slot's keys that have gone final.
func (s *slot) capped(all []cappedView) []cappedView {
	if s.ahead == nil {
		return all
	}
	for key, v := range s.ahead.views {
		if until, ok := v.Capped(); ok {
			all = append(all, cappedView{s.id, []byte(key), until})
		}
	}
	return all
}

func (t *Task) restoreCapped(all []cappedView) {
	for _, c := range all {
		if s := t.slots[c.Slot]; s != nil && s.ahead != nil && s.ahead.views[string(c.Key)] != nil {
			s.ahead.views[string(c.Key)].CapUntil(c.Until)
		}
	}
}
