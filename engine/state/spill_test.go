package state

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/task"
)

// While a cut lasts whose records fill the heap nothing may go. That is found out
// once, not at each record that comes: the owner could not get as far as to pause.
func TestT34AHeapThatMayNotShrinkIsNotSearchedAgain(t *testing.T) {
	const keys, more, budget = 5_000, 1_000, 1 << 20
	s := mustOpen(t, vfs.NewMem(), "live", Options{Bytes: budget})
	key := func(k int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(k)) }
	value := make([]byte, 100)
	for k := range keys {
		s.Put(1, key(k), value, task.Never)
	}
	for round := range 2 {
		cut, err := s.Begin()
		if err != nil {
			t.Fatal(err)
		}
		first := keys + round*more*10
		for k := first; !s.Full(); k++ { // to the budget
			s.Put(1, key(k), value, task.Never)
		}
		before := s.Stats().Looked
		for k := range more {
			s.Put(1, key(first+5*more+k), value, task.Never)
		}
		if looked, places := s.Stats().Looked-before, uint64(len(s.table.entries)); looked > 2*places {
			t.Errorf("cut %d: %d places of a table of %d were looked at for %d records", round, looked, places, more)
		}
		s.Copy(math.MaxInt)
		if err := cut.Link(fmt.Sprint("cut", round)); err != nil {
			t.Fatal(err)
		}
		s.Put(1, key(0), value, task.Never)
		if s.Full() || s.over() {
			t.Errorf("cut %d is linked, and the heap takes %d bytes of %d", round, s.taken(), budget)
		}
	}
}

// Fault 34, small: a hundred times more keys than fit, each of which dies after
// a while. The heap keeps its budget, what has died leaves the disk, and every
// record that lives is read as it was written.
func TestT34MoreKeysThanFit(t *testing.T) {
	const (
		keys   = 100_000
		lives  = 10_000 // seconds, a new key each second
		budget = 1 << 20
	)
	fs := vfs.NewMem()
	s := mustOpen(t, fs, "live", Options{Bytes: budget, Timers: 1000})
	value := make([]byte, 100)
	key := make([]byte, 8)
	read := func(k int) bool {
		binary.BigEndian.PutUint64(key, uint64(k))
		v := s.Get(1, key)
		if v != nil && binary.BigEndian.Uint64(v) != uint64(k) {
			t.Fatalf("key %d holds the record of key %d", k, binary.BigEndian.Uint64(v))
		}
		return v != nil
	}
	over, cuts := 0, 0
	for k := range keys {
		binary.BigEndian.PutUint64(key, uint64(k))
		binary.BigEndian.PutUint64(value, uint64(k))
		s.Put(1, key, value, int64(k+lives)*1e6)
		s.Passed(0, int64(k)*1e6)
		if old := k - lives/2; old >= 0 && k%7 == 0 && !read(old) {
			t.Fatalf("key %d is lost at %d", old, k)
		}
		if s.Bytes() > budget+budget/4 {
			over++
		}
		if k%2000 == 1999 {
			cuts++
			dir := "cut"
			cutTo(t, s, dir, func() {})
			if err := fs.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	if over > 0 {
		t.Errorf("the heap was over its budget by a quarter at %d of %d keys", over, keys)
	}
	dead := 0
	for k := range keys - lives - 1 {
		if read(k) {
			dead++
		}
	}
	// The search goes round the database once for every quarter that is written.
	if dead > (keys-lives)/2 {
		t.Errorf("%d of %d dead records are on disk still", dead, keys-lives)
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	t.Logf("%d keys, %d cuts, %d in the heap, %d evicted, %d dead on disk", keys, cuts, s.Len(), s.Stats().Evicted, dead)
}

var (
	spillKeys   = flag.Int("keys", 1_000_000, "keys of BenchmarkKeysBeyondMemory")
	spillBudget = flag.Int("budget", 128<<20, "bytes of its heap")
)

// BenchmarkKeysBeyondMemory writes -keys records of 200 bytes in a budget of
// -budget bytes, on the file system of the test's directory, then changes one of
// them at random an event.
func BenchmarkKeysBeyondMemory(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(Disk{Dir: dir + "/state", CacheBytes: int64(*spillBudget) / 4}, Options{Bytes: *spillBudget / 4 * 3})
	if err != nil {
		b.Fatal(err)
	}
	s.Open(task.Slot{ID: 1})
	value, key := make([]byte, 200), make([]byte, 16)
	put := func(k uint64) {
		binary.BigEndian.PutUint64(key[8:], k)
		binary.BigEndian.PutUint64(value, k)
		s.Get(1, key)
		s.Put(1, key, value, task.Never)
	}
	from := time.Now()
	for k := range *spillKeys {
		put(uint64(k) * 0x9e3779b97f4a7c15 % uint64(*spillKeys))
	}
	filled := time.Since(from)
	cut, err := s.Begin()
	if err != nil {
		b.Fatal(err)
	}
	s.Copy(math.MaxInt)
	if err := cut.Link(dir + "/cut"); err != nil {
		b.Fatal(err)
	}
	n := uint64(1)
	for b.Loop() {
		n = n*6364136223846793005 + 1442695040888963407
		put(n >> 20 % uint64(*spillKeys))
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b.ReportMetric(float64(*spillKeys)/filled.Seconds(), "filled/s")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(s.db.db.Metrics().DiskSpaceUsage())/float64(*spillKeys), "disk-B/key")
	b.ReportMetric(float64(s.Bytes())/float64(max(1, s.Len())), "heap-B/key")
	b.ReportMetric(float64(mem.Sys)/(1<<20), "process-MiB")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
