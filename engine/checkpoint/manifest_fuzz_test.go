package checkpoint

import (
	"encoding/binary"
	"reflect"
	"testing"

	"github.com/zeebo/xxh3"

	"github.com/caltrop/caltrop/engine/task"
)

// FuzzManifest: any bytes, their checksum mended, are refused or are a manifest
// that survives storage.
func FuzzManifest(f *testing.F) {
	m := &Manifest{Task: "t", Epoch: 3, Build: "b", Position: task.Position{Offset: 7, Seq: 1}, Watermarks: map[string]int64{"a": -1},
		Snapshot: File{Name: "s", Blob: "x", Size: 9, Hash: "00"}, Files: []File{{Name: "1.sst"}}}
	whole, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[:len(whole)-manifestSum])
	f.Add([]byte(manifestMagic + "\x01{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := decodeManifest(binary.BigEndian.AppendUint64(body[:len(body):len(body)], xxh3.Hash(body)))
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeManifest(again)
		if err != nil {
			t.Fatalf("%q: %v", again, err)
		}
		third, err := back.encode()
		if err != nil || !reflect.DeepEqual(again, third) {
			t.Fatalf("%q became %q, %v", again, third, err)
		}
	})
}
