package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	emptyWait    = 2 * time.Millisecond // wait for one more record before a transaction commits early
	tickEvery    = time.Second
	publishEvery = 500 * time.Millisecond
)

// serve reads and writes until ctx ends; then it commits and makes a final
// checkpoint, so that the next owner has nothing to repeat.
func (t *tenure) serve(ctx context.Context) error {
	now := time.Now()
	t.live.cutDue = now.Add(t.spread())
	if t.kept.Imported() {
		t.live.cutDue = now // from here on it needs no savepoint
	}
	t.awaitLists(ctx)
	if t.left() {
		return t.seal(ctx)
	}
	t.say(StateLive, "")
	if err := t.adopt(ctx, time.Now()); err != nil {
		return err
	}
	for ctx.Err() == nil {
		m, end, err := t.next(t.producer.open)
		if err != nil {
			return t.readFailed(err, t.task.Position().Offset)
		}
		if err := t.turn(ctx, m, end); err != nil {
			return err
		}
		if t.ending {
			return t.seal(ctx)
		}
	}
	return t.finish(ctx)
}

// turn is one turn of the loop: a record, or a silence.
func (t *tenure) turn(ctx context.Context, m *ck.Message, end bool) error {
	now := time.Now()
	switch {
	case m != nil:
		t.quiet = time.Time{}
		if err := t.step(ctx, m, now); err != nil {
			return err
		}
	case end:
		t.quiet = now
	default:
		if err := t.idle(now); err != nil {
			return err
		}
	}
	if err := t.relayDue(m == nil, now); err != nil {
		return err
	}
	if err := t.commitDue(ctx, m == nil, now); err != nil {
		return err
	}
	t.copy(m == nil)
	if err := t.makeRoom(ctx); err != nil {
		return err
	}
	if t.live.warm != nil {
		if err := t.followed(ctx, now); err != nil {
			return err
		}
	}
	if now.Sub(t.published) < publishEvery {
		return nil
	}
	return t.attend(ctx, now)
}

// attend does what need not be looked at for every record.
func (t *tenure) attend(ctx context.Context, now time.Time) error {
	t.publish(now)
	if reason := t.halted(t.topic); reason != "" {
		return t.halt("%s", reason)
	}
	if err := t.adoptChanged(ctx, now); err != nil {
		return err
	}
	if t.ending = t.left(); t.ending {
		return nil
	}
	return t.checkpointDue(ctx, now)
}

func (t *tenure) adoptChanged(ctx context.Context, now time.Time) error {
	select {
	case <-t.changed:
		return t.adopt(ctx, now)
	default:
		return nil
	}
}

func (t *tenure) step(ctx context.Context, m *ck.Message, now time.Time) error {
	unknown, err := t.schema(ctx, m)
	if err != nil {
		return t.await(ctx, m, err)
	}
	if t.awaited() {
		t.say(StateLive, "")
	}
	if err := t.fill(m); err != nil {
		return err
	}
	if t.rec.Frame != nil && rules.IsParts(t.rec.Frame.Source.Stream) { // maybe of a rule that is new here
		if err := t.adoptChanged(ctx, now); err != nil {
			return err
		}
	}
	t.rec.Now, t.rec.NoSchema = t.cluster.clock.micros(now), unknown
	t.traces.receive(t.id, m, t.rec.Frame, now)
	t.fx.Reset()
	if err := t.task.Step(&t.rec, &t.fx); err != nil {
		switch {
		case errors.Is(err, task.ErrOrder):
			return t.halt("%v", err)
		case errors.Is(err, task.ErrStopped):
			t.cluster.opts.Log.Warn("task left in the middle of a step, which its next owner does again", "partition", t.id.String(), "offset", t.rec.Offset)
		}
		return fmt.Errorf("offset %d: %w", t.rec.Offset, err)
	}
	t.raised(m.Timestamp)
	t.ending = t.rec.Frame != nil && t.rec.Frame.Last && t.left()
	return t.emit(now)
}

// fill makes the task's record of a message.
func (t *tenure) fill(m *ck.Message) error {
	fillRecord(&t.rec, m)
	if !rules.IsKeyed(t.id.Input) {
		return nil
	}
	frame, err := t.frames.read(m.Value)
	if errors.Is(err, route.ErrFrame) {
		return t.halt("the keyed log at offset %d cannot be read: %v", t.rec.Offset, err)
	}
	t.rec.Frame = frame
	return err
}

func (t *tenure) emit(now time.Time) error {
	if t.mute {
		t.fx.Dead = t.fx.Dead[:0]
	}
	if t.fx.Empty() {
		return nil
	}
	if t.live.warm != nil {
		t.live.warm.tell(t.fx.Journal)
	}
	t.opts.Metrics.count(t.id.Input, &t.fx)
	t.traces.match(t.fx.Alerts, now)
	if err := t.hand(now); err != nil {
		return err
	}
	return t.out.write(&t.fx, t.task.Source, t.traces, now)
}

// decide journals an entry and applies it.
func (t *tenure) decide(e task.Entry, now time.Time) error {
	t.fx.Reset()
	if err := t.task.Apply(e, &t.fx); err != nil {
		return fmt.Errorf("deciding at offset %d: %w", t.task.Position().Offset, err)
	}
	return t.emit(now)
}

// idle moves the stream's watermark by the clock once the partition has been
// silent for the stream's idle time, seen from its end, once a second at most.
func (t *tenure) idle(now time.Time) error {
	st := t.rules.Current().Stream(t.id.Input)
	if t.quiet.IsZero() || st == nil || st.Doc.Idle == 0 {
		return nil
	}
	if now.Sub(t.quiet) < st.Doc.Idle || now.Sub(t.live.ticked) < tickEvery {
		return nil
	}
	t.live.ticked = now
	return t.decide(task.Entry{Kind: task.Tick, Stream: t.id.Input, Now: t.cluster.clock.micros(now)}, now)
}

// commitDue commits when the transaction is old or large enough, or when the
// input has nothing more at the moment.
func (t *tenure) commitDue(ctx context.Context, silent bool, now time.Time) error {
	p := t.producer
	if !p.open {
		return nil
	}
	if !silent && p.records < t.opts.CommitRecords && now.Sub(p.since) < t.opts.CommitEvery {
		return nil
	}
	return t.commit(ctx, false)
}

// commit makes everything emitted so far visible, with the progress. With
// always it writes the progress even if nothing was emitted.
func (t *tenure) commit(ctx context.Context, always bool) error {
	if err := t.sendParts(); err != nil {
		return err
	}
	opened := t.producer.since
	err := t.out.finish(func() error { return t.commitOpen(ctx) }, t.task.Progress().AppendTo(nil), always)
	if err != nil {
		return fmt.Errorf("to offset %d: %w", t.task.Position().Offset, err)
	}
	t.opts.Metrics.committed(ctx, time.Since(opened))
	t.traces.committed(opened, time.Now())
	t.delivered(ctx, time.Now())
	return nil
}
