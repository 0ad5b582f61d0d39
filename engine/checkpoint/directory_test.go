package checkpoint_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/checkpoint/blobtest"
)

func TestDirectory(t *testing.T) {
	for name, fsys := range map[string]vfs.FS{"memory": nil, "disk": vfs.Default} {
		t.Run(name, func(t *testing.T) {
			blobtest.Run(t, func(t *testing.T) checkpoint.Blobs {
				at := fsys
				if at == nil {
					at = vfs.NewMem()
				}
				d, err := checkpoint.NewDirectory(at, t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				return d
			})
		})
	}
}
