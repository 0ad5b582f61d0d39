package task

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/engine/partitioner"
)

// A snapshot is a format byte, the header as JSON behind its length, the held
// events and the remembered ids of each stream. Held events are in the
// compact form of package event.
const (
	snapshotFormat = 6
	// The formats before: formatBefore knew no cohorts, and in the states of both
	// events name no layout, which is sound while all streams are at their first
	// revision.
	formatUnnumbered = 5
	formatBefore     = 4
)

var errSnapshot = errors.New("not a task's snapshot")

type header struct {
	Position  Position
	Digest    Digest
	Counts    Counts
	Misplaced partitioner.Misplaced `json:",omitzero"`
	Epoch     uint32
	SlotIDs   uint32
	Handed    int64 `json:",omitempty"`
	Clock     Entry `json:",omitzero"`
	Set       Set
	Lists     []listEpoch `json:",omitempty"`
	Sources   []sourceHeader
	Streams   []int64  // watermarks
	Names     []string `json:",omitempty"` // of the streams, where the log is keyed
	Groups    []groupHeader
	Slots     []slotHeader
	Histories []historyHeader `json:",omitempty"`
	Books     []booksHeader
	Capped    []cappedView  `json:",omitempty"`
	Schemas   []Ref         // stream revisions of the held events
	Held      int           // events, pending alerts among them: those of no group
	Alerts    *alertsHeader `json:",omitempty"`
}

type sourceHeader struct {
	Source Source
	Mark   int64
	Idle   int64 `json:",omitempty"`
	Next   int64 `json:",omitempty"`
	Left   bool  `json:",omitempty"`
}

type groupHeader struct {
	Streams []int
	Asides  []int `json:",omitempty"`
	Mark    int64
	First   int64
}

type slotHeader struct {
	ID         uint32
	Group      uint32
	Ref        Ref
	Streams    []Ref
	Profiles   []Ref `json:",omitempty"`
	Born, Died uint32
	Until      int64
	Covered    int64
	Counts     RuleCounts
	Level      int       `json:",omitempty"`
	View       bool      `json:",omitempty"` // Ref is of a view
	Modes      []stretch `json:",omitempty"`
	Cohort     uint32    `json:",omitempty"` // the State's slot where its rule's records are; 0: its own
	Place      int       `json:",omitempty"` // there
}

// An alertsHeader is how far the rules that read alerts have come.
type alertsHeader struct{ Mark, Next int64 }

type historyHeader struct {
	ID          uint32
	Group       uint32
	Ref, Stream Ref
	Born        uint32
}

type booksHeader struct {
	Name        string
	Slot, Wheel uint32
}

// Snapshot encodes all that the task remembers outside its State. Together
// with a State of the same moment, Restore makes an equal task of it. It must
// not be called after Close.
func (t *Task) Snapshot() []byte {
	h := t.header()
	events := t.heldEvents()
	h.Held = len(events)
	refs, body := t.packEvents(events)
	h.Schemas = refs
	text, err := json.Marshal(h)
	if err != nil {
		panic(fmt.Sprintf("task: encoding a snapshot: %v", err)) // no field of it can fail
	}
	b := binary.AppendUvarint([]byte{snapshotFormat}, uint64(len(text)))
	b = append(append(b, text...), body...)
	for i := range t.streams {
		b = t.streams[i].seen.appendTo(b)
	}
	return b
}

func (t *Task) header() *header {
	h := &header{Position: t.pos, Digest: t.digest, Counts: t.counts, Misplaced: t.misplaced, Epoch: t.epoch,
		SlotIDs: t.slotIDs, Handed: t.handed, Clock: t.said, Set: t.set, Lists: t.lists}
	for _, s := range t.sources {
		h.Sources = append(h.Sources, sourceHeader{s.Source, s.mark, s.idle, s.next, s.left})
	}
	for i := range t.streams {
		h.Streams = append(h.Streams, t.streams[i].mark)
		if t.cfg.Keyed {
			h.Names = append(h.Names, t.streams[i].name)
		}
	}
	for _, g := range t.groups {
		h.Groups = append(h.Groups, groupHeader{g.streams, g.asides, g.mark, g.first})
		for _, s := range g.slots {
			h.Slots = append(h.Slots, slotHeader{s.id, g.id, s.ref, s.streams, s.profiles, s.born, s.died, s.until, s.covered, s.counts, s.level, s.shown != nil, s.modes, s.cohortID(), s.place})
		}
		for _, y := range g.histories {
			h.Histories = append(h.Histories, historyHeader{y.id, g.id, y.ref, y.stream, y.born})
		}
	}
	if t.back.mark != unset || t.back.next > 0 {
		h.Alerts = &alertsHeader{t.back.mark, t.back.next}
	}
	for name, b := range t.books {
		h.Books = append(h.Books, booksHeader{name, b.slot, b.wheel})
	}
	slices.SortFunc(h.Books, func(a, b booksHeader) int { return int(a.Slot) - int(b.Slot) })
	h.Capped = t.cappedViews()
	return h
}

// A heldAt is a held event with the groups that hold it.
type heldAt struct {
	held
	groups []uint32
}

func (t *Task) heldEvents() []*heldAt {
	var all []*heldAt
	for _, h := range t.back.pending.all() {
		all = append(all, &heldAt{held: h})
	}
	byEvent := map[*event.Event]*heldAt{}
	for _, g := range t.groups {
		for _, h := range g.held.all() {
			at := byEvent[h.ev]
			if at == nil {
				at = &heldAt{held: h}
				byEvent[h.ev] = at
				all = append(all, at)
			}
			at.groups = append(at.groups, g.id)
		}
	}
	return all
}

// packEvents encodes the events: position of the stream revision, epoch,
// number of groups, groups, the event.
func (t *Task) packEvents(events []*heldAt) (refs []Ref, b []byte) {
	for _, h := range events {
		ref := t.schemas[h.ev.Schema]
		at := slices.Index(refs, ref)
		if at < 0 {
			at, refs = len(refs), append(refs, ref)
		}
		b = binary.AppendUvarint(b, uint64(at))
		b = binary.AppendUvarint(b, uint64(h.epoch))
		b = binary.AppendUvarint(b, uint64(len(h.groups)))
		for _, g := range h.groups {
			b = binary.AppendUvarint(b, uint64(g))
		}
		b = event.AppendEvent(b, h.ev, event.Packing{})
	}
	return refs, b
}

// appendTo encodes the remembered ids: their number, then each one's time and
// hash, in that order.
func (s *seen) appendTo(b []byte) []byte {
	entries := s.all()
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for _, e := range entries {
		b = binary.BigEndian.AppendUint64(b, uint64(e.at))
		id := e.id.Bytes()
		b = append(b, id[:]...)
	}
	return b
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

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
		t.sources[i].mark, t.sources[i].idle, t.sources[i].next, t.sources[i].left = s.Mark, s.Idle, s.Next, s.Left
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
		s.level, s.modes = sh.Level, sh.Modes
		if err := t.reenlist(t.groups[sh.Group], s, &sh); err != nil {
			return err
		}
		t.attach(t.groups[sh.Group], s)
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
		t.back.pending.push(held{time: ev.Time, ev: ev, epoch: uint32(epoch)})
	} else {
		t.weigh(ev, len(in))
	}
	for _, g := range in {
		feed := g.feedOf(t, ev.Schema.Stream)
		if feed < 0 {
			return nil, fmt.Errorf("%w: an event of %s held by a group that does not read it", errSnapshot, ev.Schema.Stream)
		}
		g.held.push(held{time: ev.Time, ev: ev, epoch: uint32(epoch), feed: uint16(feed)})
	}
	return rest, nil
}

const seenBytes = 8 + 16

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
