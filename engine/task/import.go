package task

import (
	"errors"
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
)

// An Import is a part of what a revision of a rule remembers when it goes to
// work, made beside the task by a Warming. Its entry stands before the Switch
// that starts the revision; no snapshot is made between them.
type Import struct {
	Rule    Ref
	Covered int64          // since when its state is whole, in µs; the least int64: it has seen nothing
	Space   space          `json:",omitempty"`
	Profile Ref            `json:",omitzero"` // of spaceProfile
	Records []ImportRecord `json:",omitempty"`
	Held    []ImportEvent  `json:",omitempty"`
}

// A space tells which of a rule's slots of the State records belong to. The
// numbers are stored.
type space uint8

const (
	spaceRule    space = 0
	spacePages   space = 1
	spaceProfile space = 2
)

// An ImportRecord is one record of a State, with its timer in µs; 0: it has none.
type ImportRecord struct {
	Key   []byte
	Value []byte `json:",omitempty"`
	Dies  int64
	Timer int64 `json:",omitempty"`
}

// An ImportEvent is an event that waits for the watermark, in the compact form
// of package event. It counts where the task itself held nothing of its stream,
// as no rule read it.
type ImportEvent struct {
	Stream Ref
	Event  []byte
}

// Bounds of what is imported.
const (
	// ImportBytesMax bounds what one rule brings.
	ImportBytesMax = 64 << 20
	importBytes    = 256 << 10 // about what one entry carries, before its encoding
)

// ErrTooLarge is the error of a warm-up whose state is over ImportBytesMax.
var ErrTooLarge = errors.New("what the rule remembers is more than a warm start carries")

// settleIn gives a slot that starts, its histories included, what was imported
// for it.
func (t *Task) settleIn(g *group, s *slot) error {
	for _, im := range t.imports {
		if im.Rule != s.ref || s.shown != nil { // a view may have a rule's name
			continue
		}
		if im.Covered != unset {
			s.covered = im.Covered
		}
		if id, ok := t.spaceOf(s, im); ok && id != s.id {
			t.copyInto(id, im.Records)
		} else if ok {
			t.give(g, s, im.Records)
		}
		if err := t.holdImported(g, im.Held); err != nil {
			return err
		}
	}
	return nil
}

// spaceOf returns the State's slot for an import; false where the task has a
// fuller history of that profile already.
func (t *Task) spaceOf(s *slot, im *Import) (id uint32, ok bool) {
	switch im.Space {
	case spacePages:
		return s.id | pagesBit, s.paged()
	case spaceProfile:
		i := slices.Index(s.profiles, im.Profile)
		if i < 0 || s.histories[i].born != t.epoch {
			return 0, false
		}
		return s.histories[i].id, true
	}
	return s.id, true
}

func (t *Task) copyInto(slot uint32, records []ImportRecord) {
	for i := range records {
		r := &records[i]
		if len(r.Value) > 0 {
			t.cfg.State.Put(slot, r.Key, r.Value, r.Dies)
		}
		if r.Timer != 0 {
			t.timers++
			t.cfg.State.SetTimer(slot, r.Key, r.Timer)
		}
	}
}

// holdImported files the events of streams that no group has held so far. They
// were accepted before the Switch.
func (t *Task) holdImported(g *group, events []ImportEvent) error {
	for _, im := range events {
		feed := g.feedOf(t, im.Stream.Name)
		if feed < 0 {
			continue
		}
		st := &t.streams[g.streams[feed]]
		if len(st.readers) > 0 || st.live == nil || st.ref != im.Stream {
			continue
		}
		ev := t.NewEvent()
		if _, err := event.DecodeEvent(st.live.Schema, im.Event, ev, event.Packing{}); err != nil {
			return fmt.Errorf("reading an imported event of %s: %w", im.Stream.Name, err)
		}
		if g.holds(ev) {
			t.recycle(ev)
			continue
		}
		t.weigh(ev, 1)
		g.held.push(&held{time: ev.Time, ev: ev, epoch: t.epoch - 1, feed: uint16(feed)})
	}
	return nil
}

func (g *group) holds(ev *event.Event) bool {
	return slices.ContainsFunc(g.held.all(), func(h held) bool { return event.Compare(h.ev, ev) == 0 && h.ev.Schema == ev.Schema })
}

// recordsOf lists what the State has of a slot, by key.
func (t *Task) recordsOf(slot uint32) []ImportRecord {
	var all []ImportRecord
	t.cfg.State.Each(slot, func(key, value []byte, dies, timer int64) {
		all = append(all, ImportRecord{slices.Clone(key), slices.Clone(value), dies, timer})
	})
	slices.SortFunc(all, func(a, b ImportRecord) int { return slices.Compare(a.Key, b.Key) })
	return all
}
