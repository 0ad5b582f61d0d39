// Package blobtest holds the behaviour that every store of checkpoints must
// have, as one suite that each store's tests run.
package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/checkpoint"
)

// Run tests a store. open returns an empty one each time.
func Run(t *testing.T, open func(t *testing.T) checkpoint.Blobs) {
	for name, test := range map[string]func(*testing.T, checkpoint.Blobs){
		"a created blob is read whole":           created,
		"a name is created once":                 once,
		"one of many creators wins":              contested,
		"a file goes up and comes down":          transferred,
		"names are listed by prefix in order":    listed,
		"a removed blob is gone":                 removed,
		"a blob that is not there is an error":   missing,
		"a blob over the limit is an error":      tooLarge,
		"an uploaded file replaces an older one": replaced,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func create(t *testing.T, b checkpoint.Blobs, name, data string) {
	t.Helper()
	if err := b.Create(name, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, b checkpoint.Blobs, name, data string) {
	t.Helper()
	got, err := b.Read(name, 1<<30)
	if err != nil || string(got) != data {
		t.Fatalf("%s holds %q, %v; want %q", name, got, err, data)
	}
}

func created(t *testing.T, b checkpoint.Blobs) {
	create(t, b, "task/one", "first")
	create(t, b, "task/empty", "")
	want(t, b, "task/one", "first")
	want(t, b, "task/empty", "")
}

func once(t *testing.T, b checkpoint.Blobs) {
	create(t, b, "task/one", "first")
	if err := b.Create("task/one", []byte("second")); !errors.Is(err, checkpoint.ErrExists) {
		t.Errorf("creating it again: %v, want ErrExists", err)
	}
	want(t, b, "task/one", "first")
}

func contested(t *testing.T, b checkpoint.Blobs) {
	const creators = 8
	var wins [creators]bool
	var wg sync.WaitGroup
	for i := range creators {
		wg.Go(func() { wins[i] = b.Create("task/one", fmt.Append(nil, i)) == nil })
	}
	wg.Wait()
	winner := slices.Index(wins[:], true)
	if winner < 0 || slices.Contains(wins[winner+1:], true) {
		t.Fatalf("winners: %v, want one", wins)
	}
	want(t, b, "task/one", fmt.Sprint(winner))
}

// file makes a local file of the size.
func file(t *testing.T, fsys vfs.FS, path string, size int) []byte {
	t.Helper()
	data := bytes.Repeat([]byte("caltrop "), size/8+1)[:size]
	f, err := fsys.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(bytes.Clone(data)) // what is given to a file system is its own
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}

func transferred(t *testing.T, b checkpoint.Blobs) {
	fsys := vfs.NewMem()
	for _, size := range []int{0, 1, 1 << 20, 20 << 20} {
		data := file(t, fsys, "up", size)
		name := fmt.Sprintf("task/%d", size)
		if err := b.Upload(name, fsys, "up"); err != nil {
			t.Fatal(err)
		}
		want(t, b, name, string(data))
		if err := b.Download(name, fsys, "down", true); err != nil {
			t.Fatal(err)
		}
		f, err := fsys.Open("down")
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, size)
		n, err := f.ReadAt(got, 0)
		if size > 0 && err != nil || n != size || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came down of %d, %v", n, size, err)
		}
		if err := errors.Join(f.Close(), fsys.Remove("down")); err != nil {
			t.Fatal(err)
		}
	}
}

func listed(t *testing.T, b checkpoint.Blobs) {
	for _, name := range []string{"b/2", "a/1", "b/10", "b/1"} {
		create(t, b, name, name)
	}
	got, err := b.List("b/")
	if err != nil {
		t.Fatal(err)
	}
	if want := []checkpoint.Blob{{Name: "b/1", Size: 3}, {Name: "b/10", Size: 4}, {Name: "b/2", Size: 3}}; !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	if got, err := b.List("c/"); err != nil || len(got) > 0 {
		t.Errorf("listed %v, %v under a prefix without blobs", got, err)
	}
}

func removed(t *testing.T, b checkpoint.Blobs) {
	create(t, b, "task/one", "first")
	for range 2 {
		if err := b.Remove("task/one"); err != nil {
			t.Fatal(err)
		}
	}
	create(t, b, "task/one", "second")
	want(t, b, "task/one", "second")
}

func missing(t *testing.T, b checkpoint.Blobs) {
	if got, err := b.Read("task/none", 10); err == nil {
		t.Errorf("read %q", got)
	}
	if err := b.Download("task/none", vfs.NewMem(), "down", false); err == nil {
		t.Error("downloaded it")
	}
}

func tooLarge(t *testing.T, b checkpoint.Blobs) {
	create(t, b, "task/one", "12345")
	if got, err := b.Read("task/one", 4); err == nil {
		t.Errorf("read %q with a limit of 4 bytes", got)
	}
}

func replaced(t *testing.T, b checkpoint.Blobs) {
	fsys := vfs.NewMem()
	for _, size := range []int{100, 50} {
		data := file(t, fsys, "up", size)
		if err := b.Upload("task/file", fsys, "up"); err != nil {
			t.Fatal(err)
		}
		want(t, b, "task/file", string(data))
	}
}
