package checkpoint

import (
	"fmt"
	"strings"

	"github.com/caltrop/caltrop/engine/task"
)

// Where a task's files are, in its directory: the database at work, state-N,
// and what an earlier process left, from which a restore takes what it can use.
// N is another one each time: a database that was given up keeps its lock.
const (
	workDir  = "state-"
	asideDir = "earlier"
)

// setAside keeps what was left here before out of the way.
func (k *Kept) setAside() error {
	names, err := k.opts.FS.List(k.dir)
	if err != nil {
		return nil // nothing is here; a disk that cannot be read says so at the first write
	}
	aside := k.opts.FS.PathJoin(k.dir, asideDir)
	for _, name := range names {
		if !strings.HasPrefix(name, workDir) {
			continue
		}
		if err := k.opts.FS.RemoveAll(aside); err != nil {
			return fmt.Errorf("clearing %s: %w", aside, err)
		}
		if err := k.opts.FS.Rename(k.opts.FS.PathJoin(k.dir, name), aside); err != nil {
			return fmt.Errorf("setting %s aside: %w", name, err)
		}
	}
	return nil
}

// dropAside removes what was set aside.
func (k *Kept) dropAside() error {
	aside := k.opts.FS.PathJoin(k.dir, asideDir)
	if err := k.opts.FS.RemoveAll(aside); err != nil {
		return fmt.Errorf("removing %s: %w", aside, err)
	}
	return nil
}

// restore brings the files of a checkpoint here, checks each, and opens them.
func (k *Kept) restore(m *Manifest, conf task.Config) error {
	db, err := k.freshDir()
	if err != nil {
		return err
	}
	k.stored = map[string]File{}
	for i := range m.Files {
		f := &m.Files[i]
		if err := k.bring(f, k.opts.FS.PathJoin(db, f.Name)); err != nil {
			return err
		}
		if frozen(f.Name) {
			k.stored[f.Name] = *f
		}
	}
	snapshot, err := k.opts.Blobs.Read(m.Snapshot.Blob, m.Snapshot.Size)
	if err != nil {
		return err
	}
	if hashOf(snapshot) != m.Snapshot.Hash {
		return fmt.Errorf("%w: %s", errBroken, m.Snapshot.Blob)
	}
	if err := k.opts.Fail(BeforeOpen); err != nil {
		return err
	}
	return k.open(db, conf, snapshot)
}

// bring makes a file of the checkpoint a local one: the one that an earlier
// process left where it is the same, else a copy of the blob.
func (k *Kept) bring(f *File, path string) error {
	if err := k.opts.Fail(EachFetch); err != nil {
		return err
	}
	if frozen(f.Name) && k.reuse(f, path) {
		k.opts.Moved(Reused, f.Size)
		return nil
	}
	if err := k.opts.Blobs.Download(f.Blob, k.opts.FS, path, frozen(f.Name)); err != nil {
		return err
	}
	k.opts.Moved(Fetched, f.Size)
	return k.check(f, path)
}

// reuse links the file that was set aside to path if its content is that of f,
// and reports whether it did. Numbers of files repeat, so the name says little.
func (k *Kept) reuse(f *File, path string) bool {
	was := k.opts.FS.PathJoin(k.dir, asideDir, f.Name)
	info, err := k.opts.FS.Stat(was)
	return err == nil && info.Size() == f.Size && k.check(f, was) == nil && k.opts.FS.Link(was, path) == nil
}

func (k *Kept) check(f *File, path string) error {
	hash, size, err := hashFile(k.opts.FS, path)
	if err != nil {
		return err
	}
	if hash != f.Hash || size != f.Size {
		return fmt.Errorf("%w: %s", errBroken, f.Blob)
	}
	return nil
}

// freshDir makes an empty directory for the database; what an earlier process
// left there, but for what was set aside, is removed.
func (k *Kept) freshDir() (string, error) {
	names, err := k.opts.FS.List(k.dir)
	if err != nil {
		names = nil // it is not there yet
	}
	for _, name := range names {
		if name == asideDir {
			continue
		}
		if err := k.opts.FS.RemoveAll(k.opts.FS.PathJoin(k.dir, name)); err != nil {
			return "", fmt.Errorf("clearing %s: %w", k.dir, err)
		}
	}
	db := k.opts.FS.PathJoin(k.dir, fmt.Sprintf("%s%d", workDir, k.opens.Add(1)))
	if err := k.opts.FS.MkdirAll(db, 0o755); err != nil {
		return "", fmt.Errorf("making %s: %w", db, err)
	}
	return db, nil
}
