package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/task"
)

// A savepoint outlives the checkpoints that it was made beside, and the job: a
// job of another name starts from it, and then from its own checkpoints.
func TestSavepoint(t *testing.T) {
	h := newHost(t)
	dir, err := checkpoint.NewDirectory(h.fs, "far/kept")
	if err != nil {
		t.Fatal(err)
	}
	asked := time.Unix(1_800_000_000, 0)
	savepoints := checkpoint.NewSavepoints(dir, "job")
	if _, err := savepoints.Ask("before-the-change", checkpoint.Scope{Tasks: []string{"payment.1", "payment.0"}}, asked); err != nil {
		t.Fatal(err)
	}
	if _, err := savepoints.Ask("before-the-change", checkpoint.Scope{}, asked); !errors.Is(err, checkpoint.ErrExists) {
		t.Errorf("asked twice: %v", err)
	}
	if _, err := savepoints.Ask("Not/a name", checkpoint.Scope{}, asked); !errors.Is(err, checkpoint.ErrSavepointName) {
		t.Errorf("asked by a bad name: %v", err)
	}
	h.mustOpen()
	h.work(1)
	wanted, err := savepoints.Wanted(asked, map[string]bool{})
	if err != nil || !slices.Equal(wanted["payment.0"], []checkpoint.Want{{Savepoint: "job/before-the-change"}}) {
		t.Fatalf("wanted %v, %v", wanted, err)
	}
	save, err := h.kept.CutAs("job/before-the-change")
	if err != nil {
		t.Fatal(err)
	}
	h.kept.Copy(math.MaxInt)
	if err := save(context.Background()); err != nil {
		t.Fatal(err)
	}
	p, err := savepoints.Get("before-the-change")
	if err != nil || !slices.Equal(p.Done, []string{"payment.0"}) || p.State(asked) != checkpoint.SavepointRunning ||
		p.State(asked.Add(2*time.Hour)) != checkpoint.SavepointFailed {
		t.Errorf("%+v, %v", p, err)
	}
	if wanted, err := savepoints.Wanted(asked, map[string]bool{}); err != nil || wanted["payment.0"] != nil || wanted["payment.1"] == nil {
		t.Errorf("wanted %v, %v", wanted, err)
	}
	if _, err := savepoints.Ask("whole", checkpoint.Scope{Tasks: []string{"payment.0"}}, asked); err != nil {
		t.Fatal(err)
	}
	if save, err = h.kept.CutAs("job/whole"); err != nil {
		t.Fatal(err)
	}
	h.kept.Copy(math.MaxInt)
	if err := save(context.Background()); err != nil {
		t.Fatal(err)
	}
	for n := 2; n <= 8; n++ { // what is collected is not the savepoint's
		h.work(n)
		h.mustSave()
	}
	h.crash(0, 1)

	another := func(from string) (*checkpoint.Kept, error) {
		dir, err := checkpoint.NewDirectory(h.fs, "far/kept")
		if err != nil {
			t.Fatal(err)
		}
		k := checkpoint.NewKeeper(checkpoint.Options{Blobs: dir, FS: h.fs, Dir: "local", From: from, MemTableBytes: 1 << 16})
		kept, err := k.Open(context.Background(), "another.payment.2.0", task.Config{Sources: []task.Source{{Stream: "payment"}}, Resolver: nothing{}})
		if err == nil {
			kept.State().Open(task.Slot{ID: 1})
		}
		return kept, err
	}
	for _, from := range []string{"job/never-made", "job/before-the-change"} {
		if _, err := another(from); err == nil {
			t.Errorf("a job started from savepoint %s, which is not there or not complete", from)
		}
	}
	kept, err := another("job/whole")
	if err != nil {
		t.Fatal(err)
	}
	h.kept = kept
	if got := h.moment(); got != 1 || !kept.Imported() {
		t.Fatalf("at moment %d, imported: %v", got, kept.Imported())
	}
	h.work(9)
	h.mustSave()
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	if kept, err = another("job/whole"); err != nil {
		t.Fatal(err)
	}
	h.kept = kept
	if got := h.moment(); got != 9 || kept.Imported() {
		t.Errorf("at moment %d, imported: %v; want its own checkpoint", got, kept.Imported())
	}
}

// A second stage is asked for its part when every first one has stored its own.
func TestSecondStagesAreAskedAfterTheFirst(t *testing.T) {
	dir, err := checkpoint.NewDirectory(vfs.NewMem(), "kept")
	if err != nil {
		t.Fatal(err)
	}
	asked := time.Now()
	savepoints := checkpoint.NewSavepoints(dir, "job")
	scope := checkpoint.Scope{Tasks: []string{"hot.0", "hot.1", "second.0"}, Until: map[string]int64{"second.0": 7}, After: map[string][]string{"second": {"hot"}}, Generation: 1}
	if _, err := savepoints.Ask("a", scope, asked); err != nil {
		t.Fatal(err)
	}
	for done, want := range [][]checkpoint.Want{nil, nil, {{Savepoint: "job/a", Until: 7, Generation: 1, Fed: true}}} {
		wanted, err := savepoints.Wanted(asked, map[string]bool{})
		if err != nil || !slices.Equal(wanted["second.0"], want) {
			t.Errorf("with %d of two parts of the first stage the second's is %v, want %v: %v", done, wanted["second.0"], want, err)
		}
		if err := dir.Create(fmt.Sprintf("savepoints/job.a/hot.%d", done), nil); err != nil {
			t.Fatal(err)
		}
	}
}
