package pebble_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/pebble"
	"github.com/caltrop/caltrop/sinks/sinktest"
)

// A fullDisk has no room for files whose path has a part of a name, while it is full.
type fullDisk struct {
	part string
	full atomic.Bool
}

// String implements errorfs.Injector.
func (d *fullDisk) String() string { return d.part }

// MaybeError implements errorfs.Injector.
func (d *fullDisk) MaybeError(op errorfs.Op) error {
	adds := op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFilePreallocate
	if d.full.Load() && adds && (strings.Contains(op.Path, d.part) || strings.Contains(op.Path, "room")) {
		return syscall.ENOSPC
	}
	return nil
}

func openFull(d *fullDisk) (*pebble.History, error) {
	return pebble.Open("history", pebble.Options{FS: errorfs.Wrap(vfs.NewMem(), d)})
}

// A full disk is an error that names the directory, not the end of the process.
func TestFullDiskIsAnError(t *testing.T) {
	d := &fullDisk{part: "MANIFEST"}
	d.full.Store(true)
	_, err := openFull(d)
	if err == nil || !strings.Contains(err.Error(), "opening alert history history") || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
}

// Wherever the database notices that the disk is full, alerts are refused until
// there is room, and stored from then on. What was stored before is there.
func TestHistoryGoesOnWhenTheDiskHasRoomAgain(t *testing.T) {
	for _, part := range []string{".log", ".sst", "MANIFEST"} {
		t.Run("full for "+part, func(t *testing.T) { fillAndMakeRoom(t, part) })
	}
}

func fillAndMakeRoom(t *testing.T, part string) {
	d := &fullDisk{part: part}
	h, err := openFull(d)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	stored, began := 0, time.Now()
	write := func() error {
		var records []sinks.Record
		for i := range 20 {
			r := sinktest.Alert{Name: fmt.Sprintf("%d of batch %d", i, stored)}.Record()
			r.JSON = append(r.JSON[:len(r.JSON)-1], `,"note":"`+strings.Repeat("x", 50_000)+`"}`...)
			records = append(records, r)
		}
		err := h.Write(t.Context(), records)
		if err == nil {
			stored++
		}
		return err
	}
	if err := write(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it happens more than once in the life of a process
		d.full.Store(true)
		for err = nil; err == nil && stored < 100; {
			err = write()
		}
		if err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Fatalf("with a full disk: %v", err)
		}
		if err := write(); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Fatalf("again with a full disk: %v", err)
		}
		d.full.Store(false)
		for tick := time.NewTicker(10 * time.Millisecond); write() != nil; <-tick.C {
			if t.Context().Err() != nil || time.Since(began) > time.Minute {
				t.Fatal("with room again it stores nothing")
			}
		}
	}
	for i := range stored {
		id := sinktest.Alert{Name: fmt.Sprintf("19 of batch %d", i)}.Record().ID
		if _, err := h.Alert(t.Context(), id); err != nil {
			t.Errorf("an alert of batch %d: %v", i, err)
		}
	}
}
