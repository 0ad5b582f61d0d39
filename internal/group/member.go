// Package group keeps a process in a Kafka consumer group, also where the client
// library does not.
//
// The library can wait for ever for its group: told once by a broker that there are
// no brokers, as by one that the controller has just fenced, it forgets the group's
// coordinator and asks for it no more (its bug 5511). A Member that waits too long
// can be replaced.
package group

import (
	"fmt"
	"sync/atomic"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A Member is the part of a process in a group. It belongs to the goroutine that
// polls it; the client in it changes with Replace.
type Member struct {
	*ck.Consumer

	conf      ck.ConfigMap
	moves     ck.RebalanceCb
	topics    []string
	silent    time.Time // since when the group has not said what is the member's; zero: it has
	asked     time.Time // when it was last asked for that, by this client
	replaced  *atomic.Bool
	departing atomic.Int32
}

const (
	departingMax = 3 // replaced clients that have not left yet; past it the one there is stays
	brokerWaitMs = 1000
)

// Join makes a member, which has asked for no topics yet. conf is that of the
// client, with a group.id; moves is called by Poll when the group moves partitions.
func Join(conf ck.ConfigMap, moves ck.RebalanceCb) (*Member, error) {
	m := &Member{conf: conf, moves: moves}
	return m, m.open()
}

func (m *Member) open() error {
	client, err := ck.NewConsumer(&m.conf)
	if err != nil {
		return fmt.Errorf("joining group %v: %w", m.conf["group.id"], err)
	}
	m.Consumer, m.replaced = client, new(atomic.Bool)
	return nil
}

// Subscribe asks the group for the partitions of topics, in place of those that it
// asked for before. None is to ask for nothing.
func (m *Member) Subscribe(topics []string) error {
	if m.topics = topics; len(topics) == 0 {
		m.silent = time.Time{}
		if err := m.Unsubscribe(); err != nil {
			return fmt.Errorf("leaving all topics: %w", err)
		}
		return nil
	}
	over := m.replaced
	err := m.SubscribeTopics(topics, func(client *ck.Consumer, ev ck.Event) error {
		if over.Load() {
			return nil
		}
		m.hear(ev)
		return m.moves(client, ev)
	})
	if err != nil {
		return fmt.Errorf("subscribing to %v: %w", topics, err)
	}
	m.ask()
	return nil
}

func (m *Member) hear(ev ck.Event) {
	switch ev.(type) {
	case ck.AssignedPartitions:
		m.silent = time.Time{}
	case ck.RevokedPartitions: // the group is to say next what it gives instead
		if len(m.topics) > 0 {
			m.ask()
		}
	}
}

func (m *Member) ask() {
	if m.asked = time.Now(); m.silent.IsZero() {
		m.silent = m.asked
	}
}

// Silent returns since when the group has not said which partitions are the
// member's; zero: it has, or was asked for none.
func (m *Member) Silent() time.Time { return m.silent }

// Adrift reports whether the group has not answered the client for so long though a
// broker does, and the client may be replaced. Once so long is over it waits for a
// broker, a second at most; without one the time begins anew.
func (m *Member) Adrift(after time.Duration) bool {
	if m.silent.IsZero() || time.Since(m.asked) <= after || m.departing.Load() >= departingMax {
		return false
	}
	if _, err := m.GetMetadata(&m.topics[0], false, brokerWaitMs); err != nil {
		m.asked = time.Now()
		return false
	}
	return true
}

// Replace lets a new client ask the group for the same topics. The old one, which
// may wait for the group as it leaves, ends on its own and tells no more moves. What
// the old one had is gone.
func (m *Member) Replace() error {
	m.replaced.Store(true)
	m.departing.Add(1)
	go func(old *ck.Consumer) { defer m.departing.Add(-1); old.Close() }(m.Consumer)
	if err := m.open(); err != nil {
		return err
	}
	return m.Subscribe(m.topics)
}
