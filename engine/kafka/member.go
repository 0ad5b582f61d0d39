package kafka

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// join makes a member of the group, which has asked for no topics yet.
func (e *Engine) join() (*ck.Consumer, error) {
	member, err := ck.NewConsumer(e.cluster.clientConfig(ck.ConfigMap{
		"group.id":                      e.cluster.Topics().group(),
		"partition.assignment.strategy": "cooperative-sticky",
		"session.timeout.ms":            int(sessionTimeout.Milliseconds()),
		"heartbeat.interval.ms":         int(heartbeatEvery.Milliseconds()),
		"max.poll.interval.ms":          int(memberPollMax.Milliseconds()),
		"enable.auto.commit":            true, // of the offsets that store sets: for lag tools only
		"auto.commit.interval.ms":       int(storeEvery.Milliseconds()),
		"enable.auto.offset.store":      false,
		"allow.auto.create.topics":      false,
		"queued.max.messages.kbytes":    1024, // members fetch nothing; see assign
	}))
	if err != nil {
		return nil, fmt.Errorf("joining group %s: %w", e.cluster.Topics().group(), err)
	}
	e.moves = &moves{engine: e}
	return member, nil
}

// moves are what the group does with the partitions of one member.
type moves struct {
	engine *Engine
	over   atomic.Bool // the member has been replaced
}

func (m *moves) rebalance(member *ck.Consumer, ev ck.Event) error {
	if m.over.Load() {
		return nil
	}
	return m.engine.rebalance(member, ev)
}

// adrift reports whether the group has not answered for too long, though a broker
// does. The client library can wait for ever: told once by a broker that there are no
// brokers, as by one that the controller has just fenced, it forgets the group's
// coordinator and asks for it no more (its bug 5511).
func (e *Engine) adrift() bool {
	if e.asked.IsZero() || time.Since(e.asked) <= e.opts.RejoinAfter || e.departing.Load() >= departingMax {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mu.reachable && e.silent()
}

// silent reports whether the group should have answered: of topics that do not exist
// it says nothing. e.mu is held.
func (e *Engine) silent() bool { return !e.mu.silent.IsZero() && len(e.mu.missing) < e.mu.topics }

// ask notes that the group is to say what is ours.
func (e *Engine) ask() {
	e.asked = time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.topics = len(e.subscribed); e.mu.silent.IsZero() {
		e.mu.silent = e.asked
	}
}

// answered notes that it has said so, or that nothing is asked of it.
func (e *Engine) answered() {
	e.asked = time.Time{}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.silent = e.asked
}

// departingMax bounds the replaced members that have not left yet: past it the one
// there is stays.
const departingMax = 3

// rejoin replaces the member by a new one. The old one, which may wait for the
// group as it leaves, ends on its own.
func (e *Engine) rejoin() error {
	e.cluster.opts.Log.Warn("the group has not answered; joining it anew", "group", e.cluster.Topics().group(), "after", e.opts.RejoinAfter)
	e.opts.Metrics.rejoined()
	e.stop(func(*worker) bool { return true })
	clear(e.assigned)
	e.moves.over.Store(true)
	e.departing.Add(1)
	go func(old *ck.Consumer) { defer e.departing.Add(-1); old.Close() }(e.member)
	member, err := e.join()
	if err != nil {
		return err
	}
	e.member, e.subscribed = member, nil
	return e.subscribe()
}

// subscribe asks the group for the source topics of all streams that a rule
// reads, and brings the workers in line with them.
func (e *Engine) subscribe() error {
	topics := slices.Sorted(maps.Keys(e.inputs()))
	if slices.Equal(topics, e.subscribed) {
		e.reconcile()
		return nil
	}
	e.subscribed = topics
	if len(topics) == 0 {
		e.stop(func(*worker) bool { return true })
		clear(e.assigned)
		e.answered()
		return e.member.Unsubscribe()
	}
	e.ensureLogs()
	if err := e.member.SubscribeTopics(topics, e.moves.rebalance); err != nil {
		return fmt.Errorf("subscribing to %v: %w", topics, err)
	}
	e.ask()
	e.reconcile()
	return nil
}

// rebalance is called by the member's poll when the group moves partitions.
func (e *Engine) rebalance(member *ck.Consumer, ev ck.Event) error {
	switch ev := ev.(type) {
	case ck.AssignedPartitions:
		e.answered()
		return e.assign(member, ev.Partitions)
	case ck.RevokedPartitions: // the group is to say next what it gives instead
		if len(e.subscribed) > 0 {
			e.ask()
		}
		for _, p := range ev.Partitions {
			delete(e.assigned, place{*p.Topic, p.Partition})
		}
		e.reconcile()
		return member.IncrementalUnassign(ev.Partitions)
	}
	return nil
}

// assign starts the tasks of new partitions. The member itself fetches nothing:
// each task reads with a client of its own, which it can seek and stop reading
// without touching the group.
func (e *Engine) assign(member *ck.Consumer, partitions []ck.TopicPartition) error {
	for i := range partitions {
		partitions[i].Offset = ck.OffsetEnd
		e.assigned[place{*partitions[i].Topic, partitions[i].Partition}] = true
	}
	if err := member.IncrementalAssign(partitions); err != nil {
		return err
	}
	if len(partitions) > 0 {
		if err := member.Pause(partitions); err != nil {
			return err
		}
	}
	e.reconcile()
	return nil
}
