package state

import (
	"fmt"
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/task"
)

// A task that others join gives up memory: all that it knew is read as before,
// deadlines too, and what it took is free.
func TestASmallerBudgetIsReachedStepByStep(t *testing.T) {
	const keys, large, small = 20_000, 64 << 20, 256 << 10
	s := mustOpen(t, vfs.NewMem(), "live", Options{Bytes: large})
	value := func(k int) string { return fmt.Sprintf("%0300d", k) }
	key := func(k int) []byte { return fmt.Appendf(nil, "key-%d", k) }
	for k := range keys {
		s.Put(1, key(k), []byte(value(k)), task.Never)
		if k%3 == 0 {
			s.SetTimer(1, key(k), int64(1+k))
		}
	}
	before := s.Bytes()
	cut, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	s.Bound(small, 1<<20)
	if s.Bytes() != before || s.Full() {
		t.Errorf("with a cut under way the heap part took %d bytes, then %d, and is full: %v", before, s.Bytes(), s.Full())
	}
	s.Copy(math.MaxInt)
	if err := cut.Link("cut"); err != nil {
		t.Fatal(err)
	}
	calls, records := 0, s.Len()
	for ; s.opts.Bytes != small && calls < keys; calls++ {
		s.Bound(small, 1<<20)
		if gone := records - s.Len(); gone > 2*boundStep/300 {
			t.Fatalf("call %d has moved %d records", calls, gone)
		}
		records = s.Len()
	}
	timers := len(s.wheel(0).heap) * deadlineBytes
	if taken := s.Bytes() - timers; taken > small+small/4 || calls < 50 {
		t.Errorf("after %d calls the heap part takes %d bytes, want %d", calls, taken, small)
	}
	if held := s.arena.held; held > before/2 {
		t.Errorf("of %d bytes %d are held still", before, held)
	}
	for k := range keys {
		if got := string(s.Get(1, key(k))); got != value(k) {
			t.Fatalf("key %d holds %q", k, got)
		}
	}
	due := 0
	for at, ok := s.Earliest(0); ok; at, ok = s.Earliest(0) {
		for _, d := range s.Take(0, at, nil) {
			if d.Key != string(key(int(at-1))) {
				t.Fatalf("the deadline at %d is of %s", at, d.Key)
			}
			due++
		}
	}
	if due != (keys+2)/3 || s.Err() != nil {
		t.Errorf("%d deadlines came, want %d; the store says %v", due, (keys+2)/3, s.Err())
	}
	s.Bound(large, 1<<20)
	for k := range keys {
		s.Get(1, key(k))
	}
	if s.Len() < keys*9/10 {
		t.Errorf("with the larger budget again %d of %d records are in the heap", s.Len(), keys)
	}
}

// Records that grow stay within the budget as those that come do, and the list of
// what has changed does not grow with each time that one comes back.
func TestRecordsThatGrowKeepTheBudget(t *testing.T) {
	const keys, budget = 2000, 4 << 20
	s := mustOpen(t, vfs.NewMem(), "live", Options{Bytes: budget})
	content := make([]byte, 6500)
	for i := range content {
		content[i] = byte(i >> 4)
	}
	for n := 130; n <= len(content); n += 130 {
		for k := range keys {
			key := fmt.Appendf(nil, "key-%d", k)
			if got := s.Get(1, key); string(got) != string(content[:n-130]) {
				t.Fatalf("key %d holds %d bytes, want %d, or others", k, len(got), n-130)
			}
			s.Put(1, key, content[:n], task.Never)
			s.Passed(0, 1)
			if s.taken() > budget {
				t.Fatalf("with %d bytes a record the heap part takes %d bytes, want at most %d", n, s.taken(), budget)
			}
		}
	}
	if held := s.arena.held; held > budget+2*idleMin {
		t.Errorf("%d bytes are held, want little more than %d", held, budget)
	}
	if n := len(s.dirty); n > 3*len(s.table.entries) {
		t.Errorf("%d changes are listed of %d records", n, s.Len())
	}
}

// What is gathered unwritten is bounded by what the owner says, whatever the
// database was opened with.
func TestADatabaseGathersNoMoreThanItMay(t *testing.T) {
	s := mustOpen(t, vfs.NewMem(), "live", Options{Bytes: 1 << 20})
	for k := range 40_000 {
		if k%100 == 0 {
			s.Bound(1<<20, 1<<20)
		}
		s.Put(1, fmt.Appendf(nil, "key-%d", k), fmt.Appendf(nil, "%0300d", k), task.Never)
	}
	if files := s.db.db.Metrics().Flush.Count; files < 5 {
		t.Errorf("12 MB were written in %d files, want one for each MiB", files)
	}
}
