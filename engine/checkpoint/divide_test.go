package checkpoint_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/task"
)

// A task waits for what it is to share; when that is there it begins at the
// beginning of its own log, and then goes on from its own checkpoint.
func TestAShareIsWaitedFor(t *testing.T) {
	h := newHost(t)
	dir, err := checkpoint.NewDirectory(h.fs, "far/kept")
	if err != nil {
		t.Fatal(err)
	}
	k := checkpoint.NewKeeper(checkpoint.Options{Blobs: dir, FS: h.fs, Dir: "shares", MemTableBytes: 1 << 16})
	seal := checkpoint.SealOf("job", 2)
	open := func() (*checkpoint.Kept, error) {
		return k.OpenShare(context.Background(), "job.payment.2.3", task.Config{Sources: []task.Source{{Stream: "payment"}}, Resolver: nothing{},
			Owns: func([]byte) bool { return true }}, checkpoint.Share{Seal: seal, Part: "payment.0"})
	}
	if _, err := open(); !errors.Is(err, checkpoint.ErrUnsealed) {
		t.Fatalf("before there is anything: %v", err)
	}
	h.mustOpen()
	h.work(1)
	save, err := h.kept.CutAs(seal)
	if err != nil {
		t.Fatal(err)
	}
	h.kept.Copy(math.MaxInt)
	if err := save(context.Background()); err != nil {
		t.Fatal(err)
	}
	if parts, err := k.Sealed(seal); err != nil || !slices.Equal(parts, []string{"payment.0"}) {
		t.Errorf("sealed are %v, %v", parts, err)
	}
	for _, own := range []bool{false, true} {
		if has, err := k.Checkpointed("job.payment.2.3"); err != nil || has != own {
			t.Errorf("it has a checkpoint: %t, %v; want %t", has, err, own)
		}
		kept, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if at := kept.Task().Position(); at != (task.Position{}) || kept.Imported() == own {
			t.Errorf("it begins at %v, imported %t", at, kept.Imported())
		}
		save, err := kept.Cut()
		if err != nil {
			t.Fatal(err)
		}
		kept.Copy(math.MaxInt)
		if err := errors.Join(save(context.Background()), kept.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
