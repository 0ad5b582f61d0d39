package checkpoint

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/zeebo/xxh3"

	"github.com/caltrop/caltrop/engine/state"
)

// Cut freezes the task and its state at this moment, between two calls of the
// task. The function it returns makes that a checkpoint; the caller runs it
// once, in any goroutine, when all output up to the cut is committed, and
// before the next Cut. It ends only when Copy has copied all. An error of it leaves the earlier checkpoints as they
// are.
func (k *Kept) Cut() (save func(context.Context) error, err error) { return k.CutAs("") }

// CutAs is a Cut that becomes the task's part of the savepoint JOB/NAME too; ""
// is none.
func (k *Kept) CutAs(savepoint string) (save func(context.Context) error, err error) {
	if k.cut != nil {
		k.cut.End()
	}
	snapshot := k.task.Snapshot()
	progress := k.task.Progress()
	cut, err := k.store.Begin()
	if err != nil {
		return nil, fmt.Errorf("cutting %s: %w", k.name, err)
	}
	k.cut = cut
	m := &Manifest{Task: k.name, Build: k.opts.Build, Position: progress.Position, Digest: progress.Digest,
		Watermarks: map[string]int64{}, Set: k.task.Set()}
	for _, ref := range m.Set.Streams {
		if mark, ok := k.task.Watermark(ref.Name); ok {
			m.Watermarks[ref.Name] = mark
		}
	}
	k.cuts++
	s := &saving{Kept: k, cut: cut, manifest: m, snapshot: snapshot, savepoint: savepoint,
		dir: k.opts.FS.PathJoin(k.dir, fmt.Sprintf("cut-%d", k.cuts))}
	return s.run, nil
}

// A saving is one checkpoint on its way.
type saving struct {
	*Kept
	cut       *state.Cut
	manifest  *Manifest
	snapshot  []byte
	dir       string // of the linked database
	savepoint string // JOB/NAME; "": none
}

func (s *saving) run(ctx context.Context) error {
	if err := s.save(ctx); err != nil {
		return errors.Join(fmt.Errorf("saving checkpoint %d of %s: %w", s.manifest.Epoch, s.name, err), s.opts.FS.RemoveAll(s.dir))
	}
	if err := s.opts.FS.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("removing %s: %w", s.dir, err)
	}
	if err := s.opts.Fail(BeforeGC); err != nil {
		return err
	}
	if err := s.collect(); err != nil { // the checkpoint is whole; the next one tries again
		s.opts.Log.Warn("old checkpoints not removed", "task", s.name, "error", err)
	}
	return nil
}

func (s *saving) save(ctx context.Context) error {
	if err := s.opts.Fail(BeforeFlush); err != nil {
		return err
	}
	if err := s.cut.Link(s.dir); err != nil {
		return err
	}
	if err := s.opts.Fail(AfterFlush); err != nil {
		return err
	}
	stored, err := s.upload(ctx)
	if err != nil {
		return err
	}
	if err := s.publish(); err != nil {
		return err
	}
	s.stored = stored
	s.whole = append(s.whole, s.manifest)
	if err := s.opts.Fail(AfterManifest); err != nil || s.savepoint == "" {
		return err
	}
	return s.keepAs(ctx)
}

// upload stores the files that are not blobs yet under the next epoch, and
// returns the frozen ones of this checkpoint.
func (s *saving) upload(ctx context.Context) (map[string]File, error) {
	s.epoch++
	s.manifest.Epoch = s.epoch
	names, err := s.opts.FS.List(s.dir)
	if err != nil {
		return nil, fmt.Errorf("listing the linked state: %w", err)
	}
	slices.Sort(names)
	stored := map[string]File{}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, known := s.stored[name]
		if !known {
			if f, err = s.uploadFile(name); err != nil {
				return nil, err
			}
		}
		if frozen(name) {
			stored[name] = f
		}
		s.manifest.Files = append(s.manifest.Files, f)
	}
	return stored, s.uploadSnapshot()
}

func (s *saving) uploadFile(name string) (File, error) {
	path := s.opts.FS.PathJoin(s.dir, name)
	hash, size, err := hashFile(s.opts.FS, path)
	if err != nil {
		return File{}, err
	}
	f := File{Name: name, Size: size, Hash: hash}
	f.Blob = fileName(s.name, s.epoch, &f)
	if err := s.opts.Fail(EachUpload); err != nil {
		return File{}, err
	}
	if err := s.opts.Blobs.Upload(f.Blob, s.opts.FS, path); err != nil {
		return File{}, err
	}
	s.opts.Moved(Uploaded, size)
	return f, nil
}

func (s *saving) uploadSnapshot() error {
	f := File{Name: "task", Size: int64(len(s.snapshot)), Hash: hashOf(s.snapshot)}
	f.Blob = fileName(s.name, s.epoch, &f)
	s.manifest.Snapshot = f
	if err := s.opts.Fail(EachUpload); err != nil {
		return err
	}
	s.opts.Moved(Uploaded, f.Size)
	if err := s.opts.Blobs.Create(f.Blob, s.snapshot); !errors.Is(err, ErrExists) {
		return err
	}
	return nil // the answer to an earlier try was lost: the name says the content
}

// publish writes the manifest: the commit point. All that it names is looked
// for once more before. A taken epoch means that another process, not fenced
// yet when it began, has saved in between; the next attempt takes a later one.
func (s *saving) publish() error {
	if err := s.opts.Fail(BeforeManifest); err != nil {
		return err
	}
	blobs, err := s.opts.Blobs.List(s.name + "/")
	if err != nil {
		return err
	}
	sizes := map[string]int64{}
	for _, b := range blobs {
		sizes[b.Name] = b.Size
		epoch, isManifest, ok := epochOf(b.Name)
		if ok {
			s.epoch = max(s.epoch, epoch)
		}
		if isManifest && epoch >= s.manifest.Epoch {
			return fmt.Errorf("checkpoint %d: %w", epoch, ErrExists)
		}
	}
	for _, f := range append([]File{s.manifest.Snapshot}, s.manifest.Files...) {
		if size, ok := sizes[f.Blob]; !ok || size != f.Size {
			s.stored = map[string]File{} // the next attempt stores everything anew
			return fmt.Errorf("%w: %s", errBroken, f.Blob)
		}
	}
	data, err := s.manifest.encode()
	if err != nil {
		return err
	}
	return s.create(manifestName(s.name, s.manifest.Epoch), data)
}

// create stores data under name. A store may have done it and not be able to
// say so, at the first try or by refusing the second: what is there then tells.
func (s *saving) create(name string, data []byte) error {
	err := s.opts.Blobs.Create(name, data)
	if err == nil {
		return nil
	}
	if there, reading := s.opts.Blobs.Read(name, manifestMax); reading == nil && bytes.Equal(there, data) {
		return nil
	}
	return err
}

// frozen reports whether the database never changes a file of this name.
func frozen(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

func hashOf(b []byte) string {
	sum := xxh3.Hash128(b).Bytes()
	return hex.EncodeToString(sum[:])
}

func hashFile(fsys vfs.FS, path string) (hash string, size int64, err error) {
	f, err := fsys.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return "", 0, fmt.Errorf("hashing %s: %w", path, err)
	}
	h := xxh3.New()
	size, err = io.Copy(h, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", 0, fmt.Errorf("hashing %s: %w", path, err)
	}
	sum := h.Sum128().Bytes()
	return hex.EncodeToString(sum[:]), size, nil
}
