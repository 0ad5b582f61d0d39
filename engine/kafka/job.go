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
	var ends []place
	topics, generation := h.cluster.Topics(), h.cluster.opts.Generation
	for _, input := range journals {
		n, err := h.cluster.Partitions(topics.Journal(input, generation))
		if err != nil {
			return nil, err
		}
		for p := range int32(n) {
			t := backtest.Task{Input: input, Partition: p, Partitions: n}
			if rules.IsKeyed(input) {
				t.Topic = topics.Keyed(input, generation)
			}
			tasks, ends = append(tasks, t), append(ends, place{topics.Progress(input, generation), p})
		}
	}
	err = h.cluster.lastOf(ctx, ends, func(i int, m *ck.Message) error {
		var err error
		if tasks[i].Committed, err = task.DecodeProgress(m.Value); err != nil {
			return fmt.Errorf("reading %s/%d offset %d: %w", ends[i].topic, ends[i].partition, m.TopicPartition.Offset, err)
		}
		return nil
	})
	return tasks, err
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

// Journal implements backtest.Job.
func (h History) Journal(ctx context.Context, t *backtest.Task) ([]task.Entry, error) {
	r, err := h.cluster.openReader(h.cluster.Topics().Journal(t.Input, h.cluster.opts.Generation), t.Partition, ck.OffsetBeginning, onceWait)
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
