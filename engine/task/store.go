package task

import (
	"encoding/binary"

	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/engine/early"
)

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

// IsPage reports whether the records of a slot of the State are pages, of which a
// key has many.
func IsPage(slot uint32) bool { return slot&pagesBit != 0 }

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
