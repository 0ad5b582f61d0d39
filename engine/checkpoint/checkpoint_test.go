package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

const taskName = "job.payment.g1.0"

// A host is a machine with a disk: it opens the one task and saves it.
type host struct {
	t        *testing.T
	fs       *vfs.MemFS
	disk     vfs.FS // the way to fs: nil is fs itself
	through  func(checkpoint.Blobs) checkpoint.Blobs
	fail     checkpoint.Point
	skip     int // times that fail is reached before it fails
	dead     *vfs.MemFS
	percent  int // of unsynced writes that outlive a death at fail
	build    string
	memTable uint64
	rejected int
	moved    map[checkpoint.Way]int64
	keeper   *checkpoint.Keeper
	kept     *checkpoint.Kept
}

func newHost(t *testing.T) *host {
	return &host{t: t, fs: vfs.NewCrashableMem(), build: "one", memTable: 1 << 16}
}

// nothing resolves the empty set.
type nothing struct{}

func (nothing) Resolve(task.Set) (*task.Live, error) { return &task.Live{}, nil }

var errFail = errors.New("a named point")

func (h *host) open() error { return h.openAt("local") }

func (h *host) openAt(at string) (err error) {
	h.t.Helper()
	h.moved = map[checkpoint.Way]int64{}
	if h.keeper == nil {
		if h.keeper, err = h.newKeeper(at); err != nil {
			return err
		}
	}
	h.kept, err = h.keeper.Open(context.Background(), taskName, task.Config{Sources: []task.Source{{Stream: "payment"}}, Resolver: nothing{}})
	if err == nil {
		h.kept.State().Open(task.Slot{ID: 1})
	}
	return err
}

// newKeeper makes the keeper of one process.
func (h *host) newKeeper(at string) (*checkpoint.Keeper, error) {
	disk := h.disk
	if disk == nil {
		disk = h.fs
	}
	dir, err := checkpoint.NewDirectory(disk, "far/kept")
	if err != nil {
		return nil, err
	}
	var blobs checkpoint.Blobs = dir
	if h.through != nil {
		blobs = h.through(dir)
	}
	return checkpoint.NewKeeper(checkpoint.Options{Blobs: blobs, FS: disk, Dir: at, Build: h.build, Keep: 2,
		CacheBytes: 1 << 16, MemTableBytes: h.memTable, Rejected: func(string) { h.rejected++ }, Fail: h.point,
		Moved: func(way checkpoint.Way, bytes int64) { h.moved[way] += bytes }}), nil
}

// point is the death of the process where h.fail says: what is on disk then is
// what a later one finds, whatever this one still does.
func (h *host) point(p checkpoint.Point) error {
	if p != h.fail || h.dead != nil {
		return nil
	}
	if h.skip > 0 {
		h.skip--
		return nil
	}
	h.dead = h.clone(h.percent, 7)
	return errFail
}

func (h *host) clone(percent int, seed uint64) *vfs.MemFS {
	return h.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 1))})
}

func (h *host) mustOpen() {
	h.t.Helper()
	if err := h.open(); err != nil {
		h.t.Fatal(err)
	}
}

// work brings the task and its state to moment n.
func (h *host) work(n int) {
	h.t.Helper()
	var eff task.Effects
	for k := range 50 {
		h.kept.State().Put(1, fmt.Appendf(nil, "k%d", k), fmt.Appendf(nil, "%0*d", 50+k, n), task.Never)
	}
	if err := h.kept.Task().Step(&task.Record{Offset: int64(n), Value: []byte("x")}, &eff); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) save() error {
	h.t.Helper()
	save, err := h.kept.Cut()
	if err != nil {
		return err
	}
	h.kept.Copy(math.MaxInt)
	return save(context.Background())
}

func (h *host) mustSave() {
	h.t.Helper()
	if err := h.save(); err != nil {
		h.t.Fatal(err)
	}
}

// moment returns what the task and its state are at; they must agree.
func (h *host) moment() int {
	h.t.Helper()
	at := int(h.kept.Task().Position().Offset) - 1
	for k := range 50 {
		want := fmt.Sprintf("%0*d", 50+k, at)
		if at < 0 {
			want = ""
		}
		if got := string(h.kept.State().Get(1, fmt.Appendf(nil, "k%d", k))); got != want {
			h.t.Fatalf("at %d, k%d holds %q, want %q", at, k, got, want)
		}
	}
	return at
}

// crash kills the process and the machine: what was not synced is lost, in
// part when percent says so.
func (h *host) crash(percent int, seed uint64) {
	h.t.Helper()
	if h.kept != nil {
		if err := h.kept.Close(); err != nil && h.disk == nil {
			h.t.Fatal(err)
		}
	}
	if h.dead == nil {
		h.dead = h.clone(percent, seed)
	}
	h.fs, h.dead, h.disk, h.keeper, h.kept = h.dead, nil, nil, nil, nil
	h.fail, h.skip, h.rejected = "", 0, 0
}

// move is the end of the machine: the next process starts on another.
func (h *host) move() {
	h.t.Helper()
	if err := h.fs.RemoveAll("local"); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) blobs(part string) []string {
	h.t.Helper()
	names, err := h.fs.List("far/kept/" + taskName)
	if err != nil {
		h.t.Fatal(err)
	}
	var found []string
	for _, n := range names {
		if strings.Contains(n, part) {
			found = append(found, "far/kept/"+taskName+"/"+n)
		}
	}
	slices.Sort(found)
	return found
}

func TestCrashBeforeTheFirstCheckpointIsANewTask(t *testing.T) {
	h := newHost(t)
	h.mustOpen()
	h.work(1)
	h.crash(100, 1)
	h.mustOpen()
	if got := h.moment(); got != -1 {
		t.Errorf("at moment %d, want a new task", got)
	}
}

// twoSaved returns a host with checkpoints of moments 1 and 2.
func twoSaved(t *testing.T) *host {
	h := newHost(t)
	h.mustOpen()
	for n := 1; n <= 2; n++ {
		h.work(n)
		h.mustSave()
	}
	h.crash(100, 1)
	return h
}

func TestCollectionKeepsWhatIsNamed(t *testing.T) {
	h := newHost(t)
	h.mustOpen()
	for n := 1; n <= 8; n++ {
		h.work(n)
		h.mustSave()
		if n > 2 && len(h.blobs("manifest-")) != 2 {
			t.Fatalf("%d manifests after %d checkpoints, want 2", len(h.blobs("manifest-")), n)
		}
	}
	if oldest := h.kept.Oldest(); oldest.Offset != 8 {
		t.Errorf("the oldest kept position is %d, want 8", oldest.Offset)
	}
	// The newest may fall: the one before is whole as well.
	write(t, h.fs, h.blobs("manifest-")[1], nil)
	h.crash(100, 1)
	h.mustOpen()
	if got := h.moment(); got != 7 {
		t.Errorf("at moment %d, want 7", got)
	}
}

// A process that is not fenced yet saves beside the new owner: neither
// destroys what the other needs.
func TestTwoOwners(t *testing.T) {
	h := newHost(t)
	h.mustOpen()
	h.work(1)
	h.mustSave()
	zombie := h.kept
	owner := *h
	owner.t = t
	owner.mustOpenAt("local2")
	h.kept = zombie
	h.work(2)
	h.mustSave()
	owner.work(2)
	if err := owner.save(); !errors.Is(err, checkpoint.ErrExists) {
		t.Fatalf("the second checkpoint of one epoch: %v", err)
	}
	owner.work(3)
	owner.mustSave()
	owner.crash(0, 1)
	owner.mustOpen()
	if got := owner.moment(); got != 3 {
		t.Errorf("at moment %d, want 3", got)
	}
}

func (h *host) mustOpenAt(dir string) {
	h.t.Helper()
	blobs, err := checkpoint.NewDirectory(h.fs, "far/kept")
	if err != nil {
		h.t.Fatal(err)
	}
	k := checkpoint.NewKeeper(checkpoint.Options{Blobs: blobs, FS: h.fs, Dir: dir, Keep: 2, State: state.Options{Keys: 3}})
	if h.kept, err = k.Open(context.Background(), taskName, task.Config{Sources: []task.Source{{Stream: "payment"}}, Resolver: nothing{}}); err != nil {
		h.t.Fatal(err)
	}
	h.kept.State().Open(task.Slot{ID: 1})
}

func read(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil && len(b) > 0 {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, fs vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 0 {
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}
