package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

// shareEvery is how often a task looks whether the one that it takes over from has
// been sealed.
const shareEvery = 200 * time.Millisecond

// share is what the task takes over from a task of the generation before; nil of
// one that begins with nothing.
func (t *tenured) share(set *rules.Set) *checkpoint.Share {
	s := t.cluster.scale(set)
	if s == nil || s.Generation != t.id.Generation {
		return nil
	}
	m := s.Move(t.id.Input)
	if m == nil {
		return nil
	}
	from := TaskID{Input: t.id.Input, Partition: t.id.Partition % int32(m.From)}
	return &checkpoint.Share{Seal: checkpoint.SealOf(t.id.Job, s.Generation), Part: from.Part(), First: from.Partition == t.id.Partition}
}

// open opens the task, of a partition of so many; one that takes over waits until
// there is something to.
func (t *tenure) open(ctx context.Context, conf task.Config, partitions int) error {
	for {
		var kept Kept
		var err error
		share := t.share(t.rules.Current())
		if share == nil {
			if share, err = t.imported(partitions); err != nil {
				return err
			}
		}
		kept, err = t.openState(ctx, conf, share)
		switch {
		case err == nil:
			t.kept, t.task = kept, kept.Task()
			return nil
		case !errors.Is(err, checkpoint.ErrUnsealed):
			return fmt.Errorf("restoring %s: %w", t.id, err)
		}
		t.say(StateWaiting, "task "+share.Part+" of the generation before has not left its state yet")
		if !pause(ctx, shareEvery) {
			return ctx.Err()
		}
	}
}

// openState opens the task's state, a share where there is one. A restore for which the store has no answer while
// the task has to go ends by itself, as an upload does in letGo.
func (t *tenure) openState(ctx context.Context, conf task.Config, share *checkpoint.Share) (Kept, error) {
	var kept Kept
	var err error
	opened, left := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(opened)
		if share == nil {
			kept, err = t.opts.Keeper.Open(ctx, t.id, conf)
		} else {
			kept, err = t.opts.Keeper.OpenShare(ctx, t.id, conf, *share)
		}
	}()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(t.opts.FinalWait/4, func() { close(left) }) })()
	select {
	case <-opened:
		return kept, err
	case <-left:
	}
	t.cluster.opts.Log.Warn("task left while its checkpoint is still being restored", "partition", t.id.String())
	gone := make(chan struct{})
	t.gone = gone
	go func() {
		defer close(gone)
		if <-opened; err == nil {
			kept.Close()
		}
	}()
	return nil, ctx.Err()
}

// leaves is the move under which the task's log is left; nil where it is not.
func (t *tenure) leaves(set *rules.Set) (*rules.Scale, *rules.LogMove) {
	s := t.cluster.scale(set)
	if s == nil || s.Before != t.id.Generation || !rules.IsKeyed(t.id.Input) {
		return nil, nil
	}
	return s, s.Move(t.id.Input)
}

// left reports whether every source partition that writes to the task's log has
// left it. A stream that no rule reads from there any more counts as gone.
func (t *tenure) left() bool {
	set := t.rules.Current()
	_, m := t.leaves(set)
	if m == nil {
		return false
	}
	for _, w := range m.Writers {
		if !set.KeyedLog(m.Log).Reads(w.Stream) {
			continue
		}
		for p := range int32(w.Partitions) {
			if !t.task.HasLeft(w.Stream, p) {
				return false
			}
		}
	}
	return true
}

// seal commits what is open and stores the task's state for those that take over,
// however often that takes. Nothing more is read after it.
func (t *tenure) seal(ctx context.Context) error {
	t.stopWarming()
	s, _ := t.leaves(t.rules.Current())
	if s == nil { // a moment ago there was one
		return nil
	}
	for ctx.Err() == nil {
		if err := t.awaitSave(ctx); err != nil {
			return err
		}
		if err := t.opts.Fail(t.id, BeforeSeal); err != nil {
			return err
		}
		if err := t.cut(ctx, time.Now(), checkpoint.SealOf(t.id.Job, s.Generation)); err != nil {
			return err
		}
		if err := t.awaitSave(ctx); err != nil {
			return err
		}
		if t.status.CheckpointError == "" {
			if err := t.opts.Fail(t.id, AfterSeal); err != nil {
				return err
			}
			t.say(StateSealed, fmt.Sprintf("generation %d of the log goes on from here", s.Generation))
			return nil
		}
		pause(ctx, shareEvery)
	}
	return nil
}
