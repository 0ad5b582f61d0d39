package kafka

import (
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/task"
)

// frames reads the records of a keyed log for one task.
type frames struct {
	decoder route.Decoder
	frame   task.Frame
}

// read returns the frame of a record; it is the task's until the next call.
func (f *frames) read(value []byte) (*task.Frame, error) {
	if err := f.decoder.Decode(value, &f.frame); err != nil {
		return nil, err
	}
	return &f.frame, nil
}
