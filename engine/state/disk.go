package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/caltrop/caltrop/internal/fatal"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// disk is the database under a Store. Keys are
//
//	'r' slot key             one record: format, timer, dies, value
//	't' wheel time slot key  one deadline, as an index of the records
//
// with numbers big-endian, so that they sort. There is no log: what is not in
// a checkpoint is computed again from the task's own log.
type disk struct {
	db      *pebble.DB
	batch   *pebble.Batch
	name    []byte
	img     []byte
	cursor  []byte // where the search for dead records goes on
	broken  *fatal.Alarm
	writes  int // bytes that are put before a file is made of them; 0: the database decides
	unfiled int // bytes since the last one
}

const (
	recordSpace   = 'r'
	deadlineSpace = 't'
	recordFormat  = 1
	imageHead     = 1 + 8 + 8
	batchBytesMax = 512 << 10 // beyond twice as much the database does not use its memory again
)

// formatVersion is the on-disk version of databases that this build writes.
const formatVersion = pebble.FormatValueSeparation

var errRecord = errors.New("not a state record")

func openDisk(o *Disk) (*disk, error) {
	d := &disk{broken: fatal.New("the state database")}
	cache := o.Cache.blocks()
	if cache == nil {
		cache = pebble.NewCache(o.CacheBytes)
		defer cache.Unref()
	}
	opts := &pebble.Options{
		FS: o.FS, DisableWAL: true, Logger: d.broken, Cache: cache,
		FormatMajorVersion: formatVersion,
		MemTableSize:       o.MemTableBytes,
		MaxOpenFiles:       openFilesMax,
		// A compaction writes again, and a checkpoint uploads again, all that the
		// flushed files overlap: the whole state, where keys change anywhere.
		L0CompactionThreshold: flushesKept,
		L0StopWritesThreshold: 2 * flushesKept,
		EventListener: &pebble.EventListener{
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				d.broken.Ring(fmt.Errorf("corrupt state file %s: %w", i.Path, i.Details))
			},
			BackgroundError: func(err error) { d.broken.Ring(fmt.Errorf("writing state in the background: %w", err)) },
		},
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBits)
	}
	err := d.broken.Guard(func() (err error) {
		d.db, err = pebble.Open(o.Dir, opts)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("opening state in %s: %w", o.Dir, err)
	}
	d.batch = d.db.NewBatch()
	return d, nil
}

const (
	memTableBytes = 8 << 20
	openFilesMax  = 256
	bloomBits     = 10
	flushesKept   = 32 // flushes that wait for a compaction; a read that misses asks the filter of each
)

func recordName(b []byte, slot uint32, key []byte) []byte {
	b = append(b[:0], recordSpace)
	b = binary.BigEndian.AppendUint32(b, slot)
	return append(b, key...)
}

func deadlineName(b []byte, wheel uint32, at int64, slot uint32, key []byte) []byte {
	b = append(b[:0], deadlineSpace)
	b = binary.BigEndian.AppendUint32(b, wheel)
	b = binary.BigEndian.AppendUint64(b, uint64(at)^1<<63)
	b = binary.BigEndian.AppendUint32(b, slot)
	return append(b, key...)
}

// get reads one record.
func (d *disk) get(slot uint32, key []byte) (image, bool, error) {
	if err := d.broken.Err(); err != nil {
		return image{}, false, err
	}
	if err := d.commit(); err != nil {
		return image{}, false, err
	}
	d.name = recordName(d.name, slot, key)
	v, closer, err := d.db.Get(d.name)
	if errors.Is(err, pebble.ErrNotFound) {
		return image{}, false, nil
	}
	if err != nil {
		return image{}, false, fmt.Errorf("reading state: %w", err)
	}
	d.img = append(d.img[:0], v...)
	if err := closer.Close(); err != nil {
		return image{}, false, fmt.Errorf("reading state: %w", err)
	}
	img, err := parseImage(d.img)
	return img, err == nil, err
}

func parseImage(b []byte) (image, error) {
	if len(b) < imageHead || b[0] != recordFormat {
		return image{}, fmt.Errorf("%w: %d bytes", errRecord, len(b))
	}
	return image{
		timer: int64(binary.BigEndian.Uint64(b[1:])),
		dies:  int64(binary.BigEndian.Uint64(b[9:])),
		value: b[imageHead:],
	}, nil
}

// put adds a record and the index of its timer to a batch; an empty record is
// removed.
func (d *disk) put(to *pebble.Batch, r record, wheel uint32) error {
	d.name = recordName(d.name, r.slot(), r.key())
	if r.empty() {
		if err := to.Delete(d.name, nil); err != nil {
			return fmt.Errorf("writing state: %w", err)
		}
		return nil
	}
	op := to.SetDeferred(len(d.name), imageHead+r.valueLen())
	copy(op.Key, d.name)
	op.Value[0] = recordFormat
	binary.BigEndian.PutUint64(op.Value[1:], uint64(r.timer()))
	binary.BigEndian.PutUint64(op.Value[9:], uint64(r.dies()))
	copy(op.Value[imageHead:], r.value())
	if err := op.Finish(); err != nil {
		return fmt.Errorf("writing state: %w", err)
	}
	if r.timer() == 0 {
		return nil
	}
	d.name = deadlineName(d.name, wheel, r.timer(), r.slot(), r.key())
	if err := to.Set(d.name, nil, nil); err != nil {
		return fmt.Errorf("writing state: %w", err)
	}
	return nil
}

// commit makes what was put readable. The database waits where it cannot write
// its files as fast, and for ever where it cannot write them at all.
func (d *disk) commit() error {
	if d.batch.Empty() {
		return nil
	}
	b := d.batch
	d.unfiled += b.Len()
	if err := d.broken.Guard(func() error { return errors.Join(b.Commit(pebble.NoSync), d.file()) }); err != nil {
		d.batch = d.db.NewBatch() // the database may not have let go of the other
		return fmt.Errorf("writing state: %w", err)
	}
	d.batch.Reset()
	return nil
}

// file has the database make a file of what was put, where that is more than it
// may gather.
func (d *disk) file() error {
	if d.writes == 0 || d.unfiled < d.writes {
		return nil
	}
	d.unfiled = 0
	_, err := d.db.AsyncFlush()
	return err
}

// deadlines visits up to n deadlines of a wheel from a time on, whole times
// only, and returns the time before which it has visited all.
func (d *disk) deadlines(wheel uint32, from int64, n int, visit func(at int64, slot uint32, key []byte)) (next int64, err error) {
	if err := d.commit(); err != nil {
		return 0, err
	}
	it, err := d.db.NewIter(&pebble.IterOptions{
		LowerBound: deadlineName(nil, wheel, from, 0, nil),
		UpperBound: deadlineName(nil, wheel+1, math.MinInt64, 0, nil),
	})
	if err != nil {
		return 0, fmt.Errorf("reading deadlines: %w", err)
	}
	next = math.MaxInt64
	last := from
	for it.First(); it.Valid(); it.Next() {
		name := it.Key()
		at := int64(binary.BigEndian.Uint64(name[5:]) ^ 1<<63)
		if n <= 0 && at != last {
			next = at
			break
		}
		last = at
		n--
		visit(at, binary.BigEndian.Uint32(name[13:]), name[17:])
	}
	if err := it.Close(); err != nil {
		return 0, fmt.Errorf("reading deadlines: %w", err)
	}
	return next, nil
}

// each visits the records of a slot.
func (d *disk) each(slot uint32, visit func(key []byte, img image)) error {
	if err := d.commit(); err != nil {
		return err
	}
	it, err := d.db.NewIter(&pebble.IterOptions{LowerBound: recordName(nil, slot, nil), UpperBound: recordName(nil, slot+1, nil)})
	if err != nil {
		return fmt.Errorf("reading the records of slot %d: %w", slot, err)
	}
	for it.First(); it.Valid() && err == nil; it.Next() {
		var img image
		if img, err = parseImage(it.Value()); err == nil {
			visit(it.Key()[len(recordName(nil, slot, nil)):], img)
		}
	}
	if err = errors.Join(err, it.Close()); err != nil {
		return fmt.Errorf("reading the records of slot %d: %w", slot, err)
	}
	return nil
}

// forget removes the records of slots and the deadlines that have passed.
func (d *disk) forget(slots []uint32, marks map[uint32]int64) error {
	b := d.db.NewBatch()
	for _, slot := range slots {
		if err := b.DeleteRange(recordName(nil, slot, nil), recordName(nil, slot+1, nil), nil); err != nil {
			return fmt.Errorf("dropping slot %d: %w", slot, err)
		}
	}
	for wheel, mark := range marks {
		from, to := deadlineName(nil, wheel, math.MinInt64, 0, nil), deadlineName(nil, wheel, mark, 0, nil)
		if err := b.DeleteRange(from, to, nil); err != nil {
			return fmt.Errorf("dropping past deadlines: %w", err)
		}
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("dropping what is past: %w", err)
	}
	return nil
}

// bury looks at n records, removes those that dead names, and goes on there
// next time, from the first one on where whole says that it has come to the last.
// What was put is committed first: an older image of a record must not be judged
// in its place.
func (d *disk) bury(n int, dead func(slot uint32, key []byte, img image) bool) (whole bool, err error) {
	if err := d.commit(); err != nil {
		return false, err
	}
	it, err := d.db.NewIter(&pebble.IterOptions{LowerBound: []byte{recordSpace}, UpperBound: []byte{recordSpace + 1}})
	if err != nil {
		return false, fmt.Errorf("looking for dead records: %w", err)
	}
	valid := it.SeekGE(d.cursor)
	for ; valid && n > 0; n-- {
		name := it.Key()
		v, err := it.ValueAndErr()
		if err != nil {
			break
		}
		if img, err := parseImage(v); err == nil && dead(binary.BigEndian.Uint32(name[1:]), name[5:], img) {
			if err := d.batch.Delete(name, nil); err != nil {
				break
			}
		}
		valid = it.Next()
	}
	d.cursor = d.cursor[:0]
	if valid {
		d.cursor = append(d.cursor, it.Key()...)
	}
	if err := it.Close(); err != nil {
		return false, fmt.Errorf("looking for dead records: %w", err)
	}
	return !valid, d.commit()
}

// link flushes and links the database into dir. The database's goroutines may
// end without an answer (fatal.Alarm), so the report is waited for as well.
func (d *disk) link(c *Cut, dir string) error {
	return d.broken.Guard(func() error { return d.flushAndLink(c, dir) })
}

func (d *disk) flushAndLink(c *Cut, dir string) error {
	for {
		b, err := c.pages.take()
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		if err := errors.Join(b.Commit(pebble.NoSync), b.Close()); err != nil {
			return fmt.Errorf("writing state: %w", err)
		}
	}
	if err := d.forget(c.dropped, c.marks); err != nil {
		return err
	}
	if err := d.db.Flush(); err != nil {
		return fmt.Errorf("flushing state: %w", err)
	}
	if err := d.db.Checkpoint(dir); err != nil {
		return fmt.Errorf("linking state to %s: %w", dir, err)
	}
	return nil
}

func (d *disk) close() error {
	return d.broken.Close(func() error { return errors.Join(d.batch.Close(), d.db.Close()) })
}
