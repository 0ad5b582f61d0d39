package kafka

import (
	"context"
	"strconv"
	"time"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

// A TaskID names one task of a job for ever.
type TaskID struct {
	Job        string
	Input      string // the stream it reads; of a task that routes, route.STREAM; of a keyed log, keyed.KEY
	Generation int
	Partition  int32
}

// String is the name of the task and of its checkpoints: JOB.INPUT.GENERATION.PARTITION.
func (id TaskID) String() string {
	return id.Job + "." + id.Input + "." + strconv.Itoa(id.Generation) + "." + strconv.Itoa(int(id.Partition))
}

// Role is direct of a task that matches a stream's partition, keyed of one that
// matches a keyed log's, and route of one that fills keyed logs.
func (id TaskID) Role() string {
	if _, ok := id.routed(); ok {
		return "route"
	}
	if rules.IsKeyed(id.Input) {
		return "keyed"
	}
	return "direct"
}

// Stream returns the stream that the task reads; of a keyed log, its input.
func (id TaskID) Stream() string {
	if stream, ok := id.routed(); ok {
		return stream
	}
	return id.Input
}

// Part is the task's name in savepoints, INPUT.PARTITION: tasks of another job
// or generation that read the same have the same.
func (id TaskID) Part() string { return id.Input + "." + strconv.Itoa(int(id.Partition)) }

// A Keeper opens the state of tasks. It is used by several goroutines, for
// different tasks.
type Keeper interface {
	// Open returns the task as its newest whole checkpoint has it, or a new one
	// where there is none. The configuration comes without a State.
	Open(ctx context.Context, id TaskID, conf task.Config) (Kept, error)
	// OpenShare is Open for a task that, without a checkpoint, begins with a share of
	// what a sealed task has left. The error matches checkpoint.ErrUnsealed while
	// it has not.
	OpenShare(ctx context.Context, id TaskID, conf task.Config, s checkpoint.Share) (Kept, error)
	// From returns the savepoint that tasks without a checkpoint start from; nil: they
	// start with nothing.
	From() (*checkpoint.Savepoint, error)
	// Sealed returns the tasks, INPUT.PARTITION, that have left their state as part of
	// a seal.
	Sealed(seal string) ([]string, error)
	// Checkpointed reports whether a task, as TaskID.String, has a checkpoint of its own.
	Checkpointed(task string) (bool, error)
}

// Kept is one task with its state and checkpoints. One goroutine owns it, but
// for the function that Cut returns.
type Kept interface {
	Task() *task.Task
	// Cut freezes the task's state between two calls. The function it returns
	// makes that a checkpoint; the caller runs it once, in any goroutine, when
	// all output up to the cut is committed, and before the next Cut.
	Cut() (save func(context.Context) error, err error)
	// CutAs is a Cut that also becomes the task's part of a savepoint, JOB/NAME.
	CutAs(savepoint string) (save func(context.Context) error, err error)
	// Imported reports whether the task has come from a savepoint of another job:
	// what it knows was not committed here.
	Imported() bool
	// Full keeps the state within the memory that it may take, and reports whether it
	// takes more and nothing can leave before the checkpoint under way is on disk.
	// It is asked at each turn.
	Full() bool
	// Copy goes on with the cut under way, up to n records: the function that Cut
	// returned waits until all are copied.
	Copy(n int)
	// Oldest is the position of the oldest checkpoint that is kept; what the
	// journal holds from before is not needed any more.
	Oldest() task.Position
	// Close lets go of the state without a checkpoint.
	Close() error
}

// Rules is what the engine asks of the rule set of the process: *rules.Registry.
// Safe for concurrent use.
type Rules interface {
	task.Resolver
	Current() *rules.Set
	// Changed is closed when Current may return something else.
	Changed() <-chan struct{}
	// Rescale writes the scale that decide makes of the newest set.
	Rescale(ctx context.Context, job string, decide func(*rules.Set) (*rules.Scale, error)) error
}

// Savepoints are the savepoints of the job that its tasks are to take part in.
// Safe for concurrent use.
type Savepoints interface {
	// Wanted returns the parts that are not stored by the task, INPUT.PARTITION, that
	// is to store them. known is the caller's, for names that are done with.
	Wanted(now time.Time, known map[string]bool) (map[string][]checkpoint.Want, error)
}
