package blobtest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/checkpoint"
)

// ErrFault is what a Faulty store answers when it does not do as it is told.
var ErrFault = errors.New("503 SlowDown")

// A Faulty store is one on a bad day: some calls do nothing and fail, some do
// their work and fail (the answer is lost), some leave half a body, and a list
// may be an earlier one. Which, follows from the seed and the order of calls. It
// is safe for concurrent use.
type Faulty struct {
	Store checkpoint.Blobs
	// Percent of the calls that go wrong; a list that goes wrong is an earlier
	// one half the time.
	Percent int
	// Faults counts what went wrong, by kind.
	Faults map[string]int

	mu    sync.Mutex
	stall <-chan struct{} // nil: uploads are not held up
	waits int             // uploads that are
	rand  *rand.Rand
	lists map[string][][]checkpoint.Blob // earlier answers by prefix
}

var _ checkpoint.Blobs = (*Faulty)(nil)

// NewFaulty returns a store over another.
func NewFaulty(store checkpoint.Blobs, seed uint64, percent int) *Faulty {
	return &Faulty{Store: store, Percent: percent, Faults: map[string]int{}, rand: rand.New(rand.NewPCG(seed, 10)),
		lists: map[string][][]checkpoint.Blob{}}
}

// fault draws one of n kinds, or -1 for none.
func (f *Faulty) fault(kinds ...string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rand.IntN(100) >= f.Percent {
		return -1
	}
	i := f.rand.IntN(len(kinds))
	f.Faults[kinds[i]]++
	return i
}

// SetPercent changes how many calls go wrong from now on.
func (f *Faulty) SetPercent(percent int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Percent = percent
}

// Stall holds up each upload from now on until released is closed.
func (f *Faulty) Stall(released <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stall = released
}

// Stalled returns how many uploads have been held up.
func (f *Faulty) Stalled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waits
}

func (f *Faulty) wait() {
	f.mu.Lock()
	stall := f.stall
	if stall != nil {
		f.waits++
	}
	f.mu.Unlock()
	if stall != nil {
		<-stall
	}
}

const (
	refused  = "refused"
	lost     = "answer lost"
	half     = "half a body"
	outdated = "an earlier list"
)

// Upload implements checkpoint.Blobs.
func (f *Faulty) Upload(name string, fsys vfs.FS, path string) error {
	f.wait()
	switch f.fault(refused, lost, half) {
	case 0:
		return ErrFault
	case 1:
		return errors.Join(f.Store.Upload(name, fsys, path), ErrFault)
	case 2:
		data, err := readAll(fsys, path)
		return errors.Join(err, f.put(name, data[:len(data)/2]), ErrFault)
	}
	return f.Store.Upload(name, fsys, path)
}

func (f *Faulty) put(name string, data []byte) error {
	mem := vfs.NewMem()
	file, err := mem.Create("half", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = file.Write(slices.Clone(data))
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return f.Store.Upload(name, mem, "half")
}

func readAll(fsys vfs.FS, path string) ([]byte, error) {
	file, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(file)
	return data, errors.Join(err, file.Close())
}

// Create implements checkpoint.Blobs. What it makes is whole or not there.
func (f *Faulty) Create(name string, data []byte) error {
	switch f.fault(refused, lost) {
	case 0:
		return ErrFault
	case 1:
		return errors.Join(f.Store.Create(name, data), ErrFault)
	}
	return f.Store.Create(name, data)
}

// Read implements checkpoint.Blobs.
func (f *Faulty) Read(name string, limit int64) ([]byte, error) {
	if f.fault(refused) == 0 {
		return nil, ErrFault
	}
	return f.Store.Read(name, limit)
}

// Download implements checkpoint.Blobs.
func (f *Faulty) Download(name string, fsys vfs.FS, path string, frozen bool) error {
	switch f.fault(refused, lost) {
	case 0:
		return ErrFault
	case 1:
		return errors.Join(f.Store.Download(name, fsys, path, frozen), ErrFault)
	}
	return f.Store.Download(name, fsys, path, frozen)
}

// List implements checkpoint.Blobs.
func (f *Faulty) List(prefix string) ([]checkpoint.Blob, error) {
	now, err := f.Store.List(prefix)
	if err != nil {
		return nil, fmt.Errorf("listing: %w", err)
	}
	fault := f.fault(refused, outdated)
	f.mu.Lock()
	defer f.mu.Unlock()
	earlier := append(f.lists[prefix], now)
	f.lists[prefix] = earlier[max(0, len(earlier)-listsKept):]
	switch fault {
	case 0:
		return nil, ErrFault
	case 1:
		return slices.Clone(earlier[f.rand.IntN(len(earlier))]), nil
	}
	return now, nil
}

// listsKept is how many answers a list may be behind.
const listsKept = 3

// Remove implements checkpoint.Blobs.
func (f *Faulty) Remove(name string) error {
	switch f.fault(refused, lost) {
	case 0:
		return ErrFault
	case 1:
		return errors.Join(f.Store.Remove(name), ErrFault)
	}
	return f.Store.Remove(name)
}
