package kafka

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// An intake is one input of tasks: a keyed log at one of its generations, else a
// stream or its routing at the job's.
type intake struct {
	input      string
	generation int
}

// scale is the newest generation of the job's keyed logs; nil: the first.
func (c *Cluster) scale(set *rules.Set) *rules.Scale {
	return set.Scale(c.opts.Job, c.opts.Generation)
}

// keyedAt is the generation of keyed logs that is written to, and the partitions
// that a log of it is made with.
func (c *Cluster) keyedAt(set *rules.Set) (generation, partitions int) {
	if s := c.scale(set); s != nil {
		return s.Generation, s.Partitions
	}
	return c.opts.Generation, c.opts.KeyedPartitions
}

// CurrentLog is the topic of a keyed log that is written to.
func (c *Cluster) CurrentLog(set *rules.Set, input string) string {
	generation, _ := c.keyedAt(set)
	return c.Topics().Keyed(input, generation)
}

// intakes are the keyed log's that have tasks: the one that is written to, and
// while it moves the one that is left.
func (c *Cluster) intakes(set *rules.Set, input string) []intake {
	generation, _ := c.keyedAt(set)
	all := []intake{{input, generation}}
	if s := c.scale(set); s != nil && s.Done.IsZero() && s.Move(input) != nil {
		all = append(all, intake{input, s.Before})
	}
	return all
}

// ensureCurrent creates the topic of a keyed log that is written to, where it is
// missing, and returns how many partitions it has.
func (c *Cluster) ensureCurrent(ctx context.Context, set *rules.Set, input string) (int, error) {
	generation, partitions := c.keyedAt(set)
	return c.ensureKeyed(ctx, intake{input, generation}, partitions)
}

// ensureKeyed creates the topic of a keyed log where it is missing, and returns
// how many partitions it has.
func (c *Cluster) ensureKeyed(ctx context.Context, log intake, partitions int) (int, error) {
	topic := c.Topics().Keyed(log.input, log.generation)
	n, err := c.Partitions(topic)
	if err != nil || n > 0 {
		return n, err
	}
	if err := c.ensure(ctx, []ck.TopicSpecification{c.deleted(topic, partitions, keyedKept)}); err != nil {
		return 0, err
	}
	return c.partitionsOf(ctx, topic)
}

// laterJournal is the end of the name of a keyed log's journal, behind the job's.
var laterJournal = regexp.MustCompile(`^keyed\..*\.g(\d+)\.journal$`)

// rescaled reports whether a name behind PREFIX.JOB. is that of the journal of a
// keyed log that a rescale has made.
func (c *Cluster) rescaled(rest string) bool {
	m := laterJournal.FindStringSubmatch(rest)
	if m == nil {
		return false
	}
	n, err := strconv.Atoi(m[1])
	return err == nil && n > c.opts.Generation
}

// leave takes the routing task to the newest generation of the keyed logs, where
// it writes to an earlier one: the barrier in each partition of the logs that it
// leaves and its progress are one transaction.
func (t *routing) leave(ctx context.Context, set *rules.Set) error {
	s := t.cluster.scale(set)
	if s == nil || t.router.Progress().Generation >= s.Generation {
		return nil
	}
	var left []route.Target
	for _, m := range s.Moves {
		for _, w := range m.Writers {
			if w.Stream == t.stream && int(t.id.Partition) < w.Partitions {
				left = append(left, route.Target{Name: t.cluster.Topics().Keyed(m.Log, s.Before), Partitions: m.From})
			}
		}
	}
	t.router.Flush(&t.fx)
	t.router.Leave(left, s.Generation, &t.fx)
	if err := t.emit(); err != nil {
		return err
	}
	if err := t.commit(ctx, true); err != nil {
		return fmt.Errorf("leaving generation %d of the keyed logs: %w", s.Before, err)
	}
	return nil
}
