package kafka

import (
	"maps"
	"slices"
	"time"

	"github.com/caltrop/caltrop/internal/group"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// join makes the process a member of the group, which has asked for no topics yet.
func (e *Engine) join() (*group.Member, error) {
	return group.Join(*e.cluster.clientConfig(ck.ConfigMap{
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
	}), e.rebalance)
}

// heed joins the group anew when it has not answered for too long. Of topics that
// do not exist it says nothing.
func (e *Engine) heed() error {
	e.mu.Lock()
	if e.mu.silent = e.member.Silent(); len(e.mu.missing) >= len(e.subscribed) {
		e.mu.silent = time.Time{}
	}
	silent := !e.mu.silent.IsZero()
	e.mu.Unlock()
	if !silent {
		e.cluster.denied("group", nil)
	}
	if !silent || !e.member.Adrift(e.opts.RejoinAfter) {
		return nil
	}
	e.cluster.opts.Log.Warn("the group has not answered; joining it anew", "group", e.cluster.Topics().group(), "after", e.opts.RejoinAfter)
	e.opts.Metrics.rejoined()
	e.stop(func(*worker) bool { return true })
	clear(e.assigned)
	return e.member.Replace()
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
		return e.member.Subscribe(nil)
	}
	e.ensureLogs()
	if err := e.member.Subscribe(topics); err != nil {
		return err
	}
	e.reconcile()
	return nil
}

// rebalance is called by the member's poll when the group moves partitions.
func (e *Engine) rebalance(member *ck.Consumer, ev ck.Event) error {
	switch ev := ev.(type) {
	case ck.AssignedPartitions:
		return e.assign(member, ev.Partitions)
	case ck.RevokedPartitions:
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
