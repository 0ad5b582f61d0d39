package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/caltrop/caltrop/engine/task"
)

// A Manifest names everything that one checkpoint consists of.
type Manifest struct {
	Task       string
	Epoch      uint64 // grows with each checkpoint of the task
	Build      string // that wrote it
	Position   task.Position
	Digest     task.Digest
	Watermarks map[string]int64 // by stream, µs
	Set        task.Set         // live rule and stream revisions
	Snapshot   File
	Files      []File // of the state database
}

// A File is one file of a checkpoint.
type File struct {
	Name string // in the database's directory
	Blob string
	Size int64
	Hash string // xxh3, 128 bits, in hex
}

// The stored manifest is a magic word, a format byte, JSON, and the xxh3 of
// all before it in 8 bytes.
const (
	manifestMagic  = "CTCP"
	manifestFormat = 1
	manifestSum    = 8
	manifestMax    = 64 << 20 // bytes
)

// ErrNewer is the error of a checkpoint that a later build wrote.
var ErrNewer = errors.New("a newer build wrote it")

var errManifest = errors.New("not a whole manifest")

func (m *Manifest) encode() ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding manifest: %w", err)
	}
	b := append([]byte(manifestMagic), manifestFormat)
	b = append(b, text...)
	return binary.BigEndian.AppendUint64(b, xxh3.Hash(b)), nil
}

// decodeManifest reads what encode wrote. The checksum comes first: only a
// manifest that is whole can be newer.
func decodeManifest(b []byte) (*Manifest, error) {
	head := len(manifestMagic) + 1
	if len(b) < head+manifestSum {
		return nil, fmt.Errorf("%w: %d bytes", errManifest, len(b))
	}
	body := b[:len(b)-manifestSum]
	if xxh3.Hash(body) != binary.BigEndian.Uint64(b[len(body):]) || string(b[:head-1]) != manifestMagic {
		return nil, fmt.Errorf("%w: the checksum does not fit", errManifest)
	}
	if format := b[head-1]; format > manifestFormat {
		return nil, fmt.Errorf("%w: it has format %d, this build reads up to %d", ErrNewer, format, manifestFormat)
	}
	m := &Manifest{}
	if err := json.Unmarshal(body[head:], m); err != nil {
		return nil, fmt.Errorf("%w: %w", errManifest, err)
	}
	return m, nil
}

// Names of blobs: TASK/manifest-EPOCH, and TASK/EPOCH-FILE-HASH.
const manifestPrefix = "manifest-"

func manifestName(taskName string, epoch uint64) string {
	return fmt.Sprintf("%s/%s%020d", taskName, manifestPrefix, epoch)
}

func fileName(taskName string, epoch uint64, f *File) string {
	return fmt.Sprintf("%s/%020d-%s-%s", taskName, epoch, f.Name, f.Hash)
}

// epochOf returns the epoch in the name of a manifest or file. A manifest that
// was never published is a file like others.
func epochOf(name string) (epoch uint64, isManifest, ok bool) {
	_, base, _ := cutLast(name)
	base, _, temporary := strings.Cut(base, tempMark)
	text, isManifest := strings.CutPrefix(base, manifestPrefix)
	if !isManifest {
		text, _, _ = strings.Cut(base, "-")
	}
	epoch, err := strconv.ParseUint(text, 10, 64)
	return epoch, isManifest && !temporary, err == nil
}
