package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/engine/backtest"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

var _ backtest.Job = History{}

// Tasks implements backtest.Job. It fences nobody, so of a broker that recovers
// it may see an old end.
func (h History) Tasks(ctx context.Context) ([]backtest.Task, error) {
	journals, err := h.journals()
	if err != nil {
		return nil, err
	}
	var tasks []backtest.Task
	for _, input := range journals {
		topics, generation := h.cluster.Topics(), h.cluster.opts.Generation
		n, err := h.cluster.Partitions(topics.Journal(input, generation))
		if err != nil {
			return nil, err
		}
		for p := range int32(n) {
			t := backtest.Task{Input: input, Partition: p, Partitions: n}
			if rules.IsKeyed(input) {
				t.Topic = topics.Keyed(input, generation)
			}
			if t.Committed, err = h.progress(ctx, topics.Progress(input, generation), p); err != nil {
				return nil, err
			}
			tasks = append(tasks, t)
		}
	}
	return tasks, nil
}

// journals returns the inputs whose tasks have a journal, in order.
func (h History) journals() ([]string, error) {
	admin, err := h.cluster.admin()
	if err != nil {
		return nil, err
	}
	md, err := admin.GetMetadata(nil, true, int(metadataTimeout.Milliseconds()))
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	before, behind, _ := strings.Cut(h.cluster.Topics().Journal("/", h.cluster.opts.Generation), "/")
	var inputs []string
	for topic := range md.Topics {
		rest, ok := strings.CutPrefix(topic, before)
		if input, ends := strings.CutSuffix(rest, behind); ok && ends {
			inputs = append(inputs, input)
		}
		if ok && h.cluster.rescaled(rest) {
			return nil, fmt.Errorf("%s is of a generation that a rescale made: its tasks began with what others had left, which the journal does not tell", topic)
		}
	}
	slices.Sort(inputs)
	return inputs, nil
}

func (h History) progress(ctx context.Context, topic string, partition int32) (task.Progress, error) {
	m, err := h.cluster.last(ctx, topic, partition)
	if err != nil || m == nil {
		return task.Progress{}, err
	}
	p, err := task.DecodeProgress(m.Value)
	if err != nil {
		return p, fmt.Errorf("reading %s/%d offset %d: %w", topic, partition, m.TopicPartition.Offset, err)
	}
	return p, nil
}

// Journal implements backtest.Job.
func (h History) Journal(ctx context.Context, t *backtest.Task) ([]task.Entry, error) {
	r, err := h.cluster.openReader(h.cluster.Topics().Journal(t.Input, h.cluster.opts.Generation), t.Partition, ck.OffsetBeginning)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var entries []task.Entry
	err = r.rest(ctx, func(m *ck.Message) error {
		if isMark(m) {
			return nil
		}
		e, err := task.DecodeEntry(m.Value)
		if err != nil {
			return fmt.Errorf("the journal at offset %d: %w", m.TopicPartition.Offset, err)
		}
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

// Alerts implements backtest.Job.
func (h History) Alerts() []string {
	return []string{h.cluster.Topics().Alerts(), h.cluster.Topics().Shadow()}
}
