package state

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A Cut is the state at one moment on its way to a directory. Begin copies
// the records that are dirty at the moment; Link, which may run beside the
// owner's goroutine, writes them, flushes, and links the database into the
// directory. Until Link returns nothing else is written: a record that
// changes after the moment is pinned in the heap, and so are those that were
// copied, as the database may not hold them yet. So the linked database holds
// the moment and nothing newer, whatever the cache does.
type Cut struct {
	store   *Store
	hashes  []uint32 // of the records that were dirty
	batches []*pebble.Batch
	dropped []uint32
	marks   map[uint32]int64 // event time at the moment
	over    atomic.Bool      // Link has returned
	linked  bool             // without an error; read after over
	err     error            // of Link; read after over
}

var errCut = errors.New("a cut is under way already")

// Begin starts a cut at this moment. One at a time.
func (s *Store) Begin() (*Cut, error) {
	if s.underway() {
		return nil, errCut
	}
	if s.err == nil {
		s.fail(s.prepare())
	}
	if s.err != nil {
		return nil, s.err
	}
	c := &Cut{store: s, hashes: s.dirty, dropped: s.dropped, marks: s.marks()}
	s.dirty, s.dropped, s.cut = nil, nil, c
	for _, hash := range c.hashes {
		for i := s.table.next(hash, -1); i >= 0; i = s.table.next(hash, i) {
			if r := record(s.arena.at(ref(s.table.entries[i]))); r.has(flagDirty) {
				s.fail(c.copy(r))
			}
		}
	}
	return c, s.err
}

// prepare buries some of the dead and makes everything evicted so far part of
// the database.
func (s *Store) prepare() error {
	if err := s.bury(); err != nil {
		return err
	}
	return s.db.commit()
}

// copy takes the record into the cut.
func (c *Cut) copy(r record) error {
	last := len(c.batches) - 1
	if last < 0 || c.batches[last].Len() >= batchBytesMax {
		c.batches = append(c.batches, c.store.db.db.NewBatch())
		last++
	}
	c.store.stats.Written++
	c.store.burial.wrote(r)
	r.clear(flagDirty)
	r.set(flagOnDisk | flagCopied)
	return c.store.db.put(c.batches[last], r, c.store.slots[r.slot()])
}

// Link writes the cut into dir, which must not exist, as a database that Open
// can read. It may run beside the owner's goroutine. When it returns nil the
// files of dir are durable. After an error dir is not to be used, and neither is
// the Store: a disk that could not be written or synced once is not trusted with
// a second try.
func (c *Cut) Link(dir string) error {
	err := c.store.db.link(c, dir)
	c.linked, c.err = err == nil, err
	c.over.Store(true)
	return err
}

// underway reports whether a cut is. One whose Link has returned is ended
// here.
func (s *Store) underway() bool {
	if s.cut != nil && s.cut.over.Load() {
		s.cut.settle()
	}
	return s.cut != nil
}

// End gives the cut up, unless it has been linked. It must not run beside
// Link.
func (c *Cut) End() {
	if c.store.cut == c {
		c.settle()
		c.store.evict(0)
	}
}

// settle frees the copied records that say nothing any more, or, if the cut
// came to nothing, makes the copied ones dirty again.
func (c *Cut) settle() {
	s := c.store
	s.cut = nil
	s.fail(c.err)
	if !c.linked {
		s.dropped = append(s.dropped, c.dropped...)
	}
	for _, hash := range c.hashes {
		for i := s.table.next(hash, -1); i >= 0; {
			r := record(s.arena.at(ref(s.table.entries[i])))
			switch {
			case !r.has(flagCopied):
			case !c.linked:
				r.clear(flagCopied)
				s.touch(r, hash)
			case r.empty() && !r.has(flagDirty):
				s.free(i)
				i = -1 // the entries behind have moved
			default:
				r.clear(flagCopied)
			}
			i = s.table.next(hash, i)
		}
	}
}

func (s *Store) over() bool {
	return s.table.count > s.opts.Keys || s.opts.Bytes < s.arena.used+s.table.bytes()
}

// write makes a record clean.
func (s *Store) write(r record) {
	if !r.has(flagDirty) {
		return
	}
	s.stats.Written++
	s.burial.wrote(r)
	s.fail(s.db.put(s.db.batch, r, s.slots[r.slot()]))
	r.clear(flagDirty)
	r.set(flagOnDisk)
	if s.db.batch.Len() >= batchBytesMax {
		s.fail(s.db.commit())
	}
}

// WriteAhead writes up to n of the records that have changed since they were last
// written, the earliest first, so that the next cut has fewer to copy. It leaves
// keep of them, and all while a cut is under way.
func (s *Store) WriteAhead(n, keep int) {
	if s.db == nil || s.err != nil || len(s.dirty) <= keep || s.underway() {
		return
	}
	n = min(n, len(s.dirty)-keep)
	for _, hash := range s.dirty[:n] {
		for i := s.table.next(hash, -1); i >= 0; {
			r := record(s.arena.at(ref(s.table.entries[i])))
			written := r.has(flagDirty)
			s.write(r)
			if written && r.empty() {
				s.free(i)
				i = -1 // the entries behind have moved
			}
			i = s.table.next(hash, i)
		}
	}
	s.dirty = s.dirty[n:]
}

// evict takes cold records from the heap until the budget is kept or nothing
// may go. keep stays.
func (s *Store) evict(keep ref) {
	if s.db == nil || s.err != nil {
		return
	}
	if !s.over() {
		return
	}
	pinned := s.underway()
	for tries := 2 * len(s.table.entries); tries > 0 && s.over(); tries-- {
		if s.hand++; s.hand >= len(s.table.entries) {
			s.hand = 0
		}
		e := s.table.entries[s.hand]
		if e == 0 || ref(e) == keep {
			continue
		}
		r := record(s.arena.at(ref(e)))
		switch {
		case r.has(flagTouched):
			r.clear(flagTouched)
		case pinned && r.has(flagDirty|flagCopied):
		default:
			s.write(r)
			s.stats.Evicted++
			s.free(s.hand)
		}
	}
}

// Disk options of Open.
type Disk struct {
	FS         vfs.FS // nil means the operating system's
	Dir        string
	Cache      *Cache // shared with other databases; nil: one of its own
	CacheBytes int64  // of its own; 0 means 32 MiB
	// MemTableBytes is what the database gathers before it writes a file; 0
	// means 8 MiB.
	MemTableBytes uint64
}

const diskCacheBytes = 32 << 20

// Open opens the database in d.Dir, or makes one. The directory belongs to
// the Store until Close.
func Open(d Disk, o Options) (*Store, error) {
	if d.FS == nil {
		d.FS = vfs.Default
	}
	if d.CacheBytes == 0 {
		d.CacheBytes = diskCacheBytes
	}
	if d.MemTableBytes == 0 {
		d.MemTableBytes = memTableBytes
	}
	db, err := openDisk(&d)
	if err != nil {
		return nil, err
	}
	return newStore(o, db), nil
}

// Close closes the database. What is dirty is lost, as it should be: only
// checkpoints count.
func (s *Store) Close() error {
	if s.db == nil {
		return nil
	}
	if err := s.db.close(); err != nil && !errors.Is(err, pebble.ErrClosed) {
		return fmt.Errorf("closing state: %w", err)
	}
	return nil
}
