package kafka

import (
	"context"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Follow hands the value of each record of a topic that is committed from now
// on to each, until ctx ends; ready is called once all partitions are followed.
// It belongs to no group: every follower sees everything.
func (c *Cluster) Follow(ctx context.Context, topic string, ready func(), each func(value []byte)) error {
	n, err := c.Partitions(topic)
	if err != nil {
		return err
	}
	r, err := c.newReader(topic, 0, stayWait)
	if err != nil {
		return err
	}
	defer r.close()
	places := make([]ck.TopicPartition, n)
	for i := range places {
		places[i] = ck.TopicPartition{Topic: &topic, Partition: int32(i), Offset: ck.OffsetEnd}
	}
	if err := r.assign(places...); err != nil {
		return err
	}
	for ends := 0; ctx.Err() == nil; {
		m, end, err := r.next(pollWait)
		switch {
		case err != nil:
			return err
		case m != nil:
			each(m.Value)
		case end:
			if ends++; ends == n {
				ready()
			}
		}
	}
	return ctx.Err()
}

// EnsureTopics creates source topics of the given names and partitions, where
// missing.
func (c *Cluster) EnsureTopics(ctx context.Context, partitions map[string]int) error {
	specs := make([]ck.TopicSpecification, 0, len(partitions))
	for name, n := range partitions {
		specs = append(specs, ck.TopicSpecification{Topic: name, NumPartitions: n, ReplicationFactor: c.opts.Replication})
	}
	return c.ensure(ctx, specs)
}
