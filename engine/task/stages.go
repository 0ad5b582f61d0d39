package task

import (
	"crypto/sha256"

	"github.com/zeebo/xxh3"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/window"
)

// A Stage is how much of a rule a task runs. The numbers are stored.
type Stage uint8

// The stages of a window with hot_keys that runs as two tasks in a row. The
// first is on the key and the salt, and hands each pane over at its end; the
// second is on the key, merges them and raises the alerts.
const (
	Whole  Stage = 0
	First  Stage = 1
	Second Stage = 2
)

// A Part is one pane of one salt of a key, from a First to the Second of its
// rule: an event of a stream of parts.
type Part struct {
	Stream string
	Event  *event.Event // its Offset numbers the parts of the task
}

// SaltOf is the salt, of so many, under which a first stage keeps an event at an
// offset of its source. Where events bring ids it goes by them, so that a second
// event of an id comes to the task that knows the first; such a rule has no
// aggregate that could tell this salt from that of the offset.
func SaltOf(ev *event.Event, offset int64, salts int) byte {
	n := int64(salts)
	if ev.ID != "" {
		return byte(xxh3.HashString(ev.ID) % uint64(n))
	}
	return byte((offset%n + n) % n)
}

// A keeper is the side of a First in its task.
type keeper struct {
	*window.Keeper
	schema *event.Schema // of the parts
	salts  int
}

func newKeeper(r *Rule) *keeper {
	return &keeper{window.NewKeeper(r.Rule), r.Parts, r.Rule.Window.Salts}
}

// salts is how many the slot's keys have; 0: they have none.
func (s *slot) salts() int {
	if s.keeper == nil {
		return 0
	}
	return s.keeper.salts
}

func (r *Rule) ref() Ref { return Ref{Name: r.Rule.Name, Revision: r.Revision, Stage: r.Stage} }

// handOver emits the panes of a key and salt that have ended. A paused rule's too:
// what its alerts become is for the second stage to say.
func (t *Task) handOver(s *slot, key []byte) {
	parts := s.keeper.Parts()
	if s.died != alive {
		return
	}
	for i := range parts {
		for _, ev := range parts[i].Latest {
			t.name(ev)
		}
		t.naming.finish()
		ev := &event.Event{}
		s.keeper.Row(&parts[i], s.keeper.schema, key[:len(key)-1], key[len(key)-1], ev)
		ev.Offset = t.handed
		t.handed++
		t.digest = t.digest.addPart(ev, t.pos)
		t.effect.Parts = append(t.effect.Parts, Part{Stream: ev.Schema.Stream, Event: ev})
	}
}

// addPart returns the digest after one more part.
func (d Digest) addPart(ev *event.Event, at Position) Digest {
	b := append([]byte("part"), d[:]...)
	b = event.AppendUvarint(b, uint64(at.Offset))
	b = event.AppendUvarint(b, at.Seq)
	b = append(b, ev.Schema.Stream...)
	sum := sha256.Sum256(event.AppendEvent(b, ev, event.Packing{}))
	return Digest(sum[:len(d)])
}

// A Reach is how far the first stage of a rule has come: all parts of panes that
// end at or before Mark, µs, have been emitted.
type Reach struct {
	Stream string // of its parts
	Mark   int64
}

// Reaches returns how far each first stage of the task has come; those that have
// seen nothing yet are not among them.
func (t *Task) Reaches() []Reach {
	var all []Reach
	for _, g := range t.groups {
		for _, s := range g.slots {
			if s.keeper != nil && s.died == alive && g.mark != unset {
				all = append(all, Reach{s.keeper.schema.Stream, g.mark})
			}
		}
	}
	return all
}

// saltedKey returns the key under which a first stage of the task reads a stream;
// nil where none does.
func (t *Task) saltedKey(stream string) []int {
	for _, g := range t.groups {
		for _, s := range g.slots {
			for i, schema := range s.rule.Streams {
				if s.keeper != nil && schema.Stream == stream {
					return s.rule.Keys[i].Roles[0]
				}
			}
		}
	}
	return nil
}
