package pebble_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/caltrop/caltrop/sinks/pebble"
)

// A full disk is an error that names the directory, not the end of the process.
func TestFullDiskIsAnError(t *testing.T) {
	full := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "MANIFEST") {
			return syscall.ENOSPC
		}
		return nil
	})
	_, err := pebble.Open("history", pebble.Options{FS: errorfs.Wrap(vfs.NewMem(), full)})
	if err == nil || !strings.Contains(err.Error(), "opening alert history history") || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
}
