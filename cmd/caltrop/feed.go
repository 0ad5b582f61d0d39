package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caltrop/caltrop/loadtest/fraudgen"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A feed produces generated records to Kafka, as any producer of payments
// would: no transaction, keyed by the partition key.
type feed struct {
	client  *ck.Producer
	topics  map[string]string
	drained chan error
}

// Bounds of a feed.
const (
	feedQueueMessages = 100_000
	feedQueueKiB      = 64 << 10
	feedQueueWaitMs   = 100
	feedFlush         = 30 * time.Second
	feedAdminTimeout  = 30 * time.Second
)

// feedTopics are the topics of streams as the shipped documents name them.
func feedTopics(streams []string) map[string]string {
	topics := map[string]string{}
	for _, s := range streams {
		topics[s] = fraudgen.Topic(s)
	}
	return topics
}

// newFeed connects to the brokers and creates the topics that do not exist:
// those given, by stream, where others does not name another.
func newFeed(ctx context.Context, brokers string, topics, others map[string]string, partitions int32) (*feed, error) {
	f := &feed{topics: topics, drained: make(chan error, 1)}
	for s, topic := range others {
		if f.topics[s] == "" {
			return nil, fmt.Errorf("--topics: no stream %s", s)
		}
		f.topics[s] = topic
	}
	client, err := ck.NewProducer(&ck.ConfigMap{
		"bootstrap.servers": brokers, "partitioner": "murmur2_random", "enable.idempotence": true, "linger.ms": 5,
		"compression.type": "lz4", "queue.buffering.max.messages": feedQueueMessages, "queue.buffering.max.kbytes": feedQueueKiB,
		"go.delivery.report.fields": "none", "go.produce.channel.size": 1, "enable.metrics.push": false,
	})
	if err != nil {
		return nil, fmt.Errorf("opening a producer to %s: %w", brokers, err)
	}
	f.client = client
	go f.drain()
	if err := f.createTopics(ctx, int(partitions)); err != nil {
		client.Close()
		return nil, err
	}
	return f, nil
}

// createTopics makes the topics that are missing and leaves the others alone.
func (f *feed) createTopics(ctx context.Context, partitions int) error {
	admin, err := ck.NewAdminClientFromProducer(f.client)
	if err != nil {
		return fmt.Errorf("opening an admin client: %w", err)
	}
	defer admin.Close()
	var specs []ck.TopicSpecification
	for _, topic := range f.topics {
		specs = append(specs, ck.TopicSpecification{Topic: topic, NumPartitions: partitions, ReplicationFactor: -1})
	}
	results, err := admin.CreateTopics(ctx, specs, ck.SetAdminRequestTimeout(feedAdminTimeout))
	if err != nil {
		return fmt.Errorf("creating topics: %w", err)
	}
	for _, r := range results {
		if code := r.Error.Code(); code != ck.ErrNoError && code != ck.ErrTopicAlreadyExists {
			return fmt.Errorf("creating topic %s: %w", r.Topic, r.Error)
		}
	}
	return nil
}

// drain takes delivery reports until the client is closed and keeps the first
// error.
func (f *feed) drain() {
	var first error
	for e := range f.client.Events() {
		if m, ok := e.(*ck.Message); ok && m.TopicPartition.Error != nil && first == nil {
			first = m.TopicPartition.Error
		}
	}
	f.drained <- first
}

// Send queues a record, waiting while the queue is full.
func (f *feed) Send(ctx context.Context, rec *fraudgen.Record) error {
	topic, partition := f.topics[rec.Stream], rec.Partition
	if partition < 0 {
		partition = ck.PartitionAny
	}
	m := &ck.Message{
		TopicPartition: ck.TopicPartition{Topic: &topic, Partition: partition},
		Key:            []byte(rec.Key), Value: append([]byte(nil), rec.Value...),
	}
	for {
		err := f.client.Produce(m, nil)
		var ke ck.Error
		if errors.As(err, &ke) && ke.Code() == ck.ErrQueueFull && ctx.Err() == nil {
			f.client.Flush(feedQueueWaitMs)
			continue
		}
		if err != nil {
			return fmt.Errorf("producing to %s: %w", topic, err)
		}
		return nil
	}
}

// Flush does nothing: the client sends by itself.
func (f *feed) Flush() error { return nil }

// Close waits until all records are stored, or feedFlush has passed.
func (f *feed) Close(context.Context) error {
	left := f.client.Flush(int(feedFlush.Milliseconds()))
	f.client.Close()
	err := <-f.drained
	switch {
	case left > 0:
		return fmt.Errorf("producing: %d records were not stored within %v", left, feedFlush)
	case err != nil:
		return fmt.Errorf("producing: %w", err)
	}
	return nil
}
