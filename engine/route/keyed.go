package route

import (
	"fmt"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/task"
)

// KeyedConfig is that of the task of a keyed log's partition, one of so many.
// It has no State.
func KeyedConfig(partition int32, of int, r task.Resolver) task.Config {
	return task.Config{Keyed: true, Resolver: r, Owns: func(key []byte) bool { return PartitionOf(key, of) == partition }}
}

// NewDecoder returns a decoder for a task's frames, of streams that a resolver
// knows. It is used by one goroutine.
func NewDecoder(r task.Resolver, t *task.Task) Decoder {
	known := map[task.Ref]*event.Schema{}
	schema := func(ref task.Ref) (*event.Schema, error) {
		if s := known[ref]; s != nil {
			return s, nil
		}
		live, err := r.Resolve(task.Set{Streams: []task.Ref{ref}})
		if err != nil {
			return nil, fmt.Errorf("resolving stream %s/%d: %w", ref.Name, ref.Revision, err)
		}
		known[ref] = live.Streams[0].Schema
		return known[ref], nil
	}
	return Decoder{Schema: schema, Event: t.NewEvent}
}
