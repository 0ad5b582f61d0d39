package state

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A Cut is the state at one moment on its way to a directory. It costs nothing to
// begin: a record that was dirty at the moment is copied when Copy comes to it, or
// before it changes if that is sooner. Link runs beside the owner's goroutine: it
// writes what was copied, flushes, and links the database into the directory.
// Until Link returns nothing else is written: a record that changes after the
// moment is pinned in the heap, and so are those that were copied, as the database
// may not hold them yet. So the linked database holds the moment and nothing
// newer, whatever the cache does.
type Cut struct {
	store   *Store
	number  uint16        // of this cut, in records
	hashes  []uint32      // of the records that were dirty
	at      int           // of hashes: those before it are copied
	whole   bool          // all are, or none can be any more
	tight   bool          // the heap is over its budget, and nothing may be evicted while the cut lasts
	batch   *pebble.Batch // being filled
	removed []uint32      // hashes of copied records that say nothing
	dropped []uint32
	marks   map[uint32]int64 // event time at the moment
	pages   pages
	over    atomic.Bool // Link has returned
	linked  bool        // without an error; read after over
	err     error       // of Link; read after over
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
	c := &Cut{store: s, number: s.next, hashes: s.dirty, dropped: s.dropped, marks: s.marks()}
	c.pages.init()
	s.next = s.next%cutsMax + 1
	s.dirty, s.spare, s.dropped, s.cut = s.spare, nil, nil, c
	return c, nil
}

// prepare buries some of the dead and makes everything evicted so far part of
// the database.
func (s *Store) prepare() error {
	if err := s.bury(); err != nil {
		return err
	}
	return s.db.commit()
}

// Copy goes on with the cut under way: it copies up to n records that have not
// changed since, none while much of what was copied is not written. Link waits
// until all are: the owner calls Copy often, and with a large n before it waits for
// Link.
func (s *Store) Copy(n int) {
	if !s.underway() || s.cut.whole {
		return
	}
	c := s.cut
	left := len(c.hashes) - c.at
	n = max(n, len(c.hashes)/copyCalls)
	if n < left && c.pages.waiting() >= pagesAhead {
		return
	}
	for _, hash := range c.hashes[c.at:][:min(n, left)] {
		for i := s.table.next(hash, -1); i >= 0; i = s.table.next(hash, i) {
			s.preserve(record(s.arena.at(ref(s.table.entries[i]))))
		}
	}
	c.at += min(n, left)
	if c.at == len(c.hashes) || s.err != nil {
		c.hand()
		c.pages.end(s.err)
		c.whole = true
	}
}

// copyCalls are the calls of Copy that copy a cut, however large, when they need not
// wait for Link.
const copyCalls = 1024

// preserve takes the record into the cut under way if it is to be in it and is not
// yet. Whatever changes a record comes here before.
func (s *Store) preserve(r record) {
	if r.has(flagDirty) && r.cut() != s.next {
		s.fail(s.cut.copy(r))
	}
}

// copy takes the record into the cut.
func (c *Cut) copy(r record) error {
	s := c.store
	if c.batch == nil {
		c.batch = s.db.db.NewBatchWithSize(pageBytes + pageSlack)
	}
	s.stats.Written++
	s.burial.wrote(r)
	r.clear(flagDirty)
	r.set(flagOnDisk)
	if r.empty() {
		c.removed = append(c.removed, hashOf(r.slot(), r.key()))
	}
	err := s.db.put(c.batch, r, s.slots[r.slot()])
	if c.batch.Len() >= pageBytes {
		c.hand()
	}
	return err
}

// hand gives what was copied to Link.
func (c *Cut) hand() {
	if c.batch != nil {
		c.pages.put(c.batch)
		c.batch = nil
	}
}

// Link writes the cut into dir, which must not exist, as a database that Open
// can read, when all is copied. It may run beside the owner's goroutine. When it
// returns nil the files of dir are durable. After an error dir is not to be used,
// and neither is the Store: a disk that could not be written or synced once is not
// trusted with a second try.
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

// pinned reports whether the record must stay in the heap until the cut under way
// is linked: what it holds may not be in the database.
func (s *Store) pinned(r record) bool {
	return s.cut != nil && (r.has(flagDirty) || r.cut() == s.cut.number)
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
// came to nothing, makes those that were in it dirty again.
func (c *Cut) settle() {
	s := c.store
	s.cut = nil
	s.fail(c.err)
	if c.linked {
		for _, hash := range c.removed {
			s.remove(hash, c.number)
		}
	} else {
		s.dropped = append(s.dropped, c.dropped...)
		for _, hash := range c.hashes {
			for i := s.table.next(hash, -1); i >= 0; i = s.table.next(hash, i) {
				if r := record(s.arena.at(ref(s.table.entries[i]))); r.cut() == c.number {
					r.clear(flagDirty)
					s.touch(r, hash)
				}
			}
		}
	}
	s.spare = c.hashes[:0]
}

// remove frees the records of this hash and cut that say nothing.
func (s *Store) remove(hash uint32, cut uint16) {
	for i := s.table.next(hash, -1); i >= 0; {
		if r := record(s.arena.at(ref(s.table.entries[i]))); r.cut() == cut && r.empty() && !r.has(flagDirty) {
			s.free(i)
			i = -1 // the entries behind have moved
		}
		i = s.table.next(hash, i)
	}
}

func (s *Store) over() bool {
	return s.table.count > s.opts.Keys || s.opts.Bytes < s.taken()
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

// evict takes cold records from the heap until the budget is kept or nothing
// may go; then it does not look again while the cut under way lasts, and the heap
// grows until its owner finds it Full. keep stays.
func (s *Store) evict(keep ref) {
	if s.db == nil || s.err != nil {
		return
	}
	if !s.over() || s.underway() && s.cut.tight {
		return
	}
	for tries := 2 * len(s.table.entries); tries > 0 && s.over(); tries-- {
		s.stats.Looked++
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
		case s.pinned(r):
		default:
			s.write(r)
			s.stats.Evicted++
			s.free(s.hand)
		}
	}
	if s.cut != nil && s.over() {
		s.cut.tight = true
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
