package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/budget"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

// Options are a Keeper's. Blobs and Dir are required.
type Options struct {
	Blobs Blobs
	FS    vfs.FS // of Dir; nil means the operating system's
	Dir   string // for the databases at work; its content is of no use to a later process
	Build string // of this process, for manifests
	Keep  int    // whole checkpoints a task keeps; 0 means 3
	State state.Options
	// CacheBytes and MemTableBytes are those of each database; 0 is state.Disk's
	// default.
	CacheBytes    int64
	MemTableBytes uint64
	// Budget is divided among the tasks, in place of State's bytes and of the two
	// above. nil: each task has those.
	Budget *budget.Budget
	Log    *slog.Logger // nil: nothing is logged
	// From is the savepoint, JOB/NAME, that a task without a checkpoint of its own
	// starts from; "": it starts with nothing.
	From string
	// Rejected is called for each checkpoint that was not whole; nil: it is not.
	Rejected func(taskName string)
	// Moved is called for each file of a checkpoint with its bytes and what was
	// done with it, from any goroutine; nil: it is not.
	Moved func(way Way, bytes int64)
	// Fail is called at every named point and may return an error to end the
	// work there; crash tests use it. nil: no point fails.
	Fail func(point Point) error
}

// A Way is what was done with a file of a checkpoint.
type Way string

// The ways.
const (
	Uploaded Way = "uploaded"
	Fetched  Way = "fetched" // at a restore
	Reused   Way = "reused"  // at a restore: the file was here already
)

// A Point is a step of saving or restoring a checkpoint, by name.
type Point string

// The points, in the order in which saving and then restoring reach them.
const (
	BeforeFlush    Point = "before-flush"
	AfterFlush     Point = "after-flush" // the state is on disk and linked
	EachUpload     Point = "upload"
	BeforeManifest Point = "before-manifest"
	AfterManifest  Point = "after-manifest"
	BeforeGC       Point = "before-gc"
	EachFetch      Point = "fetch"
	BeforeOpen     Point = "before-open" // all files are here
)

const keepDefault = 3

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Keep == 0 {
		o.Keep = keepDefault
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Fail == nil {
		o.Fail = func(Point) error { return nil }
	}
	if o.Moved == nil {
		o.Moved = func(Way, int64) {}
	}
	if o.Rejected == nil {
		o.Rejected = func(string) {}
	}
	return o
}

// A Keeper opens tasks from their newest whole checkpoint and saves new ones.
// It may be used by several goroutines, for different tasks.
type Keeper struct {
	opts  Options
	cache *state.Cache // of all databases; nil: each has its own
	opens atomic.Int64 // databases opened so far
}

// NewKeeper returns a Keeper. Nothing is read or written before Open.
func NewKeeper(o Options) *Keeper {
	k := &Keeper{opts: o.withDefaults()}
	if o.Budget != nil {
		k.cache = state.NewCache(o.Budget.Cache())
	}
	return k
}

// Kept is one task with its state. One goroutine owns it, but for the
// function that Cut returns.
type Kept struct {
	opts  Options
	cache *state.Cache  // the Keeper's
	opens *atomic.Int64 // the Keeper's
	name  string
	dir   string // of the task's files here
	store *state.Store
	task  *task.Task

	epoch  uint64          // of the newest checkpoint known
	stored map[string]File // frozen files of the database that are blobs, by name
	whole  []*Manifest     // the kept checkpoints, oldest first
	cut    *state.Cut      // whose save has not linked yet
	cuts   int

	imported bool                                          // from a savepoint
	remake   func(task.Config, []byte) (*task.Task, error) // makes the task of a snapshot
}

// ErrNoneWhole is the error of a task that has checkpoints of which none can
// be used.
var ErrNoneWhole = errors.New("no checkpoint is whole")

// Open returns the task as its newest whole checkpoint has it, where there is
// none at all as the savepoint of Options.From has it, else a new one. conf comes without a State. Checkpoints that
// are not whole are passed over and reported. The error matches ErrNewer when
// a later build wrote the newest whole one, and ErrNoneWhole when there are
// only broken ones.
func (k *Keeper) Open(ctx context.Context, taskName string, conf task.Config) (*Kept, error) {
	return k.openOr(ctx, taskName, conf, func(kept *Kept, conf task.Config) error {
		from, err := k.From()
		part := partOf(taskName)
		switch {
		case err != nil:
			return err
		case from == nil || from.Partitions(inputOf(part)) == 0: // the input is newer than the savepoint
			return kept.openNew(conf)
		}
		return kept.openFrom(k.opts.From, part, conf)
	})
}

// From returns the savepoint that tasks without a checkpoint start from, which is
// complete; nil: they start with nothing.
func (k *Keeper) From() (*Savepoint, error) {
	job, name, ok := strings.Cut(k.opts.From, "/")
	if !ok {
		return nil, nil
	}
	p, err := NewSavepoints(k.opts.Blobs, job).Get(name)
	if err != nil {
		return nil, err
	}
	if !p.whole() {
		return nil, fmt.Errorf("savepoint %s is not complete: %d of %d tasks", k.opts.From, len(p.Done), len(p.Tasks))
	}
	return p, nil
}

// openOr opens the task as its newest whole checkpoint has it; begin makes one that
// has none.
func (k *Keeper) openOr(ctx context.Context, taskName string, conf task.Config, begin func(*Kept, task.Config) error) (*Kept, error) {
	kept := &Kept{opts: k.opts, cache: k.cache, opens: &k.opens, name: taskName, stored: map[string]File{}, remake: task.Restore}
	kept.dir = k.opts.FS.PathJoin(k.opts.Dir, taskName)
	plan, err := kept.plan()
	if err != nil {
		return nil, fmt.Errorf("planning the restore of %s: %w", taskName, err)
	}
	if err := kept.setAside(); err != nil {
		return nil, err
	}
	for _, m := range slices.Backward(plan.whole) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := kept.restore(m, conf)
		if err == nil {
			return kept, kept.dropAside()
		}
		if !errors.Is(err, errBroken) {
			return nil, fmt.Errorf("restoring checkpoint %d of %s: %w", m.Epoch, taskName, err)
		}
		kept.reject(m.Epoch, err)
		kept.whole = kept.whole[:len(kept.whole)-1]
		plan.broken = errors.Join(plan.broken, err)
	}
	if plan.broken != nil {
		return nil, fmt.Errorf("restoring %s: %w: %w", taskName, ErrNoneWhole, plan.broken)
	}
	if err := begin(kept, conf); err != nil {
		return nil, fmt.Errorf("making the state of %s: %w", taskName, err)
	}
	return kept, kept.dropAside()
}

// errBroken marks a checkpoint whose content is not what its manifest says.
var errBroken = errors.New("a file is not what the manifest says")

// A plan is what may be restored: manifests that can be read and whose files
// are all there.
type plan struct {
	whole  []*Manifest
	broken error // why others are not
}

func (k *Kept) plan() (*plan, error) {
	blobs, err := k.opts.Blobs.List(k.name + "/")
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, b := range blobs {
		sizes[b.Name] = b.Size
	}
	p := &plan{}
	for _, b := range blobs {
		epoch, isManifest, ok := epochOf(b.Name)
		if !ok {
			continue
		}
		k.epoch = max(k.epoch, epoch)
		if !isManifest {
			continue
		}
		m, err := k.readManifest(b.Name, sizes)
		if err != nil {
			if errors.Is(err, ErrNewer) {
				return nil, fmt.Errorf("checkpoint %d: %w", epoch, err)
			}
			k.reject(epoch, err)
			p.broken = errors.Join(p.broken, fmt.Errorf("checkpoint %d: %w", epoch, err))
			continue
		}
		p.whole = append(p.whole, m)
	}
	k.whole = p.whole
	return p, nil
}

func (k *Kept) readManifest(name string, sizes map[string]int64) (*Manifest, error) {
	b, err := k.opts.Blobs.Read(name, manifestMax)
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(b)
	if err != nil {
		return nil, err
	}
	for _, f := range append([]File{m.Snapshot}, m.Files...) {
		if size, ok := sizes[f.Blob]; !ok || size != f.Size {
			return nil, fmt.Errorf("%w: %s is missing or not of %d bytes", errBroken, f.Blob, f.Size)
		}
	}
	return m, nil
}

func (k *Kept) reject(epoch uint64, err error) {
	k.opts.Rejected(k.name)
	k.opts.Log.Warn("checkpoint passed over", "task", k.name, "checkpoint", epoch, "error", err)
}

func (k *Kept) openNew(conf task.Config) error {
	db, err := k.freshDir()
	if err != nil {
		return err
	}
	return k.open(db, conf, nil)
}

// open opens the database and makes the task: of a snapshot, or new.
func (k *Kept) open(db string, conf task.Config, snapshot []byte) error {
	disk, opts := state.Disk{FS: k.opts.FS, Dir: db, Cache: k.cache, CacheBytes: k.opts.CacheBytes, MemTableBytes: k.opts.MemTableBytes}, k.opts.State
	if b := k.opts.Budget; b != nil {
		disk.MemTableBytes, opts.Bytes = uint64(b.Writes()), int(b.State())
	}
	store, err := state.Open(disk, opts)
	if err != nil {
		return err
	}
	k.store, conf.State = store, store
	if snapshot == nil {
		k.task = task.New(conf)
		return nil
	}
	if k.task, err = k.remake(conf, snapshot); err != nil {
		return errors.Join(err, store.Close())
	}
	return nil
}

// Task returns the task.
func (k *Kept) Task() *task.Task { return k.task }

// State returns the task's state, for its figures.
func (k *Kept) State() *state.Store { return k.store }

// Oldest is the position of the oldest checkpoint that is kept, the zero
// Position when there is none: what the journal holds from before is needed
// no more.
func (k *Kept) Oldest() task.Position {
	if len(k.whole) == 0 {
		return task.Position{}
	}
	return k.whole[0].Position
}

// Imported reports whether the task has come from a savepoint, so that nothing
// that it knows was committed under its own name.
func (k *Kept) Imported() bool { return k.imported }

// Full keeps the state within what it may take now, and reports whether it is over
// that and nothing may leave it before the cut under way is linked.
func (k *Kept) Full() bool {
	if b := k.opts.Budget; b != nil {
		k.store.Bound(int(b.State()), int(b.Writes()))
	}
	return k.store.Full()
}

// Copy goes on with the cut under way: up to n records. The function that Cut
// returned waits until all are copied, so the owner calls Copy often until then,
// and with a large n before it waits for that function.
func (k *Kept) Copy(n int) { k.store.Copy(n) }

// Close lets go of the state without a checkpoint. The function that Cut
// returned must not be running.
func (k *Kept) Close() error { return k.store.Close() }
