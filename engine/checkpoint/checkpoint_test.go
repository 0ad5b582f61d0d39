package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
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
	fail     checkpoint.Point
	build    string
	rejected int
	kept     *checkpoint.Kept
}

func newHost(t *testing.T) *host { return &host{t: t, fs: vfs.NewCrashableMem(), build: "one"} }

// nothing resolves the empty set.
type nothing struct{}

func (nothing) Resolve(task.Set) (*task.Live, error) { return &task.Live{}, nil }

var errFail = errors.New("a named point")

func (h *host) open() error {
	h.t.Helper()
	dir, err := checkpoint.NewDirectory(h.fs, "far/kept")
	if err != nil {
		h.t.Fatal(err)
	}
	k := checkpoint.NewKeeper(checkpoint.Options{Blobs: dir, FS: h.fs, Dir: "local", Build: h.build, Keep: 2,
		CacheBytes: 1 << 16, MemTableBytes: 1 << 16, Rejected: func(string) { h.rejected++ },
		Fail: func(p checkpoint.Point) error {
			if p == h.fail {
				return errFail
			}
			return nil
		}})
	h.kept, err = k.Open(context.Background(), taskName, task.Config{Sources: []task.Source{{Stream: "payment"}}, Resolver: nothing{}})
	if err == nil {
		h.kept.State().Open(task.Slot{ID: 1})
	}
	return err
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
		h.t.Fatal(err)
	}
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
		if err := h.kept.Close(); err != nil {
			h.t.Fatal(err)
		}
	}
	h.fs = h.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 1))})
	h.fail, h.rejected = "", 0
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

// Faults 1 and 2: killed at every named point, with nothing, some or all of
// the unsynced writes lost.
func TestT01T02KilledAtNamedPoints(t *testing.T) {
	points := map[checkpoint.Point]int{
		checkpoint.BeforeFlush: 1, checkpoint.AfterLink: 1, checkpoint.EachUpload: 1, checkpoint.BeforeManifest: 1,
		checkpoint.AfterManifest: 2, checkpoint.BeforeGC: 2,
	}
	for point, want := range points {
		for seed, percent := range []int{0, 30, 70, 100} {
			h := newHost(t)
			h.mustOpen()
			h.work(1)
			h.mustSave()
			h.work(2)
			h.fail = point
			if err := h.save(); !errors.Is(err, errFail) {
				t.Fatalf("%s: %v", point, err)
			}
			h.crash(percent, uint64(seed))
			h.mustOpen()
			if got := h.moment(); got != want || h.rejected > 0 {
				t.Errorf("killed at %s with %d%% of unsynced writes kept: at moment %d with %d passed over, want %d", point, percent, got, h.rejected, want)
			}
			h.work(3)
			h.mustSave()
			h.crash(0, 0)
			h.mustOpen()
			if got := h.moment(); got != 3 {
				t.Errorf("after %s the next checkpoint restores to %d, want 3", point, got)
			}
		}
	}
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

// Fault 3: the newest manifest truncated at every byte, every bit flipped.
func TestT03DamagedManifest(t *testing.T) {
	h := twoSaved(t)
	name := h.blobs("manifest-")[1]
	whole := read(t, h.fs, name)
	restores := func(damaged []byte, i int, what string) {
		if checkpoint.IsManifest(damaged) {
			t.Fatalf("manifest %s %d is taken for whole", what, i)
		}
		if i%wholeRestoreEvery == 0 {
			write(t, h.fs, name, damaged)
			expectPrevious(t, h, fmt.Sprintf("manifest %s %d", what, i))
		}
	}
	for n := range len(whole) {
		restores(whole[:n], n, "cut at byte")
	}
	for i := range 8 * len(whole) {
		damaged := append([]byte(nil), whole...)
		damaged[i/8] ^= 1 << (i % 8)
		restores(damaged, i, "with a flipped bit")
	}
}

// wholeRestoreEvery is the share of damaged manifests that a task is opened
// with; the others are only read.
const wholeRestoreEvery = 61

func expectPrevious(t *testing.T, h *host, what string) {
	t.Helper()
	h.rejected = 0
	if err := h.open(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if got := h.moment(); got != 1 || h.rejected != 1 {
		t.Fatalf("%s: at moment %d with %d passed over, want 1 and 1", what, got, h.rejected)
	}
	if err := h.kept.Close(); err != nil {
		t.Fatal(err)
	}
}

// Fault 4: one bit flipped in each file of the latest checkpoint.
func TestT04DamagedFile(t *testing.T) {
	h := twoSaved(t)
	for _, name := range h.blobs(fmt.Sprintf("%020d-", 2)) {
		if strings.Contains(name, "manifest-") {
			continue
		}
		whole := read(t, h.fs, name)
		if len(whole) == 0 {
			continue
		}
		damaged := append([]byte(nil), whole...)
		damaged[len(whole)/2] ^= 4
		write(t, h.fs, name, damaged)
		expectPrevious(t, h, name)
		write(t, h.fs, name, whole)
	}
	h.mustOpen()
	if got := h.moment(); got != 2 {
		t.Errorf("the mended checkpoint restores to %d, want 2", got)
	}
}

// Fault 5: a file that all checkpoints share is gone.
func TestT05SharedFileGone(t *testing.T) {
	h := newHost(t)
	h.mustOpen()
	h.work(1)
	for range 3 {
		h.mustSave()
	}
	h.crash(100, 1)
	removed := 0
	for _, name := range h.blobs(".sst-") {
		removed++
		if err := h.fs.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if removed != 1 {
		t.Fatalf("%d tables, want one that all checkpoints share", removed)
	}
	write(t, h.fs, "local/witness", []byte("untouched"))
	if err := h.open(); !errors.Is(err, checkpoint.ErrNoneWhole) {
		t.Fatalf("got %v, want that no checkpoint is whole", err)
	}
	if got := read(t, h.fs, "local/witness"); string(got) != "untouched" || h.rejected != 2 {
		t.Errorf("local files were touched, or %d were passed over, want 2", h.rejected)
	}
}

// Fault 11, the half that needs a later build.
func TestT11NewerBuildIsRefused(t *testing.T) {
	h := twoSaved(t)
	name := h.blobs("manifest-")[1]
	write(t, h.fs, name, checkpoint.AsNewerFormat(read(t, h.fs, name)))
	err := h.open()
	if !errors.Is(err, checkpoint.ErrNewer) {
		t.Fatalf("got %v, want that a newer build wrote it", err)
	}
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
