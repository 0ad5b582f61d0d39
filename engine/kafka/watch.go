package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// watch asks the cluster from time to time, until ctx ends, whether it is there
// and whether the inputs have their topics, with the partitions they had.
func (e *Engine) watch(ctx context.Context) {
	admin, err := e.cluster.admin()
	if err != nil {
		e.saw(err)
		return
	}
	counts := map[string]int{}
	for ctx.Err() == nil {
		err := e.look(admin, counts)
		if ctx.Err() == nil {
			e.saw(err)
		}
		pause(ctx, watchEvery)
	}
}

func (e *Engine) saw(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.reachable, e.mu.err = err == nil, err
}

// look returns nil when a broker answers. It asks for what changes: the
// cluster's id the client remembers, and tells it when no broker is there.
func (e *Engine) look(admin *ck.AdminClient, counts map[string]int) error {
	_, err := e.cluster.partitions(admin, e.cluster.Topics().Rules())
	e.cluster.heard(err)
	if err != nil {
		return fmt.Errorf("kafka does not answer: %w", err)
	}
	if err := e.taken(e.rules.Current()); err != nil {
		return err
	}
	var missing []string
	var denied error
	for _, topic := range slices.Sorted(maps.Keys(e.inputs())) {
		n, err := e.cluster.partitions(admin, topic)
		switch {
		case lacks(err) != "": // it has no tasks, maybe
			denied = err
		case err != nil: // of this topic, and passing: its tasks tell
		case n == 0:
			missing = append(missing, topic)
		default:
			e.count(topic, n, counts)
		}
	}
	e.miss(missing)
	e.cluster.denied("inputs", denied)
	return nil
}

// count halts an input whose topic has another number of partitions than when
// it was first seen: its keys have moved between partitions.
func (e *Engine) count(topic string, n int, counts map[string]int) {
	if counts[topic] == 0 {
		counts[topic] = n
	}
	if counts[topic] == n {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.halted[topic] = fmt.Sprintf("topic %s went from %d to %d partitions: keys have moved; start a new generation", topic, counts[topic], n)
}

// miss takes note of the topics that do not exist, and logs those that were not
// missing before.
func (e *Engine) miss(topics []string) {
	e.mu.Lock()
	was := e.mu.missing
	e.mu.missing = topics
	e.mu.Unlock()
	for _, topic := range topics {
		if !slices.Contains(was, topic) {
			e.cluster.opts.Log.Warn("a stream's topic does not exist; it is read once it does", "topic", topic)
		}
	}
}
