package task

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
)

// Restore makes the task that Snapshot encoded. cfg.State must hold the state
// of the same moment; cfg.Sources must be those of the task that wrote it.
// The resolver is asked for the live set and for every older revision that
// still has held events to match.
func Restore(cfg Config, snapshot []byte) (*Task, error) {
	h, rest, err := readHeader(snapshot)
	if err != nil {
		return nil, err
	}
	t := New(cfg)
	if err := t.restore(h, rest); err != nil {
		return nil, fmt.Errorf("restoring a task at %d: %w", h.Position.Offset, err)
	}
	return t, t.finish()
}

func readHeader(b []byte) (*header, []byte, error) {
	if len(b) == 0 || b[0] < formatBefore || b[0] > snapshotFormat {
		return nil, nil, fmt.Errorf("%w: unknown format", errSnapshot)
	}
	n, w := binary.Uvarint(b[1:])
	if w <= 0 || n > uint64(len(b)-1-w) {
		return nil, nil, fmt.Errorf("%w: cut short", errSnapshot)
	}
	h := &header{}
	if err := json.Unmarshal(b[1+w:1+w+int(n)], h); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errSnapshot, err)
	}
	if b[0] <= formatUnnumbered && slices.ContainsFunc(h.Slots, func(s slotHeader) bool {
		return slices.ContainsFunc(s.Streams, func(r Ref) bool { return r.Revision > 1 && r.Name != prog.AlertsStream })
	}) {
		return nil, nil, fmt.Errorf("%w: format %d of a stream that was changed", errSnapshot, b[0])
	}
	return h, b[1+w+int(n):], nil
}

func (t *Task) restore(h *header, rest []byte) error {
	if err := t.restoreMarks(h); err != nil {
		return err
	}
	live, err := t.cfg.Resolver.Resolve(h.Set)
	if err != nil {
		return fmt.Errorf("resolving the rule set: %w", err)
	}
	t.useStreams(h.Set, live)
	if err := t.restoreLists(h.Lists); err != nil {
		return err
	}
	for _, g := range h.Groups {
		n := t.newGroup(g.Streams, g.Asides)
		n.mark, n.first = g.Mark, g.First
		t.groups = append(t.groups, n)
	}
	if err := t.restoreSlots(h, live); err != nil {
		return err
	}
	if rest, err = t.restoreEvents(h, rest); err != nil {
		return err
	}
	for _, g := range t.groups {
		t.look(g)
	}
	t.restoreCapped(h.Capped)
	for i := range h.Streams {
		if rest, err = t.streams[i].seen.decode(rest); err != nil {
			return err
		}
	}
	t.back.loose = true
	if len(rest) > 0 {
		return fmt.Errorf("%w: %d bytes left over", errSnapshot, len(rest))
	}
	return nil
}

func (t *Task) restoreMarks(h *header) error {
	if t.cfg.Keyed {
		t.rejoin(h)
	}
	older := len(h.Streams) == t.back.stream && t.back.stream == len(t.streams)-1 // without the stream of alerts
	if len(h.Sources) != len(t.sources) || len(h.Streams) != len(t.streams) && !older {
		return fmt.Errorf("%w: of %d sources, the task has %d", errSnapshot, len(h.Sources), len(t.sources))
	}
	for i, s := range h.Sources {
		if s.Source != t.sources[i].Source {
			return fmt.Errorf("%w: source %d is %v, the task has %v", errSnapshot, i, s.Source, t.sources[i].Source)
		}
		src := &t.sources[i]
		src.mark, src.idle, src.next, src.left, src.again = s.Mark, s.Idle, s.Next, s.Left, s.Again
	}
	for i, mark := range h.Streams {
		t.streams[i].mark = mark
	}
	if h.Alerts != nil {
		t.back.mark, t.back.next = h.Alerts.Mark, h.Alerts.Next
	}
	t.misplaced = h.Misplaced
	t.pos, t.digest, t.counts, t.epoch = h.Position, h.Digest, h.Counts, h.Epoch
	t.slotIDs, t.handed, t.said, t.set = h.SlotIDs, h.Handed, h.Clock, h.Set
	return nil
}

func (t *Task) restoreSlots(h *header, live *Live) error {
	for _, b := range h.Books {
		t.books[b.Name] = &books{slot: b.Slot, wheel: b.Wheel}
		t.cfg.State.Open(Slot{ID: b.Slot, Wheel: b.Wheel})
	}
	for _, sh := range h.Slots {
		rule, err := t.ruleOf(h, live, &sh)
		if err != nil {
			return err
		}
		if int(sh.Group) >= len(t.groups) {
			return fmt.Errorf("%w: slot %d in group %d", errSnapshot, sh.ID, sh.Group)
		}
		s := t.newSlot(sh.ID, rule, sh.Streams, sh.Profiles)
		s.born, s.died, s.until, s.covered, s.counts = sh.Born, sh.Died, sh.Until, sh.Covered, sh.Counts
		s.level, s.modes, s.withdrawn = sh.Level, sh.Modes, sh.Withdrawn
		if err := t.reenlist(t.groups[sh.Group], s, &sh); err != nil {
			return err
		}
		t.attach(t.groups[sh.Group], s)
		if s.rule.Upstream != nil { // what it reads may be raised yet, when no other rule reads alerts
			t.schemas[s.alertsSchema()] = streamRef(s.streams, prog.AlertsStream)
		}
		if err := t.restoreHistories(h, &sh, s); err != nil {
			return err
		}
	}
	for _, g := range t.groups {
		t.arrange(g)
	}
	t.route()
	return nil
}

// restoreHistories gives a slot the histories that its rule reads.
func (t *Task) restoreHistories(h *header, sh *slotHeader, s *slot) error {
	g := t.groups[sh.Group]
	if len(sh.Profiles) != len(s.rule.Profiles) {
		return fmt.Errorf("%w: slot %d of %d profiles", errSnapshot, sh.ID, len(sh.Profiles))
	}
	for i, p := range s.rule.Profiles {
		stream := streamRef(s.streams, p.Stream.Stream)
		y := g.history(sh.Profiles[i], stream)
		if y == nil {
			at := slices.IndexFunc(h.Histories, func(y historyHeader) bool {
				return y.Group == sh.Group && y.Ref == sh.Profiles[i] && y.Stream == stream
			})
			if at < 0 {
				return fmt.Errorf("%w: slot %d without profile %s", errSnapshot, sh.ID, p.Name)
			}
			y = t.newHistory(g, h.Histories[at].ID, sh.Profiles[i], stream, p)
			y.born = h.Histories[at].Born
		}
		s.histories = append(s.histories, y)
	}
	return nil
}

// ruleOf finds the compiled rule of a slot: in the live set, or by asking for
// the revisions that it was made from.
func (t *Task) ruleOf(h *header, live *Live, sh *slotHeader) (Rule, error) {
	if sh.View {
		return t.viewOf(h, live, sh)
	}
	if sh.Died == alive {
		if i := slices.Index(h.Set.Rules, sh.Ref); i >= 0 && i < len(live.Rules) {
			return live.Rules[i], nil
		}
	}
	old, err := t.cfg.Resolver.Resolve(Set{Streams: sh.Streams, Rules: []Ref{sh.Ref}, Profiles: sh.Profiles, Lists: t.lists.refs(sh.Died - 1)})
	if err != nil {
		return Rule{}, fmt.Errorf("resolving revision %d of rule %s: %w", sh.Ref.Revision, sh.Ref.Name, err)
	}
	if len(old.Rules) != 1 {
		return Rule{}, fmt.Errorf("resolving revision %d of rule %s: %d answers", sh.Ref.Revision, sh.Ref.Name, len(old.Rules))
	}
	return old.Rules[0], nil
}

// viewOf is ruleOf for a slot of a view.
func (t *Task) viewOf(h *header, live *Live, sh *slotHeader) (Rule, error) {
	if sh.Died == alive {
		if i := slices.Index(h.Set.Views, sh.Ref); i >= 0 && i < len(live.Views) {
			return ruleFor(live.Views[i]), nil
		}
	}
	old, err := t.cfg.Resolver.Resolve(Set{Streams: sh.Streams, Views: []Ref{sh.Ref}, Profiles: sh.Profiles, Lists: t.lists.refs(sh.Died - 1)})
	if err != nil {
		return Rule{}, fmt.Errorf("resolving revision %d of view %s: %w", sh.Ref.Revision, sh.Ref.Name, err)
	}
	if len(old.Views) != 1 {
		return Rule{}, fmt.Errorf("resolving revision %d of view %s: %d answers", sh.Ref.Revision, sh.Ref.Name, len(old.Views))
	}
	return ruleFor(old.Views[0]), nil
}

func (t *Task) restoreEvents(h *header, b []byte) ([]byte, error) {
	schemas := make([]*event.Schema, len(h.Schemas))
	for i, ref := range h.Schemas {
		live, err := t.cfg.Resolver.Resolve(Set{Streams: []Ref{ref}})
		if err != nil {
			return nil, fmt.Errorf("resolving revision %d of stream %s: %w", ref.Revision, ref.Name, err)
		}
		if len(live.Streams) != 1 {
			return nil, fmt.Errorf("resolving revision %d of stream %s: %d answers", ref.Revision, ref.Name, len(live.Streams))
		}
		schemas[i] = live.Streams[0].Schema
		t.schemas[schemas[i]] = ref
	}
	for range h.Held {
		rest, err := t.restoreEvent(schemas, b)
		if err != nil {
			return nil, err
		}
		b = rest
	}
	return b, nil
}

func (t *Task) restoreEvent(schemas []*event.Schema, b []byte) ([]byte, error) {
	r := event.Cursor{Buf: b}
	at, epoch, n := r.Uvarint(), r.Uvarint(), r.Uvarint()
	if r.Bad || at >= uint64(len(schemas)) || n > uint64(len(t.groups)) {
		return nil, fmt.Errorf("%w: a held event", errSnapshot)
	}
	in := make([]*group, 0, n)
	for range n {
		if g := r.Uvarint(); !r.Bad && g < uint64(len(t.groups)) {
			in = append(in, t.groups[g])
		}
	}
	ev := t.NewEvent()
	rest, err := event.DecodeEvent(schemas[at], r.Buf, ev, event.Packing{})
	if err != nil || len(in) != int(n) {
		return nil, fmt.Errorf("%w: a held event: %w", errSnapshot, err)
	}
	if len(in) == 0 {
		ev.Hold.Kept = true
		t.back.pending.push(&held{time: ev.Time, ev: ev, epoch: uint32(epoch)})
	} else {
		t.weigh(ev, len(in))
	}
	for _, g := range in {
		feed := g.feedOf(t, ev.Schema.Stream)
		if feed < 0 {
			return nil, fmt.Errorf("%w: an event of %s held by a group that does not read it", errSnapshot, ev.Schema.Stream)
		}
		g.held.push(&held{time: ev.Time, ev: ev, epoch: uint32(epoch), feed: uint16(feed)})
	}
	return rest, nil
}

func (s *seen) decode(b []byte) ([]byte, error) {
	r := event.Cursor{Buf: b}
	n := r.Uvarint()
	if b = r.Buf; r.Bad || n > uint64(len(b)/seenBytes) {
		return nil, fmt.Errorf("%w: remembered ids", errSnapshot)
	}
	if n > 0 && s.order.width == 0 {
		s.resize(0)
	}
	for range n {
		at := int64(binary.BigEndian.Uint64(b))
		id := xxh3.Uint128{Hi: binary.BigEndian.Uint64(b[8:]), Lo: binary.BigEndian.Uint64(b[16:])}
		s.remember(id, at)
		b = b[seenBytes:]
	}
	return b, nil
}
