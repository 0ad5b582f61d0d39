package state

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A Cut is the state at one moment on its way to a directory. Its life:
//
//	Begin    the moment; from here on a record keeps its old content for the
//	         cut until that is written, and nothing dirty is evicted
//	Write    writes records that were dirty at the moment, some at a time,
//	         between events
//	Link     flushes and links the database into a directory; the only part
//	         that may run on another goroutine. From then on the cache may
//	         evict again
//	End      gives a cut up that will not be linked
//
// So the database never holds anything newer than the cut before it is
// linked, whatever the cache does.
type Cut struct {
	store   *Store
	records []uint32 // hashes of those that were dirty
	dropped []uint32
	marks   map[uint32]int64 // event time at the moment
	written bool
	over    atomic.Bool // Link has returned
}

var errCut = errors.New("a cut is under way already")

// Begin starts a cut at this moment. One at a time.
func (s *Store) Begin() (*Cut, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.underway() {
		return nil, errCut
	}
	s.cut = &Cut{store: s, records: s.dirty, dropped: s.dropped, marks: maps.Clone(s.marks)}
	s.dirty, s.dropped = nil, nil
	s.parity ^= flagParity
	return s.cut, nil
}

// due reports whether a record was dirty at the cut and is not written yet.
func (s *Store) due(r record) bool {
	return s.cut != nil && r.has(flagDirty) && r.flags()&flagParity != s.parity
}

// preserve writes a record for the cut before it changes.
func (s *Store) preserve(r record) {
	if s.due(r) {
		s.write(r)
	}
}

// write makes a record clean.
func (s *Store) write(r record) {
	s.stats.Written++
	if err := s.db.put(r, s.slots[r.slot()]); err != nil {
		s.fail(err)
	}
	r.clear(flagDirty)
	r.set(flagOnDisk)
}

// Write writes up to n records and reports whether all are written.
func (c *Cut) Write(n int) (done bool, err error) {
	s := c.store
	for ; n > 0 && len(c.records) > 0; n-- {
		last := len(c.records) - 1
		c.writeHash(c.records[last])
		c.records = c.records[:last]
	}
	if len(c.records) > 0 || s.err != nil {
		return false, s.err
	}
	if !c.written {
		c.written = true
		if err := c.finish(); err != nil {
			s.fail(err)
		}
	}
	return true, s.err
}

// writeHash writes the records under a hash that are due. Those that say
// nothing any more leave the heap.
func (c *Cut) writeHash(hash uint32) {
	s := c.store
	for i := s.table.next(hash, -1); i >= 0; {
		r := record(s.arena.at(ref(s.table.entries[i])))
		if !s.due(r) {
			i = s.table.next(hash, i)
			continue
		}
		s.write(r)
		if r.empty() {
			s.free(i)
			i = -1 // the entries behind have moved
		}
		i = s.table.next(hash, i)
	}
}

// buryStep is how many records of the database one cut looks at for dead ones.
const buryStep = 20_000

func (c *Cut) finish() error {
	s := c.store
	if err := s.db.forget(c.dropped, c.marks); err != nil {
		return err
	}
	return s.db.bury(buryStep, func(slot uint32, key []byte, img image) bool {
		wheel, open := s.slots[slot]
		return open && img.timer == 0 && img.dies <= c.mark(wheel) &&
			s.table.find(&s.arena, hashOf(slot, key), slot, key) < 0
	})
}

func (c *Cut) mark(wheel uint32) int64 {
	if m, ok := c.marks[wheel]; ok {
		return m
	}
	return math.MinInt64
}

// Link writes the cut into dir, which must not exist, as a database that Open
// can read. It may run beside the owner's goroutine, after Write is done. When
// it returns nil the files of dir are durable. On an error dir is not to be
// used, and the Store should be closed: a failed flush is never tried again.
func (c *Cut) Link(dir string) error {
	defer c.over.Store(true)
	return c.store.db.link(dir)
}

// underway reports whether a cut is; one that has been linked is ended here.
func (s *Store) underway() bool {
	if s.cut != nil && s.cut.over.Load() {
		s.cut = nil
	}
	return s.cut != nil
}

// End gives the cut up, unless it has been linked. Records that were not
// written are dirty for the next one. It must not run beside Link.
func (c *Cut) End() {
	s := c.store
	if s.cut != c {
		return
	}
	for _, hash := range c.records {
		for i := s.table.next(hash, -1); i >= 0; i = s.table.next(hash, i) {
			if r := record(s.arena.at(ref(s.table.entries[i]))); s.due(r) {
				r.clear(flagParity)
				r.set(s.parity)
			}
		}
		s.dirty = append(s.dirty, hash)
	}
	if !c.written {
		s.dropped = append(s.dropped, c.dropped...)
	}
	s.cut = nil
	s.evict(0)
}

func (s *Store) over() bool {
	return s.table.count > s.opts.Keys || s.opts.Bytes < s.arena.used+s.table.bytes()
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
		case r.has(flagDirty) && pinned:
		default:
			if r.has(flagDirty) {
				s.write(r)
			}
			s.stats.Evicted++
			s.free(s.hand)
		}
	}
}

// Disk options of Open.
type Disk struct {
	FS         vfs.FS // nil means the operating system's
	Dir        string
	CacheBytes int64 // of Pebble's block cache; 0 means 32 MiB
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
