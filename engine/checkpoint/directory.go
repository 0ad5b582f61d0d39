package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A Directory keeps blobs as files. It may be on the disk that the state is
// on (files are hard links then) or on a shared one.
type Directory struct {
	fs   vfs.FS
	root string
	mu   struct {
		sync.Mutex
		lasting map[string]bool // directories whose names are known to be on disk
	}
}

var _ Blobs = (*Directory)(nil)

// tempMark is in the names of files that are being written. Leftovers of a
// crash are listed like other blobs and collected as such.
const tempMark = ".writing-"

// NewDirectory opens or makes the directory. fs nil means the operating
// system's.
func NewDirectory(fsys vfs.FS, root string) (*Directory, error) {
	if fsys == nil {
		fsys = vfs.Default
	}
	d := &Directory{fs: fsys, root: root}
	d.mu.lasting = map[string]bool{}
	if err := d.ensure(root); err != nil {
		return nil, err
	}
	// An earlier process may have died between making and syncing.
	return d, d.syncDir(root)
}

func (d *Directory) path(name string) string {
	return d.fs.PathJoin(append([]string{d.root}, strings.Split(name, "/")...)...)
}

// Upload implements Blobs.
func (d *Directory) Upload(name string, from vfs.FS, path string) error {
	return d.publish(name, func(temp string) error {
		if from == d.fs && d.fs.Link(path, temp) == nil {
			return nil
		}
		return copySynced(from, path, d.fs, temp)
	}, true)
}

// Create implements Blobs. The file appears under its name by a link, which
// fails when the name is taken.
func (d *Directory) Create(name string, data []byte) error {
	return d.publish(name, func(temp string) error { return writeSynced(d.fs, temp, data) }, false)
}

// publish writes a file under a passing name, then gives it its own.
func (d *Directory) publish(name string, write func(temp string) error, replace bool) error {
	path := d.path(name)
	dir := d.fs.PathDir(path)
	if err := d.ensure(dir); err != nil {
		return err
	}
	temp := fmt.Sprintf("%s%s%016x", path, tempMark, rand.Uint64())
	if err := write(temp); err != nil {
		_ = d.fs.Remove(temp) // the first error is the one that counts
		return fmt.Errorf("storing %s: %w", name, err)
	}
	if err := d.give(temp, path, replace); err != nil {
		_ = d.fs.Remove(temp)
		return fmt.Errorf("storing %s: %w", name, err)
	}
	return d.syncDir(dir)
}

func (d *Directory) give(temp, path string, replace bool) error {
	if replace {
		return d.fs.Rename(temp, path)
	}
	err := d.fs.Link(temp, path)
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	if err != nil {
		return err
	}
	return d.fs.Remove(temp)
}

// ensure makes a directory with all above it, and syncs what names them, also
// where they are there: whoever made them may not have come to it. A directory
// above that may not be opened is not ours to sync.
func (d *Directory) ensure(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.lasting[dir] {
		return nil
	}
	if err := d.fs.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	for at := dir; d.fs.PathDir(at) != at && !d.mu.lasting[at]; at = d.fs.PathDir(at) {
		if err := d.syncDir(d.fs.PathDir(at)); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	for at := dir; d.fs.PathDir(at) != at; at = d.fs.PathDir(at) {
		d.mu.lasting[at] = true
	}
	return nil
}

func (d *Directory) syncDir(dir string) error {
	f, err := d.fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("opening directory %s: %w", dir, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("syncing directory %s: %w", dir, err)
	}
	return nil
}

// Read implements Blobs.
func (d *Directory) Read(name string, limit int64) ([]byte, error) {
	b, err := readFile(d.fs, d.path(name), limit)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return b, nil
}

// Download implements Blobs.
func (d *Directory) Download(name string, to vfs.FS, path string, frozen bool) error {
	if frozen && to == d.fs && d.fs.Link(d.path(name), path) == nil {
		return nil
	}
	if err := copySynced(d.fs, d.path(name), to, path); err != nil {
		return fmt.Errorf("fetching %s: %w", name, err)
	}
	return nil
}

// List implements Blobs.
func (d *Directory) List(prefix string) ([]Blob, error) {
	dir, _, _ := cutLast(prefix)
	names, err := d.fs.List(d.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", prefix, err)
	}
	slices.Sort(names)
	var blobs []Blob
	for _, n := range names {
		name := strings.TrimPrefix(dir+"/"+n, "/")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		info, err := d.fs.Stat(d.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", prefix, err)
		}
		if !info.IsDir() {
			blobs = append(blobs, Blob{Name: name, Size: info.Size()})
		}
	}
	return blobs, nil
}

func cutLast(name string) (dir, base string, found bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name, false
	}
	return name[:i], name[i+1:], true
}

// Remove implements Blobs.
func (d *Directory) Remove(name string) error {
	err := d.fs.Remove(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing %s: %w", name, err)
	}
	return d.syncDir(d.fs.PathDir(d.path(name)))
}

func writeSynced(fsys vfs.FS, path string, data []byte) error {
	f, err := fsys.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(slices.Clone(data)) // a file system may change what it is given
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func copySynced(from vfs.FS, src string, to vfs.FS, dst string) error {
	in, err := from.Open(src, vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	out, err := to.Create(dst, vfs.WriteCategoryUnspecified)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close(), in.Close())
}

func readFile(fsys vfs.FS, path string, limit int64) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it is over %d bytes", limit)
	}
	return b, errors.Join(err, f.Close())
}
