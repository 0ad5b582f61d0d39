package kafka

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

var _ rules.ListLog = Lists{}

// listPauseEvery is how many records of a list's topic are read at most before
// its reader is told how many are left.
const listPauseEvery = 10_000

// Lists reads the topics of lists. It is safe for concurrent use.
type Lists struct{ cluster *Cluster }

// Lists returns the topics of lists in this cluster.
func (c *Cluster) Lists() Lists { return Lists{c} }

// Look implements rules.ListLog.
func (l Lists) Look(ctx context.Context, topic string) (rules.ListTopic, error) {
	n, err := l.cluster.Partitions(topic)
	if err != nil || n == 0 {
		return rules.ListTopic{}, err
	}
	admin, err := l.cluster.admin()
	if err != nil {
		return rules.ListTopic{}, err
	}
	described, err := admin.DescribeConfigs(ctx, []ck.ConfigResource{{Type: ck.ResourceTopic, Name: topic}}, ck.SetAdminRequestTimeout(metadataTimeout))
	if err == nil && len(described) == 1 && described[0].Error.Code() != ck.ErrNoError {
		err = described[0].Error
	}
	if err != nil || len(described) != 1 {
		return rules.ListTopic{}, fmt.Errorf("asking for the settings of topic %s: %w", topic, err)
	}
	settings := described[0].Config
	policy := settings["cleanup.policy"].Value
	lag, _ := strconv.ParseInt(settings["min.compaction.lag.ms"].Value, 10, 64) // "": none
	return rules.ListTopic{Partitions: n, Compacted: strings.Contains(policy, "compact"), Deleted: strings.Contains(policy, "delete"),
		Lag: milliseconds(lag)}, nil
}

// milliseconds returns so many, the longest duration where it cannot be said.
func milliseconds(n int64) time.Duration {
	if n > int64(time.Duration(1<<63-1)/time.Millisecond) {
		return 1<<63 - 1
	}
	return time.Duration(n) * time.Millisecond
}

// Tail implements rules.ListLog.
func (l Lists) Tail(ctx context.Context, topic string, apply func(rules.Entry) error, pause func(int64)) error {
	r, err := l.cluster.openReader(topic, 0, ck.OffsetBeginning, stayWait)
	if err != nil {
		return err
	}
	defer r.close()
	next, since := int64(0), 0
	for ctx.Err() == nil {
		m, end, err := r.next(pollWait)
		if err != nil {
			return err
		}
		if m != nil {
			if err := apply(entryOf(m)); err != nil {
				return err
			}
			next = int64(m.TopicPartition.Offset) + 1
			since++
		}
		switch {
		case end:
			pause(0)
		case m == nil && r.end >= next && r.asked.IsZero():
			pause(0)
		case since < listPauseEvery:
			continue
		default:
			pause(max(1, r.lag(next)))
		}
		since = 0
	}
	return ctx.Err()
}

// Read implements rules.ListLog.
func (l Lists) Read(ctx context.Context, topic string, from, to int64, apply func(rules.Entry) error) error {
	if from >= to {
		return nil
	}
	r, err := l.cluster.openReader(topic, 0, startAfter(from-1), onceWait)
	if err != nil {
		return err
	}
	defer r.close()
	end, err := r.before(ctx, to, func(m *ck.Message) error { return apply(entryOf(m)) })
	if err == nil && end && r.end < to {
		return fmt.Errorf("topic %s ends at offset %d, before %d", topic, r.end, to)
	}
	return err
}
