package avro

import (
	"context"
	"errors"

	"github.com/caltrop/caltrop/cep/event"
)

// Schemas answers which schema an id names: *Registry. Safe for concurrent use.
type Schemas interface {
	// Schema returns the schema of an id. An error that matches ErrUnknown says
	// that there is none, any other that it could not be asked.
	Schema(ctx context.Context, id uint32) (Schema, error)
}

// ErrNoRegistry is the error of Teach without Schemas.
var ErrNoRegistry = errors.New("no schema registry is configured")

// Teach tells a decoder the schema that a record names, where it does not know
// it yet. It returns true when there is no such schema, and an error when nobody
// can say. schemas may be nil.
func Teach(ctx context.Context, schemas Schemas, d *event.AvroDecoder, value []byte) (unknown bool, err error) {
	id, needs := d.Needs(value)
	switch {
	case !needs:
		return false, nil
	case schemas == nil:
		return false, ErrNoRegistry
	}
	s, err := schemas.Schema(ctx, id)
	switch {
	case errors.Is(err, ErrUnknown):
		return true, nil
	case err == nil:
		d.Learn(id, s.Schema, s.Problem)
	}
	return false, err
}
