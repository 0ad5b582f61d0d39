package kafka

import (
	"context"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/avro"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// counted counts what a registry is asked.
type counted struct {
	avro.Schemas
	metrics *Metrics
}

// Schema implements avro.Schemas.
func (c counted) Schema(ctx context.Context, id uint32) (avro.Schema, error) {
	s, err := c.Schemas.Schema(ctx, id)
	c.metrics.schema(s, err)
	return s, err
}

// schema tells the decoder the schema that a record names, where it needs
// one. It returns true when nobody knows it, and an error when nobody can say.
func (t *tenure) schema(ctx context.Context, m *ck.Message) (unknown bool, err error) {
	if rules.IsKeyed(t.id.Input) {
		return false, nil
	}
	return t.learn(ctx, t.task.Decoder(0), m)
}

func (t *tenured) learn(ctx context.Context, decoder task.Decoder, m *ck.Message) (unknown bool, err error) {
	d, ok := decoder.(*event.AvroDecoder)
	if !ok {
		return false, nil
	}
	return avro.Teach(ctx, t.opts.Schemas, d, m.Value)
}

// await keeps a record for later, because nobody can say what its schema is.
// Until then nothing more is read; what was emitted is committed.
func (t *tenure) await(ctx context.Context, m *ck.Message, cause error) error {
	t.first = m
	if err := t.commit(ctx, false); err != nil {
		return err
	}
	t.say(StatePaused, "waiting for the schema registry: "+cause.Error())
	t.backOff(ctx)
	return nil
}

// backOff waits for the schema registry, each time for longer.
func (t *tenured) backOff(ctx context.Context) {
	t.wait = max(retryFirst, min(2*t.wait, retryMost))
	began := time.Now()
	pause(ctx, t.wait)
	t.opts.Metrics.paused(ctx, time.Since(began))
}

// awaited takes note that a schema was found, and reports whether that was
// waited for.
func (t *tenured) awaited() bool {
	was := t.wait > 0
	t.wait = 0
	return was
}

// tell is schema during a replay: it tries again until it is answered. A schema
// that is unknown now is left to the journal; if it was known then, the replay
// ends with an error.
func (t *tenure) tell(ctx context.Context, m *ck.Message) error {
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		_, err := t.schema(ctx, m)
		if err == nil {
			return nil
		}
		t.say(StateReplaying, "waiting for the schema registry: "+err.Error())
		if !pause(ctx, wait) {
			return ctx.Err()
		}
	}
}
