package kafka

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

// cut begins a checkpoint, which also becomes a savepoint, JOB/NAME, unless that
// is "": it commits all output up to here together with the
// progress, then freezes the state. The commit fails when another owner has
// fenced us, so no checkpoint is ever made of a position that the log does not
// have. Saving goes on beside the task.
func (t *tenure) cut(ctx context.Context, now time.Time, savepoint string) error {
	return t.cutInTurn(ctx, now, savepoint, func() {})
}

// cutInTurn is cut, which calls done when the checkpoint has ended.
func (t *tenure) cutInTurn(ctx context.Context, now time.Time, savepoint string, done func()) error {
	t.live.cutAt, t.live.cutDue = now, now.Add(t.spread())
	if err := t.commit(ctx, true); err != nil {
		done()
		return err
	}
	t.live.savepoint = savepoint
	save, err := t.kept.CutAs(savepoint)
	if err != nil {
		done()
		return fmt.Errorf("cutting a checkpoint: %w", err)
	}
	t.opts.Metrics.stalled(time.Since(now))
	t.live.saving = make(chan error, 1)
	ctx, t.live.giveUp = context.WithCancel(context.WithoutCancel(ctx))
	go func(saving chan<- error) {
		err := save(ctx)
		done()
		saving <- err
	}(t.live.saving)
	return nil
}

// checkpointDue begins a checkpoint when the last one is old enough, and takes
// note when the one under way has ended.
func (t *tenure) checkpointDue(ctx context.Context, now time.Time) error {
	if t.live.saving == nil {
		savepoint := ""
		if !now.Before(t.live.retry) {
			savepoint = t.wantedNow()
		}
		if now.Before(t.live.cutDue) && savepoint == "" {
			return nil
		}
		done, ok := t.saveTurn(now)
		if !ok {
			return nil
		}
		return t.cutInTurn(ctx, now, savepoint, done)
	}
	select {
	case err := <-t.live.saving:
		t.saved(err)
	default:
	}
	return nil
}

// savesAtOnce is how many checkpoints that are due a process stores at one time, so
// that they do not take the processor from all tasks in one moment. One that has been
// due for as long as checkpoints lie apart waits no longer.
const savesAtOnce = 1

// saveTurn asks for the task's turn to make a checkpoint that is due; false: it is not yet.
// What it returns ends the turn.
func (t *tenure) saveTurn(now time.Time) (done func(), ok bool) {
	select {
	case t.cluster.saves <- struct{}{}:
		return func() { <-t.cluster.saves }, true
	default:
		return func() {}, now.Sub(t.live.cutDue) >= t.opts.CheckpointEvery
	}
}

// wantedNow returns a savepoint, JOB/NAME, that the task can make its part of now and
// has not made yet; "": there is none. A task of a keyed log has to have read what had
// been routed when the savepoint was asked for, and all parts of a time or none.
func (t *tenure) wantedNow() string {
	for _, w := range t.wanted(t.id) {
		read := !rules.IsKeyed(t.id.Input) || w.Generation == t.id.Generation && max(t.task.Position().Offset, t.reader.end) >= w.Until && !t.task.Amid()
		if read && !t.live.made[w.Savepoint] {
			return w.Savepoint
		}
	}
	return ""
}

// What a cut holds is copied a little at each turn, more when there is nothing else
// to do.
const (
	copyStep = 32   // records a turn
	copyIdle = 4096 // records a turn without a record
	copyRest = math.MaxInt
)

func (t *tenure) copy(idle bool) {
	switch {
	case t.live.saving == nil:
	case idle:
		t.kept.Copy(copyIdle)
	default:
		t.kept.Copy(copyStep)
	}
}

// spread is the time to the next checkpoint.
func (t *tenure) spread() time.Duration {
	return time.Duration(float64(t.opts.CheckpointEvery) * (0.8 + 0.4*rand.Float64()))
}

// roomEvery is how often a paused task looks whether there is room again.
const roomEvery = 5 * time.Millisecond

// makeRoom pauses the task while its state is full. What was emitted is
// committed first; what the client reads ahead meanwhile is bounded by its
// queue.
func (t *tenure) makeRoom(ctx context.Context) error {
	if !t.kept.Full() {
		return nil
	}
	if err := t.commit(ctx, false); err != nil {
		return err
	}
	t.kept.Copy(copyRest)
	began := time.Now()
	t.say(StatePaused, "the state is over its memory budget until the checkpoint under way is on disk")
	for t.kept.Full() && pause(ctx, roomEvery) {
	}
	t.opts.Metrics.paused(ctx, time.Since(began))
	t.say(StateLive, "")
	return nil
}

// saved takes note of how a checkpoint ended. One that did not succeed costs
// only a longer replay.
func (t *tenure) saved(err error) {
	t.live.saving = nil
	t.live.giveUp()
	t.opts.Metrics.checkpoint(err == nil, time.Since(t.live.cutAt))
	if err == nil && t.live.savepoint != "" {
		if t.live.made == nil {
			t.live.made = map[string]bool{}
		}
		t.live.made[t.live.savepoint] = true
	}
	if err != nil {
		t.live.retry = time.Now().Add(savepointsEvery)
		if t.status.CheckpointError == "" {
			t.status.CheckpointFails = time.Now()
		}
		t.status.CheckpointError = "checkpoint: " + err.Error()
		t.cluster.opts.Log.Warn("checkpoint not written", "partition", t.id.String(), "error", err)
		return
	}
	t.status.CheckpointError, t.status.Checkpoint, t.status.CheckpointAt = "", time.Now(), t.task.Position()
}

// awaitSave waits for the checkpoint under way, no longer than ctx lasts.
func (t *tenure) awaitSave(ctx context.Context) error {
	if t.live.saving == nil {
		return nil
	}
	t.kept.Copy(copyRest)
	select {
	case err := <-t.live.saving:
		t.saved(err)
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the checkpoint under way: %w", ctx.Err())
	}
}

// finish is the orderly end: what is open is committed and the state saved, as far
// as that is possible in time.
func (t *tenure) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.opts.FinalWait)
	defer cancel()
	if err := t.endViews(time.Now()); err != nil {
		return err
	}
	if err := t.commit(ctx, false); err != nil {
		return err
	}
	if err := t.awaitSave(ctx); err != nil {
		return err
	}
	if err := t.cut(ctx, time.Now(), ""); err != nil {
		return err
	}
	return t.awaitSave(ctx)
}

// endViews ends the views of a keyed log that nothing needs any more: its tasks end
// before they could adopt that.
func (t *tenure) endViews(now time.Time) error {
	set := t.task.Set()
	if !rules.IsKeyed(t.id.Input) || len(set.Views) == 0 || len(t.rules.Current().KeyedLog(t.id.Input).Streams) > 0 {
		return nil
	}
	set.Views = nil
	return t.decide(task.Entry{Kind: task.Switch, Set: set}, now)
}

// letGo gives up the state. A checkpoint that a store has not taken when the task
// has to go ends by itself: another process need not wait for it, only a later
// tenure of the task in this one, as both have one directory.
func (t *tenure) letGo(ctx context.Context) {
	if t.kept == nil {
		return
	}
	if t.awaitSave(ctx) == nil {
		t.kept.Close()
		return
	}
	t.cluster.opts.Log.Warn("task left while its checkpoint is still being stored", "partition", t.id.String())
	t.live.giveUp()
	gone := make(chan struct{})
	t.gone = gone
	go func() {
		defer close(gone)
		<-t.live.saving
		t.kept.Close()
	}()
}
