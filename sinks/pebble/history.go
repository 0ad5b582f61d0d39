// Package pebble is the alert history of one process, in a Pebble database of
// its own: what `caltrop dev` uses where production has Cassandra. It refuses
// to share its directory with a second process.
package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	db "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/internal/fatal"
	"github.com/caltrop/caltrop/sinks"
	"github.com/caltrop/caltrop/sinks/alert"
)

// Options of Open.
type Options struct {
	FS vfs.FS // nil means the disk
}

const (
	cacheBytes    = 8 << 20
	memTableBytes = 4 << 20
	formatVersion = db.FormatColumnarBlocks
)

// A History stores alerts by id and lists them by rule and by key. It is safe
// for concurrent use; writes exclude one another.
type History struct {
	db     *db.DB
	broken *fatal.Alarm
	disk   *disk
	mu     struct {
		sync.Mutex // held from reading an alert's version to committing the next
	}
}

var _ sinks.Writer = (*History)(nil)

// Open opens or creates the history in dir. The caller closes it.
func Open(dir string, o Options) (*History, error) {
	cache := db.NewCache(cacheBytes)
	defer cache.Unref()
	h := &History{broken: fatal.New("the alert history"), disk: newDisk(o.FS, dir)}
	options := &db.Options{FS: h.disk.fs(), Cache: cache, MemTableSize: memTableBytes, FormatMajorVersion: formatVersion, Logger: h.broken}
	err := h.broken.Guard(func() (err error) {
		h.db, err = db.Open(dir, options)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("opening alert history %s: %w", dir, err)
	}
	h.disk.waits.Store(true)
	return h, nil
}

// Close closes the database. Everything written is already durable. While the
// disk is full it is an error, and the database stays open until the process ends.
func (h *History) Close() error {
	if err := h.guard(h.db.Close); err != nil {
		return fmt.Errorf("closing alert history: %w", err)
	}
	return nil
}

// Write implements sinks.Writer: the batch is stored as one unit, synced. While
// the disk is full it is an error; the batch may be stored all the same once
// there is room.
func (h *History) Write(_ context.Context, records []sinks.Record) error {
	return h.guard(func() error { return h.write(records) })
}

// guard calls f, which changes the database. It returns as soon as the database
// has given up, or waits for room on the disk.
func (h *History) guard(f func() error) error {
	return h.disk.full.Load().Guard(func() error { return h.broken.Guard(f) })
}

func (h *History) write(records []sinks.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.db.NewIndexedBatch()
	defer b.Close()
	for i := range records {
		if err := put(b, &records[i]); err != nil {
			return fmt.Errorf("writing alert %s: %w", records[i].ID, err)
		}
	}
	if err := b.Commit(db.Sync); err != nil {
		return fmt.Errorf("committing %d alerts: %w", len(records), err)
	}
	return nil
}

// put writes a record unless the same or a newer version is there.
func put(b *db.Batch, r *sinks.Record) error {
	key := idKey(r.ID)
	value, closer, err := b.Get(key)
	switch {
	case errors.Is(err, db.ErrNotFound):
	case err != nil:
		return err
	default:
		stored, err := decode(value)
		closer.Close()
		if err != nil {
			return err
		}
		if !r.Newer(stored.version) {
			return nil
		}
	}
	status := []byte(r.Status)
	return errors.Join(
		b.Set(key, encode(r), nil),
		b.Set(position(rulePrefix(r.Rule), r.At, r.ID), status, nil),
		b.Set(position(keyPrefix(r.Key), r.At, r.ID), status, nil),
	)
}

// Alert returns the newest version of an alert as JSON; an error matches
// alert.ErrUnknown where there is none.
func (h *History) Alert(_ context.Context, id alert.ID) ([]byte, error) {
	value, closer, err := h.db.Get(idKey(id))
	if errors.Is(err, db.ErrNotFound) {
		return nil, fmt.Errorf("reading alert %s: %w", id, alert.ErrUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("reading alert %s: %w", id, err)
	}
	defer closer.Close()
	s, err := decode(value)
	if err != nil {
		return nil, fmt.Errorf("reading alert %s: %w", id, err)
	}
	return append([]byte(nil), s.json...), nil
}

// A stored is the value under an alert's id.
type stored struct {
	version int
	rule    string
	json    []byte
}

// valueFormat is the first byte of every value under an id.
const valueFormat = 1

// encode lays a value out as docs/formats.md says: format, version, length of
// the rule's name, the name, the JSON object.
func encode(r *sinks.Record) []byte {
	b := append(make([]byte, 0, len(r.JSON)+len(r.Rule)+2*binary.MaxVarintLen64), valueFormat)
	b = binary.AppendUvarint(b, uint64(r.Version))
	b = append(binary.AppendUvarint(b, uint64(len(r.Rule))), r.Rule...)
	return append(b, r.JSON...)
}

var errValue = errors.New("the stored value is damaged")

// decode reads what encode wrote; the result shares b.
func decode(b []byte) (stored, error) {
	if len(b) == 0 || b[0] != valueFormat {
		return stored{}, fmt.Errorf("%w: format byte of %d bytes is not %d", errValue, len(b), valueFormat)
	}
	b = b[1:]
	version, n := binary.Uvarint(b)
	if n <= 0 {
		return stored{}, errValue
	}
	b = b[n:]
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return stored{}, errValue
	}
	b = b[n:]
	return stored{version: int(version), rule: string(b[:size]), json: b[size:]}, nil
}
