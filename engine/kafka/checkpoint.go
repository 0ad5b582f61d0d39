package kafka

import (
	"context"
	"fmt"
	"time"
)

// cut begins a checkpoint: it commits all output up to here together with the
// progress, then freezes the state. The commit fails when another owner has
// fenced us, so no checkpoint is ever made of a position that the log does not
// have.
func (t *tenure) cut(ctx context.Context, now time.Time) (err error) {
	t.live.cutAt = now
	if err := t.commit(ctx, true); err != nil {
		return err
	}
	if t.live.cut, err = t.kept.Cut(); err != nil {
		return fmt.Errorf("cutting a checkpoint: %w", err)
	}
	return nil
}

// checkpoint takes the checkpoint under way one step on: a slice of writing,
// or a look whether it is saved.
func (t *tenure) checkpoint(ctx context.Context) error {
	switch {
	case t.live.cut == nil:
		return nil
	case t.live.saving == nil:
		done, err := t.live.cut.Write()
		if err != nil {
			return fmt.Errorf("writing a checkpoint: %w", err)
		}
		if done {
			t.live.saving = make(chan error, 1)
			go func(cut Cut, saving chan<- error) {
				saving <- cut.Save(context.WithoutCancel(ctx))
			}(t.live.cut, t.live.saving)
		}
		return nil
	}
	select {
	case err := <-t.live.saving:
		t.saved(err)
	default:
	}
	return nil
}

// saved takes note of how a checkpoint ended. One that did not succeed costs
// only a longer replay.
func (t *tenure) saved(err error) {
	t.live.cut.End()
	t.live.cut, t.live.saving = nil, nil
	t.opts.Metrics.checkpoint(err == nil)
	if err != nil {
		t.status.CheckpointError = "checkpoint: " + err.Error()
		t.cluster.opts.Log.Warn("checkpoint not written", "partition", t.id.String(), "error", err)
		return
	}
	t.status.CheckpointError, t.status.Checkpoint = "", time.Now()
}

// finish is the orderly end: what is open is committed and the state saved.
func (t *tenure) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalDeadline)
	defer cancel()
	if err := t.complete(ctx); err != nil {
		return err
	}
	if err := t.cut(ctx, time.Now()); err != nil {
		return err
	}
	return t.complete(ctx)
}

// complete takes the checkpoint under way to its end.
func (t *tenure) complete(ctx context.Context) error {
	for t.live.cut != nil {
		if t.live.saving != nil {
			t.saved(<-t.live.saving)
			continue
		}
		if err := t.checkpoint(ctx); err != nil {
			return err
		}
	}
	return nil
}
