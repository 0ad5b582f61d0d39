package task

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
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
	Begun     []int64  `json:",omitempty"` // of the streams, where the log is keyed: their watermarks when it began
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
	Again  bool  `json:",omitempty"`
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
	Withdrawn  bool      `json:",omitempty"` // of a view
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
	h.Schemas = t.schemasOf(events)
	text, err := json.Marshal(h)
	if err != nil {
		panic(fmt.Sprintf("task: encoding a snapshot: %v", err)) // no field of it can fail
	}
	ids := 0
	for i := range t.streams {
		ids += t.streams[i].seen.ids.count
	}
	b := make([]byte, 0, len(text)+len(events)*heldBytes+ids*seenBytes+snapshotSlack)
	b = binary.AppendUvarint(append(b, snapshotFormat), uint64(len(text)))
	b = t.packEvents(append(b, text...), events, h.Schemas)
	for i := range t.streams {
		b = t.streams[i].seen.appendTo(b)
	}
	return b
}

func (t *Task) header() *header {
	h := &header{Position: t.pos, Digest: t.digest, Counts: t.counts, Misplaced: t.misplaced, Epoch: t.epoch,
		SlotIDs: t.slotIDs, Handed: t.handed, Clock: t.said, Set: t.set, Lists: t.lists}
	for _, s := range t.sources {
		h.Sources = append(h.Sources, sourceHeader{s.Source, s.mark, s.idle, s.next, s.left, s.again})
	}
	for i := range t.streams {
		h.Streams = append(h.Streams, t.streams[i].mark)
		if t.cfg.Keyed {
			h.Names = append(h.Names, t.streams[i].name)
			h.Begun = append(h.Begun, t.streams[i].begun)
		}
	}
	for _, g := range t.groups {
		h.Groups = append(h.Groups, groupHeader{g.streams, g.asides, g.mark, g.first})
		for _, s := range g.slots {
			h.Slots = append(h.Slots, slotHeader{s.id, g.id, s.ref, s.streams, s.profiles, s.born, s.died, s.until, s.covered, s.counts, s.level, s.shown != nil, s.modes, s.cohortID(), s.place, s.withdrawn})
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

func (t *Task) heldEvents() []heldAt {
	n := t.back.pending.size
	for _, g := range t.groups {
		n += g.held.size
	}
	all := make([]heldAt, 0, n)
	for _, h := range t.back.pending.all() {
		all = append(all, heldAt{held: h})
	}
	shared := map[*event.Event]int{} // of several groups, where in all
	for _, g := range t.groups {
		own := []uint32{g.id}
		for _, h := range g.held.all() {
			if at, ok := shared[h.ev]; ok {
				all[at].groups = append(all[at].groups, own...)
				continue
			}
			if h.ev.Hold.Queues > 1 {
				shared[h.ev] = len(all)
			}
			all = append(all, heldAt{h, own[:1:1]})
		}
	}
	return all
}

// schemasOf returns the stream revisions of the events.
func (t *Task) schemasOf(events []heldAt) (refs []Ref) {
	var last *event.Schema
	for i := range events {
		schema := events[i].ev.Schema
		if schema == last {
			continue
		}
		last = schema
		if ref := t.schemas[schema]; !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// What an event is thought to take in a snapshot, and what else there is room for.
const (
	heldBytes     = 128
	snapshotSlack = 1 << 10
)

// packEvents encodes the events: position of the stream revision in refs, epoch,
// number of groups, groups, the event.
func (t *Task) packEvents(b []byte, events []heldAt, refs []Ref) []byte {
	var last *event.Schema
	at := 0
	for i := range events {
		h := &events[i]
		if h.ev.Schema != last {
			last = h.ev.Schema
			at = slices.Index(refs, t.schemas[last])
		}
		b = binary.AppendUvarint(b, uint64(at))
		b = binary.AppendUvarint(b, uint64(h.epoch))
		b = binary.AppendUvarint(b, uint64(len(h.groups)))
		for _, g := range h.groups {
			b = binary.AppendUvarint(b, uint64(g))
		}
		b = event.AppendEvent(b, h.ev, event.Packing{})
	}
	return b
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

const seenBytes = 8 + 16
