package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caltrop/caltrop/engine/task"
)

// A Share is what one of several tasks takes over from one that was sealed: the
// keys that it owns, of what that one left.
type Share struct {
	Seal  string // the savepoint, JOB/NAME, that the sealed task is in
	Part  string // its name there, INPUT.PARTITION
	First bool   // of those that share it, this one goes on with the totals
	Again bool   // the sources begin before what it has of them, in another log
}

// ErrUnsealed is the error of a share of a task that has not been sealed yet.
var ErrUnsealed = errors.New("the task has not left its state yet")

// SealOf names the savepoint that holds what the tasks of a job leave to a
// generation. No savepoint that is asked for has such a name.
func SealOf(job string, generation int) string { return job + "/_g" + strconv.Itoa(generation) }

// OpenShare is Open for a task that begins with a share where it has no
// checkpoint of its own. The error then matches ErrUnsealed while there is nothing
// to share.
func (k *Keeper) OpenShare(ctx context.Context, taskName string, conf task.Config, s Share) (*Kept, error) {
	return k.openOr(ctx, taskName, conf, func(kept *Kept, conf task.Config) error {
		parts, err := k.Sealed(s.Seal)
		if err != nil {
			return err
		}
		if !slices.Contains(parts, s.Part) {
			return fmt.Errorf("%s: %w", s.Part, ErrUnsealed)
		}
		divide := task.Divide
		if s.Again {
			divide = task.Repeat
		}
		kept.remake = func(conf task.Config, snapshot []byte) (*task.Task, error) { return divide(conf, snapshot, s.First) }
		return kept.openFrom(s.Seal, s.Part, conf)
	})
}

// Sealed returns the tasks, INPUT.PARTITION, that have left their state.
func (k *Keeper) Sealed(seal string) ([]string, error) {
	blobs, err := k.opts.Blobs.List(savepointManifest(seal, ""))
	if err != nil {
		return nil, fmt.Errorf("listing what %s holds: %w", seal, err)
	}
	var parts []string
	for _, b := range blobs {
		if _, part, _ := cutLast(b.Name); !strings.Contains(part, tempMark) {
			parts = append(parts, part)
		}
	}
	return parts, nil
}

// Checkpointed reports whether a task has a checkpoint of its own.
func (k *Keeper) Checkpointed(taskName string) (bool, error) {
	blobs, err := k.opts.Blobs.List(taskName + "/" + manifestPrefix)
	if err != nil {
		return false, fmt.Errorf("listing checkpoints of %s: %w", taskName, err)
	}
	return slices.ContainsFunc(blobs, func(b Blob) bool { return !strings.Contains(b.Name, tempMark) }), nil
}
