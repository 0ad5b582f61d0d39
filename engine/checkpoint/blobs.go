// Package checkpoint keeps the state of tasks where a crash of the process or
// the loss of its disk cannot reach it, and brings it back. A checkpoint is
// the files of a state database linked at one moment, the task's snapshot of
// that moment, and a manifest that names them. The manifest is written last
// and is the only commit point: what no manifest names does not exist.
//
// It knows nothing of Kafka: a driver opens a task through a Keeper and says
// when to cut.
package checkpoint

import (
	"errors"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Blobs is where checkpoints are kept: files by name. A name is written once;
// slashes are part of it. A method that returns nil has made its change
// durable. Methods may be called from several goroutines.
type Blobs interface {
	// Upload stores a local file, which will not change any more, under name.
	// A blob of that name that is there already is replaced whole or kept.
	Upload(name string, fs vfs.FS, path string) error
	// Create stores data under name unless the name is taken: then the error
	// matches ErrExists. Readers see all of it or nothing.
	Create(name string, data []byte) error
	// Read returns a blob of at most limit bytes.
	Read(name string, limit int64) ([]byte, error)
	// Download makes the blob a local file. The file may share storage with
	// the blob when frozen is true: the caller never writes to it then.
	Download(name string, fs vfs.FS, path string, frozen bool) error
	// List returns the blobs whose names begin with prefix, in order of name.
	List(prefix string) ([]Blob, error)
	// Remove removes a blob; one that is not there is no error.
	Remove(name string) error
}

// A Blob is a stored file.
type Blob struct {
	Name string
	Size int64
}

// ErrExists is the error of Create for a name that is taken.
var ErrExists = errors.New("it exists already")
