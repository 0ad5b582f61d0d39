package kafka

import (
	"context"
	"fmt"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// watch asks the cluster from time to time, until ctx ends, whether it is there
// and whether the inputs still have their partitions.
func (e *Engine) watch(ctx context.Context) {
	admin, err := e.cluster.admin()
	if err != nil {
		e.saw(err)
		return
	}
	counts := map[string]int{}
	for ctx.Err() == nil {
		err := ask(ctx, admin)
		if ctx.Err() == nil {
			e.saw(err)
		}
		if err == nil {
			e.recount(admin, counts)
		}
		pause(ctx, watchEvery)
	}
}

// ask returns nil when a broker answers.
func ask(ctx context.Context, admin *ck.AdminClient) error {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	if _, err := admin.ClusterID(ctx); err != nil {
		return fmt.Errorf("kafka does not answer: %w", err)
	}
	return nil
}

func (e *Engine) saw(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.reachable, e.mu.err = err == nil, err
}

// recount halts the inputs whose topics have another number of partitions than
// when they were first seen: their keys have moved between partitions.
func (e *Engine) recount(admin *ck.AdminClient, counts map[string]int) {
	for topic := range e.inputs() {
		n, err := partitions(admin, topic)
		if err != nil || n == 0 {
			continue
		}
		if counts[topic] == 0 {
			counts[topic] = n
		}
		if counts[topic] != n {
			e.mu.Lock()
			e.mu.halted[topic] = fmt.Sprintf("topic %s went from %d to %d partitions: keys have moved; start a new generation", topic, counts[topic], n)
			e.mu.Unlock()
		}
	}
}
