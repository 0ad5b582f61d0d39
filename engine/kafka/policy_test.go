package kafka

import (
	"strings"
	"testing"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// made creates a topic as somebody else would, before the job starts.
func (b *bench) made(topic string, partitions int, config map[string]string) {
	b.t.Helper()
	results, err := b.admin().CreateTopics(testContext(b.t), []ck.TopicSpecification{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, Config: config}})
	b.settled(err, results...)
}

func TestTopicsThatWouldLoseWhatTheyKeepAreRefused(t *testing.T) {
	b := newBench(t)
	b.made("other.rules", 1, map[string]string{"cleanup.policy": "compact,delete"})
	b.cluster.opts.Prefix = "other"
	if err := b.cluster.Prepare(testContext(t)); err == nil || !strings.Contains(err.Error(), "topic other.rules has cleanup.policy=compact,delete") ||
		!strings.Contains(err.Error(), "--entity-name other.rules --add-config cleanup.policy=compact") {
		t.Errorf("got %v", err)
	}
}

func TestAProgressTopicThatForgetsHaltsItsTasks(t *testing.T) {
	b := newBench(t)
	b.made(b.cluster.Topics().Progress("payment", 1), 2, map[string]string{"cleanup.policy": "delete"})
	e, _ := b.start(EngineOptions{Keeper: forgetful{}})
	b.halted(e, "progress has cleanup.policy=delete")
}

func TestAJournalThatForgetsHaltsItsTasks(t *testing.T) {
	for wrong, config := range map[string]map[string]string{
		"cleanup.policy=compact":   {"cleanup.policy": "compact"},
		"retention.ms=604800000":   {"cleanup.policy": "delete"},
		"retention.bytes=10000000": {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "10000000"},
	} {
		t.Run(wrong, func(t *testing.T) {
			b := newBench(t)
			b.made(b.cluster.Topics().Journal("payment", 1), 2, config)
			e, _ := b.start(EngineOptions{Keeper: forgetful{}})
			b.halted(e, "journal has "+wrong)
		})
	}
}
