package kafka

import (
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const rejoinAfter = 20 * time.Second // that the group has not answered

// rejoin joins the group anew, as it has not answered. What was read but not stored
// comes again.
func (s *Source) rejoin() error {
	s.opts.Log.Warn("the group has not answered; joining it anew", "group", s.opts.Group, "after", rejoinAfter)
	s.batch, s.bytes, s.paused = nil, 0, false
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	clear(s.mu.fetched)
	clear(s.mu.read)
	clear(s.mu.ends)
	s.mu.Unlock()
	return s.member.Replace()
}

// rebalance drops what was read but not handed out of partitions that are gone:
// their next owner reads it again. A batch that was handed out goes on being
// stored; storing a record twice is harmless.
func (s *Source) rebalance(member *ck.Consumer, ev ck.Event) error {
	switch ev := ev.(type) {
	case ck.AssignedPartitions:
		err := member.IncrementalAssign(ev.Partitions)
		switch {
		case err != nil || len(ev.Partitions) == 0:
			return err
		case s.paused:
			return member.Pause(ev.Partitions) // as those it has, to be resumed together
		}
		return member.Resume(ev.Partitions) // one that comes back is paused as it went
	case ck.RevokedPartitions:
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
