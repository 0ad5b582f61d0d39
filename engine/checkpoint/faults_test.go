package checkpoint_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/checkpoint/blobtest"
)

// savePoints are the named points of a save, with the moment that a process
// killed there is found at.
var savePoints = map[checkpoint.Point]int{
	checkpoint.BeforeFlush: 1, checkpoint.AfterFlush: 1, checkpoint.EachUpload: 1, checkpoint.BeforeManifest: 1,
	checkpoint.AfterManifest: 2, checkpoint.BeforeGC: 2,
}

// Faults 1 and 2: killed at every named point of a save, every upload included,
// with all, some or none of the unsynced writes on disk.
func TestT01T02KilledAtNamedPoints(t *testing.T) {
	uploads := 0
	for point, want := range savePoints {
		for skip := range 12 {
			for _, percent := range []int{0, 30, 70, 100} {
				if killedSaving(t, point, skip, percent, want) && point == checkpoint.EachUpload {
					uploads++
				}
			}
		}
	}
	if uploads < 4*3 {
		t.Errorf("killed at %d uploads only", uploads)
	}
}

// killedSaving reports whether the point was reached that often.
func killedSaving(t *testing.T, point checkpoint.Point, skip, percent, want int) bool {
	h := newHost(t)
	h.mustOpen()
	h.work(1)
	h.mustSave()
	h.work(2)
	h.fail, h.skip, h.percent = point, skip, percent
	if err := h.save(); err == nil {
		return false
	} else if !errors.Is(err, errFail) {
		t.Fatalf("%s: %v", point, err)
	}
	h.crash(0, 0)
	h.mustOpen()
	if got := h.moment(); got != want || h.rejected > 0 {
		t.Errorf("killed at %s %d with %d%% of unsynced writes kept: at moment %d with %d passed over, want %d", point, skip, percent, got, h.rejected, want)
	}
	h.goesOn(3)
	return true
}

// goesOn makes a checkpoint of moment n and restores it after a crash.
func (h *host) goesOn(n int) {
	h.t.Helper()
	h.work(n)
	h.mustSave()
	h.crash(0, 0)
	h.mustOpen()
	if got := h.moment(); got != n {
		h.t.Errorf("the next checkpoint restores to %d, want %d", got, n)
	}
}

// Faults 1 and 2: killed at every operation on the disk that has to do with a
// manifest, so in the middle of writing it too.
func TestT01T02KilledMidManifest(t *testing.T) {
	reached := 0
	for at := range 12 {
		h := newHost(t)
		h.mustOpen()
		h.work(1)
		h.mustSave()
		h.crash(100, 1)
		ops := 0
		h.disk = errorfs.Wrap(h.fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if !strings.Contains(op.Path, "manifest-") || op.Kind.ReadOrWrite() == errorfs.OpIsRead || h.dead != nil {
				return nil
			}
			if ops++; ops <= at {
				return nil
			}
			reached++
			h.dead = h.clone(50, uint64(at))
			return errFail
		}))
		h.mustOpen()
		h.work(2)
		saved := h.save() == nil
		h.crash(0, 0)
		h.mustOpen()
		if got := h.moment(); got != 2 && (got != 1 || saved && ops == 0) {
			t.Errorf("killed at operation %d on a manifest: at moment %d", at, got)
		}
		h.goesOn(3)
	}
	if reached < 5 {
		t.Errorf("killed %d times only", reached)
	}
}

// Fault 1: killed at every named point of a restore.
func TestT01KilledRestoring(t *testing.T) {
	for _, point := range []checkpoint.Point{checkpoint.EachFetch, checkpoint.BeforeOpen} {
		for skip := range 8 {
			for _, moved := range []bool{false, true} {
				h := twoSaved(t)
				if moved {
					h.move()
				}
				h.fail, h.skip = point, skip
				if err := h.open(); err != nil && !errors.Is(err, errFail) {
					t.Fatalf("%s %d: %v", point, skip, err)
				}
				h.crash(50, uint64(skip))
				h.mustOpen()
				if got := h.moment(); got != 2 || h.rejected > 0 {
					t.Errorf("killed at %s %d: at moment %d with %d passed over, want 2", point, skip, got, h.rejected)
				}
				h.goesOn(3)
			}
		}
	}
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
	h.move()
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

var fixture = flag.Bool("fixture", false, "write a checkpoint of this build's format to testdata, unless there is one")

const fixtureDir = "testdata/format-4"

// Fault 11, the other half: a checkpoint that an earlier build wrote. Format 4
// of a task is the first that later builds read; 1 to 3 were never released.
// The files are made once (-fixture) and never again.
func TestT11CheckpointOfAnEarlierBuild(t *testing.T) {
	h := twoSaved(t)
	if *fixture {
		keepFixture(t, h)
	}
	names, err := filepath.Glob(fixtureDir + "/*")
	if err != nil || len(names) < 5 {
		t.Fatalf("%d files in %s, %v", len(names), fixtureDir, err)
	}
	old := newHost(t)
	dir, err := checkpoint.NewDirectory(old.fs, "far/kept")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := dir.Create(taskName+"/"+filepath.Base(name), data); err != nil {
			t.Fatal(err)
		}
	}
	old.mustOpen()
	if got := old.moment(); got != 2 || old.rejected > 0 {
		t.Errorf("at moment %d with %d passed over, want 2", got, old.rejected)
	}
	old.goesOn(3)
}

func keepFixture(t *testing.T, h *host) {
	t.Helper()
	if err := os.Mkdir(fixtureDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range h.blobs("") {
		if err := os.WriteFile(filepath.Join(fixtureDir, filepath.Base(name)), read(t, h.fs, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// turns runs several goroutines one at a time, changing between them at random
// wherever one calls take.
type turns struct {
	mu    sync.Mutex
	cond  *sync.Cond
	rand  *rand.Rand
	alive []int
	now   int
}

func newTurns(seed uint64, n int) *turns {
	s := &turns{rand: rand.New(rand.NewPCG(seed, 6))}
	s.cond = sync.NewCond(&s.mu)
	for i := range n {
		s.alive = append(s.alive, i)
	}
	return s
}

func (s *turns) take(who int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.alive[s.rand.IntN(len(s.alive))]
	s.cond.Broadcast()
	for s.now != who {
		s.cond.Wait()
	}
}

func (s *turns) end(who int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive = slices.DeleteFunc(s.alive, func(i int) bool { return i == who })
	if len(s.alive) > 0 {
		s.now = s.alive[0]
	}
	s.cond.Broadcast()
}

// A turning store changes turns before every call.
type turning struct {
	checkpoint.Blobs
	*turns
	who int
}

func (b *turning) Upload(name string, fs vfs.FS, path string) error {
	b.take(b.who)
	return b.Blobs.Upload(name, fs, path)
}

func (b *turning) Create(name string, data []byte) error {
	b.take(b.who)
	return b.Blobs.Create(name, data)
}

func (b *turning) Read(name string, limit int64) ([]byte, error) {
	b.take(b.who)
	return b.Blobs.Read(name, limit)
}

func (b *turning) Download(name string, fs vfs.FS, path string, frozen bool) error {
	b.take(b.who)
	return b.Blobs.Download(name, fs, path, frozen)
}

func (b *turning) List(prefix string) ([]checkpoint.Blob, error) {
	b.take(b.who)
	return b.Blobs.List(prefix)
}

func (b *turning) Remove(name string) error {
	b.take(b.who)
	return b.Blobs.Remove(name)
}

// outdated is a store whose lists may be earlier ones.
type outdated struct {
	checkpoint.Blobs
	rand  *rand.Rand
	lists [][]checkpoint.Blob
}

func (b *outdated) List(prefix string) ([]checkpoint.Blob, error) {
	now, err := b.Blobs.List(prefix)
	b.lists = append(b.lists, now)
	b.lists = b.lists[max(0, len(b.lists)-3):]
	if b.rand.IntN(3) == 0 {
		return slices.Clone(b.lists[b.rand.IntN(len(b.lists))]), err
	}
	return now, err
}

// Fault 6: an owner that is fenced and has one save left collects while its
// successor restores the oldest kept checkpoint (those after it are damaged) and
// goes on from there; lists may be behind the times. Every file that a kept
// checkpoint of either names stays.
func TestT06CollectionRacesARestore(t *testing.T) {
	seeds := uint64(1000)
	if testing.Short() {
		seeds = 100
	}
	const shards = 4
	for shard := range uint64(shards) {
		t.Run(fmt.Sprintf("shard %d", shard), func(t *testing.T) {
			t.Parallel()
			again := 0
			for seed := shard; seed < seeds; seed += shards {
				again += collectionRace(t, seed)
			}
			t.Logf("%d seeds, %d restores had to begin again", seeds/shards, again)
		})
	}
}

func collectionRace(t *testing.T, seed uint64) (again int) {
	r := rand.New(rand.NewPCG(seed, 66))
	s := newTurns(seed, 2)
	old := newHost(t)
	var turned *turning
	old.through = func(b checkpoint.Blobs) checkpoint.Blobs {
		turned = &turning{&outdated{Blobs: b, rand: r}, newTurns(0, 1), 0}
		return turned
	}
	old.mustOpen()
	n := 1
	for ; n <= 3+int(seed%4); n++ {
		old.work(n)
		for old.save() != nil { // a list was behind the times
		}
	}
	manifests := old.blobs("manifest-")
	for _, name := range manifests[1:] {
		write(t, old.fs, name, []byte("damaged"))
	}
	old.work(n)
	turned.turns = s // from here on the two alternate
	next := &host{t: t, fs: old.fs, memTable: 1 << 16, through: func(b checkpoint.Blobs) checkpoint.Blobs {
		return &turning{&outdated{Blobs: b, rand: r}, s, 1}
	}}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer s.end(0)
		_ = old.save() // either may be the first to have the epoch
	})
	wg.Go(func() {
		defer s.end(1)
		again = succeed(next, n)
	})
	wg.Wait()
	for name := range next.kept.Needs() {
		if _, err := old.fs.Stat("far/kept/" + name); err != nil {
			t.Fatalf("seed %d: a kept checkpoint has lost a file: %v", seed, err)
		}
	}
	if err := errors.Join(old.kept.Close(), next.kept.Close()); err != nil {
		t.Fatal(err)
	}
	return again
}

// succeed restores, and makes checkpoints until three are kept.
func succeed(h *host, n int) (again int) {
	for ; h.openAt("elsewhere") != nil; again++ {
		if again == 20 {
			h.t.Errorf("the successor restores nothing")
			return again
		}
	}
	if at := h.moment(); at < 1 {
		h.t.Errorf("the successor is at moment %d", at)
	}
	for saved := 0; saved < 3; n++ {
		h.work(n + 1)
		if h.save() == nil {
			saved++
		}
	}
	return again
}

// Fault 7: the disk of the state is full from some write on: at a flush, a
// compaction, the link. The state says so, which ends the tenure; it does not
// open while the disk is full, and does when there is space again.
func TestT07DiskFull(t *testing.T) {
	met := map[string]int{}
	for at := 0; at < 1200; at += 13 {
		diskFull(t, at, met)
	}
	for _, what := range []string{"state/*.sst", "cut/*", "reopened"} {
		if met[what] == 0 {
			t.Errorf("the disk was never full at %s: %v", what, met)
		}
	}
	t.Logf("full at: %v", met)
}

func diskFull(t *testing.T, at int, met map[string]int) {
	h := newHost(t)
	var mu sync.Mutex
	writes, full := 0, false
	h.disk = errorfs.Wrap(h.fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		switch op.Kind {
		case errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpLink, errorfs.OpMkdirAll:
		default:
			return nil
		}
		if !strings.HasPrefix(op.Path, "local/") {
			return nil
		}
		if writes++; writes == at {
			full = true
			met[place(op.Path)]++
		}
		if full {
			return syscall.ENOSPC
		}
		return nil
	}))
	space := func() (was bool) {
		mu.Lock()
		defer mu.Unlock()
		was, full = full, false
		return was
	}
	saved := -1
	for n := 1; n <= 10; n++ {
		for h.kept == nil {
			if err := h.open(); err != nil {
				h.kept = nil
				if !space() {
					t.Fatalf("write %d: with space on the disk: %v", at, err)
				}
				met["reopened"]++
			}
		}
		if got := h.moment(); got < saved {
			t.Fatalf("write %d: at moment %d, but %d was saved", at, got, saved)
		}
		h.work(n)
		if h.save() == nil {
			saved = n
			continue
		}
		if _, err := h.kept.Cut(); err == nil {
			t.Fatalf("write %d: the state goes on on a full disk", at)
		}
		_ = h.kept.Close()
		h.kept = nil
	}
	if h.kept != nil {
		if err := h.kept.Close(); err != nil && !space() {
			t.Fatal(err)
		}
	}
}

// place is the kind of a file of the state.
func place(path string) string {
	dir := filepath.Base(filepath.Dir(path))
	if strings.HasPrefix(dir, "cut-") {
		return "cut/*"
	}
	return strings.TrimRight(dir, "-0123456789") + "/*" + filepath.Ext(path)
}

// Fault 8: each fsync in turn fails once with EIO. No checkpoint rests on a file
// that was synced a second time, and what was said to be saved is.
func TestT08SyncFailsOnce(t *testing.T) {
	failed, fatal := 0, 0
	for at := range 200 {
		reached, poisoned := syncFails(t, at)
		if !reached {
			break
		}
		failed++
		if poisoned {
			fatal++
		}
	}
	if failed < 30 || fatal < 3 {
		t.Errorf("%d syncs failed, of which %d were of the state at work", failed, fatal)
	}
	t.Logf("%d syncs failed, %d of the state at work", failed, fatal)
}

func syncFails(t *testing.T, at int) (reached, poisoned bool) {
	h := newHost(t)
	var mu sync.Mutex
	syncs, broken, again := 0, "", false
	disk := h.fs // until the crash; a database that was given up may still sync then
	h.disk = errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
		case errorfs.OpCreate:
			if op.Path == broken {
				broken = "" // another file of that name
			}
			return nil
		default:
			return nil
		}
		if info, err := disk.Stat(op.Path); op.Path == broken && err == nil && !info.IsDir() {
			again = true // a database that has reported may still do it; nobody may trust it
		}
		if syncs++; syncs-1 != at {
			return nil
		}
		reached, broken = true, op.Path
		return syscall.EIO
	}))
	saved := -1
	for n := 1; n <= 4; n++ {
		if h.kept == nil {
			if err := h.open(); err != nil { // as a worker does, the next time anew
				h.kept = nil
				continue
			}
		}
		h.work(n)
		if h.save() == nil {
			saved = n
			mu.Lock()
			if again {
				t.Errorf("sync %d: a checkpoint was made after %s was synced a second time", at, broken)
			}
			mu.Unlock()
		}
		if h.kept.State().Err() != nil {
			poisoned = true
			_ = h.kept.Close()
			h.kept = nil
			mu.Lock()
			again = false
			mu.Unlock()
		}
	}
	h.crash(0, uint64(at))
	h.mustOpen()
	if got := h.moment(); got < saved {
		t.Errorf("sync %d: at moment %d, but %d was saved", at, got, saved)
	}
	return reached, poisoned
}

// Fault 10: an object store on a bad day. What was said to be saved is there
// when the store is well again, a restore is always of one moment, and the
// state at work is never harmed.
func TestT10BadDayOfTheStore(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 20
	}
	faults, saves, lost := map[string]int{}, 0, 0
	for seed := range seeds {
		h := newHost(t)
		var store *blobtest.Faulty
		h.through = func(b checkpoint.Blobs) checkpoint.Blobs {
			if store == nil {
				store = blobtest.NewFaulty(b, seed, 15)
			}
			store.Store = b
			return store
		}
		saved := -1
		for n := 1; n <= 12; n++ {
			for h.kept == nil {
				if h.open() != nil {
					h.kept = nil
				}
			}
			h.moment()
			h.work(n)
			switch err := h.save(); {
			case err == nil:
				saves++
				saved = n
			case h.kept.State().Err() != nil:
				t.Fatalf("seed %d: the store's trouble has reached the state: %v", seed, h.kept.State().Err())
			default:
				lost++
			}
			if n%4 == 0 {
				h.crash(100, seed)
				h.move()
			}
		}
		store.Percent = 0
		h.mustOpen()
		if got := h.moment(); got < saved {
			t.Fatalf("seed %d: at moment %d, but %d was saved", seed, got, saved)
		}
		h.work(13)
		h.mustSave()
		for kind, n := range store.Faults {
			faults[kind] += n
		}
	}
	if saves == 0 || lost == 0 || len(faults) < 4 {
		t.Errorf("%d saved, %d not, faults %v", saves, lost, faults)
	}
	t.Logf("%d seeds: %d saved, %d not; faults %v", seeds, saves, lost, faults)
}

// What is here already is not fetched; what only looks like it is.
func TestLocalFilesAreUsedAgain(t *testing.T) {
	h := twoSaved(t)
	h.mustOpen()
	if h.moved[checkpoint.Reused] == 0 || h.moved[checkpoint.Fetched] > 10_000 {
		t.Errorf("after a restart in place moved %v", h.moved)
	}
	reused := h.moved[checkpoint.Reused]
	h.crash(100, 1)
	for _, path := range h.tables() {
		b := read(t, h.fs, path)
		b[len(b)/2] ^= 1
		if err := h.fs.Remove(path); err != nil { // it is the blob itself, by a link
			t.Fatal(err)
		}
		write(t, h.fs, path, b)
	}
	h.mustOpen()
	if got := h.moment(); got != 2 || h.moved[checkpoint.Reused] != 0 || h.moved[checkpoint.Fetched] < reused {
		t.Errorf("with damaged local files at moment %d, moved %v", got, h.moved)
	}
}

// tables are the paths of the tables of the state at work.
func (h *host) tables() (paths []string) {
	h.t.Helper()
	dirs, err := h.fs.List("local/" + taskName)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, dir := range dirs {
		names, err := h.fs.List("local/" + taskName + "/" + dir)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, ".sst") {
				paths = append(paths, "local/"+taskName+"/"+dir+"/"+name)
			}
		}
	}
	return paths
}
