package task

import (
	"strconv"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
)

// A naming gives ids to the events of an alert that brought none, of one text.
type naming struct {
	text   []byte
	events []*event.Event
	ends   []int // of their ids in text
}

// nameAll gives ids to the events of an alert that brought none.
func (t *Task) nameAll(f *match.Found) {
	t.name(f.Event)
	for _, step := range f.Evidence {
		for _, ev := range step.Events {
			t.name(ev)
		}
	}
	t.naming.finish()
}

// name notes an event that brought no id, and the one of its place.
func (t *Task) name(ev *event.Event) {
	if ev == nil || ev.ID != "" {
		return
	}
	for i := range t.sources {
		s := &t.sources[i]
		if s.Stream == ev.Schema.Stream && s.Cluster == ev.Cluster && s.Partition == ev.Partition {
			n := &t.naming
			n.text = s.AppendID(n.text, ev.Offset)
			n.events, n.ends = append(n.events, ev), append(n.ends, len(n.text))
			return
		}
	}
}

func (n *naming) finish() {
	if len(n.events) == 0 {
		return
	}
	text, from := string(n.text), 0
	for i, ev := range n.events {
		ev.ID, from = text[from:n.ends[i]], n.ends[i]
	}
	clear(n.events)
	n.text, n.events, n.ends = n.text[:0], n.events[:0], n.ends[:0]
}

// AppendID appends the id of an event that brought none: its place.
func (s *Source) AppendID(b []byte, offset int64) []byte {
	name := s.Origin
	if name == "" {
		name = s.Stream
	}
	b = strconv.AppendInt(append(append(b, name...), '/'), int64(s.Partition), 10)
	return strconv.AppendInt(append(b, '/'), offset, 10)
}
