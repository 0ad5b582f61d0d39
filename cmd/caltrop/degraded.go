package main

import (
	"maps"
	"slices"
	"time"

	"github.com/caltrop/caltrop/engine/kafka"
	"github.com/caltrop/caltrop/internal/api"
	"github.com/caltrop/caltrop/sinks"
)

// pauseMost is how long a task may be paused without a word: it is for a moment
// whenever its state is full.
const pauseMost = 30 * time.Second

// degraded tells what does not do what it should while the process goes on.
func (n *node) degraded() []api.Degraded {
	s := n.engine.Status()
	return degradedOf(s.Tasks, n.stores, time.Now())
}

// degradedOf returns the tasks that make no checkpoint or wait, and the stores
// that take no deliveries, in order.
func degradedOf(tasks []kafka.TaskStatus, stores map[string]*sinks.Status, now time.Time) (all []api.Degraded) {
	add := func(part, reason string, since time.Time) {
		all = append(all, api.Degraded{Part: part, Reason: reason, Since: timeText(since)})
	}
	for _, t := range tasks {
		if t.CheckpointError != "" {
			add("task "+t.ID.String(), t.CheckpointError, t.CheckpointFails)
		}
		if t.State == kafka.StatePaused && now.Sub(t.Entered) > pauseMost {
			add("task "+t.ID.String(), t.Reason, t.Entered)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		if r := stores[name].Report(); r.Error != "" {
			add("delivery to "+name, r.Error, r.Since)
		}
	}
	return all
}
