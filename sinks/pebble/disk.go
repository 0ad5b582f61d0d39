package pebble

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/internal/fatal"
)

// A disk holds the database's writes back while it is full. The database cannot
// take an error there: it would give up, or end the process.
type disk struct {
	inner vfs.FS
	probe string
	waits atomic.Bool                 // false: what does not fit is an error
	full  atomic.Pointer[fatal.Alarm] // rung while there is no room
}

const (
	roomBytes = 4 * memTableBytes // that must be free for writes to go on
	roomEvery = 200 * time.Millisecond
)

func newDisk(inner vfs.FS, dir string) *disk {
	if inner == nil {
		inner = vfs.Default
	}
	d := &disk{inner: inner, probe: inner.PathJoin(dir, "room")}
	d.full.Store(fatal.New(""))
	return d
}

// fs is the file system for the database.
func (d *disk) fs() vfs.FS { return vfs.OnDiskFull(d.inner, d.awaitRoom) }

// awaitRoom returns when there is room. All writes of the database wait for it.
func (d *disk) awaitRoom() {
	if !d.waits.Load() {
		return
	}
	for err := d.room(); err != nil; err = d.room() {
		d.full.Load().Ring(fmt.Errorf("the alert history waits for room on its disk: %w", err))
		time.Sleep(roomEvery)
	}
	d.full.Store(fatal.New(""))
}

// room returns nil where a file of roomBytes can be written, and removes it.
func (d *disk) room() error {
	f, err := d.inner.Create(d.probe, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, roomBytes)) // not a hole, which takes no room
	return errors.Join(err, f.Close(), d.inner.Remove(d.probe))
}
