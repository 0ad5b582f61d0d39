package kafka

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	outputPartitions = 8
	day              = 24 * time.Hour
	alertsKept       = 30 * day
	lateKept         = 7 * day
	viewsKept        = day
	keyedKept        = 3 * day
	topicVisibleWait = 50 * time.Millisecond
)

// Topics are the names of the topics of one prefix and job.
type Topics struct{ prefix, job string }

// Topics returns the names of this cluster's prefix and job.
func (c *Cluster) Topics() Topics { return Topics{prefix: c.opts.Prefix, job: c.opts.Job} }

// Owns reports whether a topic is one of this prefix.
func (t Topics) Owns(topic string) bool { return strings.HasPrefix(topic, t.prefix+".") }

// Rules is the log of documents: the source of truth for streams and rules.
func (t Topics) Rules() string { return t.prefix + ".rules" }

// Alerts is the source of truth for alerts.
func (t Topics) Alerts() string { return t.prefix + ".alerts" }

// Shadow holds the alerts of rules on trial.
func (t Topics) Shadow() string { return t.prefix + ".alerts.shadow" }

// Views holds the values of views, by view and key.
func (t Topics) Views() string { return t.prefix + ".views" }

// Late holds events that came too late, whole and with the reason.
func (t Topics) Late() string { return t.prefix + ".late" }

// Dead holds records that are no events, with the reason.
func (t Topics) Dead() string { return t.prefix + ".dlq" }

// Journal holds the decisions of the tasks of one input.
func (t Topics) Journal(input string, generation int) string {
	return fmt.Sprintf("%s.%s.%s.g%d.journal", t.prefix, t.job, input, generation)
}

// Progress holds how far the tasks of one input have committed.
func (t Topics) Progress(input string, generation int) string {
	return fmt.Sprintf("%s.%s.%s.g%d.progress", t.prefix, t.job, input, generation)
}

// Keyed is a keyed log: what rules of one key read that are not direct.
func (t Topics) Keyed(input string, generation int) string {
	return fmt.Sprintf("%s.%s.%s.g%d", t.prefix, t.job, input, generation)
}

// Sink is the consumer group of a sink of alerts or views.
func (t Topics) Sink(name string) string { return t.prefix + "." + t.job + ".sink." + name }

// group is the consumer group of the job's tasks.
func (t Topics) group() string { return t.prefix + "." + t.job }

// EnsureShared creates the topics that do not belong to one input, where missing.
func (c *Cluster) EnsureShared(ctx context.Context) error {
	names := c.Topics()
	return c.ensure(ctx, []ck.TopicSpecification{
		c.compacted(names.Rules(), 1),
		c.deleted(names.Alerts(), outputPartitions, alertsKept),
		c.deleted(names.Shadow(), outputPartitions, alertsKept),
		c.views(names.Views()),
		c.deleted(names.Late(), outputPartitions, lateKept),
		c.deleted(names.Dead(), outputPartitions, lateKept),
	})
}

// ensureInput creates the journal and progress topics of one input, where
// missing, with as many partitions as the input has, and returns how many the
// journal really has: it differs when the input was repartitioned since.
func (c *Cluster) ensureInput(ctx context.Context, in intake, count int) (int, error) {
	journal := c.Topics().Journal(in.input, in.generation)
	if n := c.knownJournal(journal); n > 0 {
		return n, nil
	}
	err := c.ensure(ctx, []ck.TopicSpecification{
		c.deleted(journal, count, -1), // trimmed some way behind the oldest kept checkpoint instead
		c.compacted(c.Topics().Progress(in.input, in.generation), count),
	})
	if err != nil {
		return 0, err
	}
	n, err := c.partitionsOf(ctx, journal)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.mu.journals[journal] = n
	}
	return n, err
}

// partitionsOf returns how many partitions a topic has that exists: where a
// broker does not know it yet, it asks again.
func (c *Cluster) partitionsOf(ctx context.Context, topic string) (int, error) {
	admin, err := c.admin()
	if err != nil {
		return 0, err
	}
	return c.visible(ctx, admin, topic)
}

// knownJournal returns how many partitions a journal has that was seen before,
// else 0: a job has one journal and many tasks on it.
func (c *Cluster) knownJournal(topic string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.journals[topic]
}

func (c *Cluster) compacted(name string, count int) ck.TopicSpecification {
	return c.topic(name, count, map[string]string{
		"cleanup.policy": "compact",
		"segment.bytes":  strconv.Itoa(16 << 20),
	})
}

// views describes the topic of views: compacted, but not before a sink that was
// down for viewsKept has read every update.
func (c *Cluster) views(name string) ck.TopicSpecification {
	t := c.compacted(name, outputPartitions)
	t.Config["min.compaction.lag.ms"] = strconv.FormatInt(viewsKept.Milliseconds(), 10)
	return t
}

// deleted describes a topic whose records leave after kept, none because there are
// many; negative: never.
func (c *Cluster) deleted(name string, count int, kept time.Duration) ck.TopicSpecification {
	retention := forEver
	if kept > 0 {
		retention = strconv.FormatInt(kept.Milliseconds(), 10)
	}
	return c.topic(name, count, map[string]string{"cleanup.policy": "delete", "retention.ms": retention, "retention.bytes": forEver})
}

func (c *Cluster) topic(name string, count int, config map[string]string) ck.TopicSpecification {
	config["max.message.bytes"] = strconv.Itoa(topicBytesMax)
	return ck.TopicSpecification{Topic: name, NumPartitions: count, ReplicationFactor: c.opts.Replication, Config: config}
}

// ensure creates the topics that are missing and returns once all are visible. One
// that would lose what is kept in it is a TopicError.
func (c *Cluster) ensure(ctx context.Context, specs []ck.TopicSpecification) error {
	admin, err := c.admin()
	if err != nil {
		return err
	}
	results, err := admin.CreateTopics(ctx, specs, ck.SetAdminRequestTimeout(metadataTimeout))
	if err != nil {
		return c.unanswered(fmt.Errorf("creating topics: %w", err))
	}
	found := map[string]bool{} // the topics that were there before
	for _, r := range results {
		switch r.Error.Code() {
		case ck.ErrNoError:
		case ck.ErrTopicAlreadyExists:
			found[r.Topic] = true
		case ck.ErrTopicAuthorizationFailed: // said of topics that exist, too
			n, err := c.partitions(admin, r.Topic)
			if err != nil || n == 0 {
				return right(fmt.Errorf("creating topic %s: %w", r.Topic, r.Error), "Create", r.Topic)
			}
			found[r.Topic] = true
		default:
			return fmt.Errorf("creating topic %s: %w", r.Topic, r.Error)
		}
	}
	for i := range specs {
		if _, err := c.visible(ctx, admin, specs[i].Topic); err != nil {
			return err
		}
	}
	return c.keptAsNeeded(ctx, admin, specs, found)
}

// visible waits until the broker that is asked knows the topic, and returns how
// many partitions it has: just after its creation some brokers still answer that
// there is none, and the next question may go to another one.
func (c *Cluster) visible(ctx context.Context, admin *ck.AdminClient, topic string) (int, error) {
	for {
		n, err := c.partitions(admin, topic)
		if err != nil || n > 0 {
			return n, err
		}
		if !pause(ctx, topicVisibleWait) {
			return 0, fmt.Errorf("waiting for topic %s: %w", topic, ctx.Err())
		}
	}
}

// trim deletes the records of a partition before offset. That it did not
// succeed costs space only and is logged.
func (c *Cluster) trim(ctx context.Context, topic string, partition int32, before ck.Offset) {
	if err := c.deleteRecords(ctx, topic, partition, before); err != nil {
		c.opts.Log.Warn("journal not trimmed", "topic", topic, "partition", partition, "error", err)
	}
}

func (c *Cluster) deleteRecords(ctx context.Context, topic string, partition int32, before ck.Offset) error {
	admin, err := c.admin()
	if err != nil {
		return err
	}
	results, err := admin.DeleteRecords(ctx, []ck.TopicPartition{{Topic: &topic, Partition: partition, Offset: before}},
		ck.SetAdminRequestTimeout(metadataTimeout))
	for _, r := range results.DeleteRecordsResults {
		err = cmp.Or(err, r.TopicPartition.Error)
	}
	return right(err, "Delete", topic)
}
