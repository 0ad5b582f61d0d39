package kafka

import (
	"fmt"
	"sync/atomic"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	rejoinAfter  = 20 * time.Second // that the group has not answered
	departingMax = 3                // replaced members that have not left; past it the one there is stays
)

// join makes a member of the group, which has asked for no topics yet.
func (s *Source) join() (*ck.Consumer, error) {
	member, err := ck.NewConsumer(&s.conf)
	if err != nil {
		return nil, fmt.Errorf("opening a member of group %s: %w", s.opts.Group, err)
	}
	s.moves = &moves{source: s}
	return member, nil
}

func (s *Source) subscribe() error {
	if err := s.member.SubscribeTopics(s.opts.Topics, s.moves.rebalance); err != nil {
		return fmt.Errorf("subscribing to %v: %w", s.opts.Topics, err)
	}
	s.unanswered = time.Now()
	return nil
}

// moves are what the group does with the partitions of one member.
type moves struct {
	source *Source
	over   atomic.Bool // the member has been replaced
}

func (m *moves) rebalance(member *ck.Consumer, ev ck.Event) error {
	if m.over.Load() {
		return nil
	}
	return m.source.rebalance(member, ev)
}

// adrift reports whether the group has not answered for too long. The client
// library can wait for ever for a coordinator that it has forgotten (its
// bug 5511).
func (s *Source) adrift() bool {
	return !s.unanswered.IsZero() && time.Since(s.unanswered) > rejoinAfter && s.departing.Load() < departingMax
}

// rejoin replaces the member by a new one; the old one ends on its own. What was
// read but not stored comes again.
func (s *Source) rejoin() error {
	s.opts.Log.Warn("the group has not answered; joining it anew", "group", s.opts.Group, "since", s.unanswered)
	s.moves.over.Store(true)
	s.life.Lock()
	defer s.life.Unlock()
	s.departing.Add(1)
	go func(old *ck.Consumer) { defer s.departing.Add(-1); old.Close() }(s.member)
	s.batch, s.bytes, s.paused = nil, 0, false
	s.mu.Lock()
	clear(s.mu.fetched)
	clear(s.mu.read)
	clear(s.mu.ends)
	s.mu.Unlock()
	member, err := s.join()
	if err != nil {
		return err
	}
	s.member = member
	return s.subscribe()
}

// rebalance drops what was read but not handed out of partitions that are gone:
// their next owner reads it again. A batch that was handed out goes on being
// stored; storing a record twice is harmless.
func (s *Source) rebalance(member *ck.Consumer, ev ck.Event) error {
	switch ev := ev.(type) {
	case ck.AssignedPartitions:
		s.unanswered = time.Time{}
		if err := member.IncrementalAssign(ev.Partitions); err != nil || !s.paused || len(ev.Partitions) == 0 {
			return err
		}
		return member.Pause(ev.Partitions) // as those it has, to be resumed together
	case ck.RevokedPartitions: // the group is to say next what it gives instead
		s.unanswered = time.Now()
		for _, p := range ev.Partitions {
			s.forget(place{*p.Topic, p.Partition})
		}
		return member.IncrementalUnassign(ev.Partitions)
	}
	return nil
}

func (s *Source) forget(gone place) {
	kept := s.batch[:0]
	s.bytes = 0
	for _, m := range s.batch {
		if (place{*m.TopicPartition.Topic, m.TopicPartition.Partition}) != gone {
			kept = append(kept, m)
			s.bytes += len(m.Value)
		}
	}
	s.batch = kept
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.fetched, gone)
	delete(s.mu.read, gone)
	delete(s.mu.ends, gone)
}
