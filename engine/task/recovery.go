package task

import (
	"errors"
	"fmt"
)

// ErrDiverged is the error of a replay that does not come to what was
// committed. The partition must stop: something that should be deterministic
// is not, or the log has changed.
var ErrDiverged = errors.New("the replay differs from what was committed")

// A Recovery replays a restored task up to the committed progress. What it
// emits was emitted before: its driver drops the effects, and the digests are
// compared.
type Recovery struct {
	task    *Task
	target  Progress
	journal []Entry // not applied yet
	eff     Effects
}

// Recover starts the replay of a task, new or restored, towards committed.
// journal holds the committed entries in order of Seq; those the task has
// are skipped. An error matches ErrDiverged when the task is past the
// committed progress and does not agree with it.
func Recover(t *Task, committed Progress, journal []Entry) (*Recovery, error) {
	r := &Recovery{task: t, target: committed, journal: journal}
	for len(r.journal) > 0 && r.journal[0].Seq <= t.pos.Seq {
		r.journal = r.journal[1:]
	}
	if r.Done() {
		return r, r.compare()
	}
	return r, r.settle()
}

// Done reports whether the task has reached the committed progress. From then
// on the driver calls the task itself.
func (r *Recovery) Done() bool { return !r.task.pos.Before(r.target.Position) }

// Effects are those of what the last call of Step, or Recover, has replayed, an
// error included. They are valid until the next one.
func (r *Recovery) Effects() *Effects { return &r.eff }

// Step replays one record with the journal entries that stand before it. It
// returns false, the record unread, when the replay is done without it: the
// record is the first of those to be read live.
func (r *Recovery) Step(rec *Record) (replayed bool, err error) {
	r.eff.Reset()
	if r.Done() {
		return false, nil
	}
	for len(r.journal) > 0 && r.journal[0].At <= rec.Offset {
		if err := r.next(); err != nil || r.Done() {
			return false, err
		}
	}
	if rec.Offset >= r.target.Position.Offset {
		return false, fmt.Errorf("%w: the log has no record below %d after %d", ErrDiverged, r.target.Position.Offset, r.task.pos.Offset)
	}
	quiet := *rec
	quiet.Now, quiet.NoSchema = 0, false
	if err := r.task.Step(&quiet, &r.eff); err != nil {
		return false, err
	}
	return true, r.settle()
}

// settle applies the entries that stand right here; one about a record waits
// for it. At the target it compares.
func (r *Recovery) settle() error {
	for !r.Done() && len(r.journal) > 0 && !r.journal[0].Kind.ofRecord() && r.journal[0].At <= r.task.pos.Offset {
		if err := r.next(); err != nil {
			return err
		}
	}
	if r.Done() {
		return r.compare()
	}
	return nil
}

func (r *Recovery) next() error {
	if err := r.task.Apply(r.journal[0], &r.eff); err != nil {
		return err
	}
	r.journal = r.journal[1:]
	if r.Done() {
		return r.compare()
	}
	return nil
}

func (r *Recovery) compare() error {
	if got := r.task.digest; got != r.target.Digest {
		return fmt.Errorf("%w: at record %d, entry %d the digest is %x, committed is %x",
			ErrDiverged, r.task.pos.Offset, r.task.pos.Seq, got, r.target.Digest)
	}
	if len(r.journal) > 0 {
		return fmt.Errorf("%w: %d journal entries after the committed entry %d", ErrDiverged, len(r.journal), r.task.pos.Seq)
	}
	return nil
}
