package kafka

import (
	"fmt"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/task"
)

// frames reads the records of a keyed log for one task.
type frames struct {
	decoder route.Decoder
	frame   task.Frame
}

func newFrames(t *task.Task, r task.Resolver) frames {
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
	return frames{decoder: route.Decoder{Schema: schema, Event: t.NewEvent}}
}

// read returns the frame of a record; it is the task's until the next call.
func (f *frames) read(value []byte) (*task.Frame, error) {
	if err := f.decoder.Decode(value, &f.frame); err != nil {
		return nil, err
	}
	return &f.frame, nil
}
