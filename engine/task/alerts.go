package task

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/sinks/alert"
)

// A feedback turns alerts into events of the stream alerts, for the groups of
// rules that read it (language §1). No alert leaves the task for that: those
// groups run once every group they read from has passed a time, so their
// watermark, the mark, is the least over the streams involved, and an alert is
// never late. At each instant the readers run level by level: a rule after
// the rules whose alerts it reads.
type feedback struct {
	stream  int // of the alerts, in Task.streams
	mark    int64
	next    int64    // number of the next alert that is read, its offset as an event
	readers []*group // that read alerts
	bound   []int    // streams whose watermarks bound the mark
	levels  int      // of the rules
	loose   bool     // the slots have changed since the last link
	pending queue    // alerts after the mark, not numbered yet
	batch   []held
	now     [][]held // by reader: its events of one time, in key order
}

// openFeedback adds the stream of alerts to those that the sources have.
func (t *Task) openFeedback() {
	at := t.streamAt(prog.AlertsStream)
	if at < 0 {
		at = len(t.streams)
		t.streams = append(t.streams, stream{name: prog.AlertsStream, mark: unset})
	}
	t.back = feedback{stream: at, mark: unset, pending: newQueue(1, 0)}
}

// link works out the levels of the rules and the streams that bound the
// mark. It follows a change of the slots.
func (t *Task) link() {
	b := &t.back
	b.levels, b.bound, b.readers = 0, nil, nil
	var all, over []*slot
	for _, g := range t.groups {
		for _, s := range g.slots {
			if t.isSource(s) {
				all = append(all, s)
			}
		}
		if g.above {
			over = append(over, g.slots...)
			b.readers = append(b.readers, g)
			t.bindTo(g.streams)
		}
	}
	for _, s := range over {
		if s.died == alive {
			s.level = 0
		}
	}
	for _, s := range over {
		b.levels = max(b.levels, levelOf(s, all))
	}
	for _, g := range t.groups {
		isRead := func(s *slot) bool {
			return t.isSource(s) && slices.ContainsFunc(over, func(o *slot) bool { return o.rule.Upstream.Reads(s.rule.Doc) })
		}
		if slices.ContainsFunc(g.slots, isRead) {
			t.bindTo(g.streams)
		}
	}
	if len(b.bound) == 0 { // no rule that is read is live
		for i := range t.streams {
			t.bindTo([]int{i})
		}
	}
}

// isSource reports whether rules may read what a slot raises.
func (t *Task) isSource(s *slot) bool { return s.shown == nil && s.mode(t.epoch) != ModeShadow }

// levelOf returns one more than the highest level that a slot reads from. The
// levels of slots that died stay as they were; the zero level is not known yet
// for a reader, and rules do not read each other in a circle.
func levelOf(s *slot, all []*slot) int {
	if s.level > 0 || s.rule.Upstream == nil {
		return s.level
	}
	s.level = 1
	level := 1
	for _, other := range all {
		if other.died == alive && s.rule.Upstream.Reads(other.rule.Doc) {
			level = max(level, 1+levelOf(other, all))
		}
	}
	s.level = level
	return level
}

// bindTo lets streams bound the mark; that of alerts does where it has
// sources.
func (t *Task) bindTo(streams []int) {
	for _, i := range streams {
		if (i != t.back.stream || len(t.streams[i].sources) > 0) && !slices.Contains(t.back.bound, i) {
			t.back.bound = append(t.back.bound, i)
		}
	}
}

// publish makes an alert, at its first version, an event for the rules that
// read alerts, in each form of the stream that they were compiled against. It is
// accepted where it is raised but, of a slot that has ended, where that ended: a
// reader that ended with it, or later, raises what comes of it.
func (t *Task) publish(s *slot, a *alert.Alert) {
	if len(t.back.readers) == 0 || a.Mode == ModeShadow.String() {
		return
	}
	var forms []*event.Event
	for _, g := range t.back.readers {
		for _, r := range g.slots {
			forms = form(forms, a, r)
		}
	}
	forms = slices.DeleteFunc(forms, func(ev *event.Event) bool { return !t.isRead(ev) })
	if len(forms) == 0 {
		return
	}
	if a.At <= t.back.mark { // a rule came in whose streams are behind: its first alerts find the readers past them
		t.counts.Late++
		return
	}
	for _, ev := range forms {
		ev.Offset, ev.Hold.Kept = int64(s.level), true // the level until it is numbered
		t.back.pending.push(&held{time: a.At, ev: ev, epoch: s.clamp(t.epoch)})
	}
	for _, g := range t.back.readers {
		if g.first == unset {
			g.begin(a.At)
		}
	}
}

// form adds an alert as a reader sees it, unless it is there.
func form(forms []*event.Event, a *alert.Alert, r *slot) []*event.Event {
	schema := r.alertsSchema()
	if slices.ContainsFunc(forms, func(ev *event.Event) bool { return ev.Schema == schema }) {
		return forms
	}
	return append(forms, alertEvent(a, schema))
}

// alertsSchema is the form of the stream alerts that a reader was compiled
// against.
func (s *slot) alertsSchema() *event.Schema {
	i := slices.IndexFunc(s.rule.Streams, func(own *event.Schema) bool { return own.Stream == prog.AlertsStream })
	return s.rule.Streams[i]
}

// isRead reports whether a rule at work reads the alert.
func (t *Task) isRead(ev *event.Event) bool {
	for _, g := range t.back.readers {
		if slices.ContainsFunc(g.slots, func(s *slot) bool { return s.reads(ev.Schema) && s.rule.Upstream.Takes(ev) }) {
			return true
		}
	}
	return false
}

// alertEvent is an alert as rules read it.
func alertEvent(a *alert.Alert, schema *event.Schema) *event.Event {
	ev := &event.Event{Schema: schema, Time: a.At, ID: a.ID.String(), Values: make([]event.Value, len(schema.Fields))}
	ev.Values[prog.AlertRule] = event.StringOf(a.Rule)
	ev.Values[prog.AlertSeverity] = event.StringOf(a.Severity)
	ev.Values[prog.AlertScore] = event.IntOf(int64(a.Score))
	ev.Values[prog.AlertKey] = event.StringOf(a.KeyText())
	for _, m := range a.Measures {
		if i := schema.Index(m.Name); i > prog.AlertKey {
			ev.Values[i] = measured(m.Value, schema.Fields[i].Type)
		}
	}
	return ev
}

// measured is a measure as a field of the given type; absent where JSON could
// not say it.
func measured(v event.Value, typ event.Type) event.Value {
	switch {
	case typ == event.Double && v.Present():
		if f := v.Double(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return event.DoubleOf(f)
		}
	case v.Type() == typ:
		return v
	}
	return event.Value{}
}

// advanceReaders runs the readers up to where no further alert can come.
func (t *Task) advanceReaders() {
	if len(t.back.readers) == 0 {
		return
	}
	to := t.backMark()
	if to <= t.back.mark {
		return
	}
	for at, ok := t.instant(to); ok; at, ok = t.instant(to) {
		if t.runInstant(at, at <= to); t.failed != nil {
			return
		}
	}
	t.passReaders(to)
}

func (t *Task) backMark() int64 {
	least := int64(ended)
	for _, i := range t.back.bound {
		least = min(least, t.streams[i].mark)
	}
	return least
}

func (t *Task) passReaders(to int64) {
	t.back.mark = to
	if st := &t.streams[t.back.stream]; len(st.sources) == 0 {
		st.mark = to
	}
	for _, g := range t.back.readers {
		g.mark = to
		t.retire(g)
		t.cfg.State.Passed(g.id, to)
	}
}

// instant returns the earliest time at which something happens: an event or
// an alert up to the mark, a deadline one µs later at most.
func (t *Task) instant(to int64) (at int64, ok bool) {
	consider := func(time int64) {
		if !ok || time < at {
			at, ok = time, true
		}
	}
	if h, some := t.back.pending.first(); some && h.time <= to {
		consider(h.time)
	}
	for _, g := range t.back.readers {
		if h, some := g.held.first(); some && h.time <= to {
			consider(h.time)
		}
		if time, some := t.earliest(g); some && time-1 <= to {
			consider(time)
		}
	}
	return at, ok
}

// runInstant applies what happens at one time, level by level: deadlines, then
// events in key order, the alerts of the levels below among them.
func (t *Task) runInstant(at int64, events bool) {
	b := &t.back
	dues := make([][]dueTimer, len(b.readers))
	b.now = slices.Grow(b.now[:0], len(b.readers))[:len(b.readers)]
	for i, g := range b.readers {
		b.now[i] = b.now[i][:0]
		if time, ok := t.earliest(g); ok && time == at {
			dues[i] = t.takeDues(g, at)
		}
		for h, ok := g.held.first(); events && ok && h.time == at; h, ok = g.held.first() {
			b.now[i] = append(b.now[i], *h)
			g.held.pop()
		}
	}
	for level := 1; level <= b.levels; level++ {
		if events {
			t.number(at, level)
		}
		for i, g := range b.readers {
			t.now, t.since = at, t.epoch
			t.fireLevel(dues[i], at, level)
			for j := range b.now[i] {
				if t.stopped() {
					return
				}
				t.deliverLevel(g, &b.now[i][j], level)
			}
		}
	}
	if events {
		t.number(at, b.levels+1)
	}
	for i, done := range b.now {
		g := b.readers[i]
		for _, h := range done {
			t.since = h.epoch
			f := &g.feeds[h.feed]
			f.each(&h, func(of *held) { t.record(g, f, of.ev, false) })
			t.let(h.ev)
		}
		clear(done)
	}
}

// takeDues takes the deadlines of one time in the order in which fire has
// them, and ends the suppression periods among them.
func (t *Task) takeDues(g *group, at int64) []dueTimer {
	t.timers++
	t.fired = t.cfg.State.Take(g.id, at, t.fired[:0])
	var dues []dueTimer
	for _, f := range t.fired {
		dues = append(dues, t.due(f))
	}
	slices.SortFunc(dues, compareDue)
	for _, d := range dues {
		if d.books != nil {
			t.endPeriod(d.books, []byte(d.key), at)
		}
	}
	return dues
}

func (t *Task) fireLevel(dues []dueTimer, at int64, level int) {
	for _, d := range dues {
		if d.slot != nil && d.slot.level == level && !t.stopped() {
			t.expire(d, at)
		}
	}
}

// deliverLevel shows one event to the rules of one level.
func (t *Task) deliverLevel(g *group, h *held, level int) {
	t.now, t.since = h.time, h.epoch
	t.moment++
	f := &g.feeds[h.feed]
	f.each(h, func(of *held) { t.deliverFormLevel(g, f, of, level) })
}

func (t *Task) deliverFormLevel(g *group, f *feed, h *held, level int) {
	r := f.route(h.ev.Schema)
	if r == nil {
		return
	}
	for _, k := range f.keyers {
		k.begin(h.ev)
	}
	if level == 1 { // once an event
		f.begin(h.ev, r)
	}
	isAlert, kept := g.streams[h.feed] == t.back.stream, false
	set := r.sieve.Pass(h.ev)
	for i := match.NextMember(set); i >= 0; i = match.NextMember(set) {
		if s := r.taps[i].slot; s.level == level && (!isAlert || s.rule.Upstream.Takes(h.ev)) {
			kept = t.offer(&r.taps[i], h) || kept
		}
	}
	if kept {
		h.ev.Own()
		h.ev.Hold.Kept = true
	}
}

// number gives the pending alerts of one time their place in the stream: level
// by level, up to the given one, then by rule, key and id, so that it is the
// same however the streams came in.
func (t *Task) number(at int64, below int) {
	batch := t.back.batch[:0]
	for h, ok := t.back.pending.first(); ok && h.time == at && h.ev.Offset < int64(below); h, ok = t.back.pending.first() {
		batch = append(batch, *h)
		t.back.pending.pop()
	}
	slices.SortFunc(batch, func(a, b held) int {
		return cmp.Or(cmp.Compare(a.ev.Offset, b.ev.Offset), compareAlerts(a.ev, b.ev))
	})
	st := &t.streams[t.back.stream]
	for _, h := range batch {
		h.ev.Offset = t.back.next
		h.ev.Cluster = uint16(len(st.sources)) // after those that came from a source
		t.back.next++
		for i, g := range t.back.readers {
			h.feed = uint16(slices.Index(g.streams, t.back.stream))
			t.back.now[i] = append(t.back.now[i], h)
		}
	}
	if len(batch) > 0 {
		for _, events := range t.back.now {
			slices.SortFunc(events, func(a, b held) int { return compareHeld(&a, &b) })
		}
	}
	clear(batch)
	t.back.batch = batch[:0]
}

func compareAlerts(a, b *event.Event) int {
	return cmp.Or(
		strings.Compare(a.Values[prog.AlertRule].Str(), b.Values[prog.AlertRule].Str()),
		strings.Compare(a.Values[prog.AlertKey].Str(), b.Values[prog.AlertKey].Str()),
		bytes.Compare([]byte(a.ID), []byte(b.ID)))
}

// outlive lets the readers that end with a Switch live until all that ends has
// raised what it raises of held events.
func (t *Task) outlive() {
	last := int64(unset)
	for _, g := range t.groups {
		for _, s := range g.slots {
			if s.died != alive && s.shown == nil {
				last = max(last, s.until)
			}
		}
	}
	for _, g := range t.groups {
		for _, s := range g.slots {
			if g.above && s.died == t.epoch && s.shown == nil {
				s.until = max(s.until, last)
			}
		}
	}
}

// surveyAlerts notes how far the pending alerts reach that the group will
// hold.
func (t *Task) surveyAlerts(g *group) {
	if !g.above {
		return
	}
	for _, h := range t.back.pending.all() {
		g.spans[h.ev.Schema] = max(h.time, g.spans[h.ev.Schema])
		if g.first == unset {
			g.begin(h.time)
		}
	}
}
