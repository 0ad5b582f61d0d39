package state

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/task"
)

// Fault 4, the live half: a bit flips in a file of the database at work. The
// store reports it and the process lives; a record is never read wrong.
func TestT04BitFlippedInTheLiveDatabase(t *testing.T) {
	reported := 0
	for at := range 40 {
		fs := vfs.NewMem()
		s := mustOpen(t, fs, "live", Options{Keys: 1})
		for k := range 200 {
			s.Put(1, fmt.Appendf(nil, "k%03d", k), fmt.Appendf(nil, "%0200d", k*k), task.Never)
		}
		cutTo(t, s, "cut", func() {})
		flip(t, fs, at)
		for k := range 200 {
			got, want := string(s.Get(1, fmt.Appendf(nil, "k%03d", k))), fmt.Sprintf("%0200d", k*k)
			if s.Err() == nil && got != want {
				t.Fatalf("flip %d: k%03d holds %q, want %q, and nothing is reported", at, k, got, want)
			}
		}
		if s.Err() != nil {
			reported++
		}
		if err := s.Close(); err != nil && s.Err() == nil {
			t.Fatal(err)
		}
	}
	if reported == 0 {
		t.Error("no flipped bit was ever reported")
	}
}

// flip changes a bit at the n-th fortieth of the database's only table.
func flip(t *testing.T, fs vfs.FS, n int) {
	t.Helper()
	names, err := fs.List("live")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		f, err := fs.OpenReadWrite("live/"+name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1)
		at := info.Size() * int64(n) / 40
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 1
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
