package state

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/task"
)

// A model is what a Store must agree with: plain maps.
type model struct {
	values map[string]string
	timers map[string]int64
}

func newModel() *model { return &model{map[string]string{}, map[string]int64{}} }

func (m *model) clone() *model {
	c := newModel()
	for k, v := range m.values {
		c.values[k] = v
	}
	for k, v := range m.timers {
		c.timers[k] = v
	}
	return c
}

func modelName(slot uint32, key string) string { return fmt.Sprintf("%d/%s", slot, key) }

const (
	modelSlots = 3
	modelKeys  = 40
)

// compare reads everything back, deadlines by taking them all.
func (m *model) compare(t *testing.T, s *Store) {
	t.Helper()
	for slot := uint32(1); slot <= modelSlots; slot++ {
		for k := range modelKeys {
			key := fmt.Sprintf("key-%d", k)
			if got, want := string(s.Get(slot, []byte(key))), m.values[modelName(slot, key)]; got != want {
				t.Fatalf("slot %d %s holds %d bytes, want %d", slot, key, len(got), len(want))
			}
		}
	}
	var got, want []string
	for at, ok := s.Earliest(0); ok; at, ok = s.Earliest(0) {
		due := s.Take(0, at, nil)
		if len(due) == 0 {
			t.Fatalf("a deadline at %d is announced and not given", at)
		}
		for _, d := range due {
			got = append(got, fmt.Sprintf("%d %s", at, modelName(d.Slot, d.Key)))
		}
	}
	for name, at := range m.timers {
		want = append(want, fmt.Sprintf("%d %s", at, name))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("deadlines\n got %v\nwant %v", got, want)
	}
	if s.Err() != nil {
		t.Fatalf("the store broke: %v", s.Err())
	}
}

func openSlots(s *Store) {
	for slot := uint32(1); slot <= modelSlots; slot++ {
		s.Open(task.Slot{ID: slot})
	}
}

// change makes one random change to both.
func change(r *rand.Rand, s *Store, m *model) {
	slot, key := uint32(1+r.IntN(modelSlots)), fmt.Sprintf("key-%d", r.IntN(modelKeys))
	name := modelName(slot, key)
	switch r.IntN(10) {
	case 9:
		s.Bound(64+r.IntN(1<<14), 1+r.IntN(1<<12))
	case 8:
		if value := s.Edit(slot, []byte(key), task.Never); value != nil {
			value[0]++
			m.values[name] = string(value)
		}
	case 0:
		s.Put(slot, []byte(key), nil, task.Never)
		delete(m.values, name)
	case 1, 2:
		at := int64(1 + r.IntN(1000))
		s.SetTimer(slot, []byte(key), at)
		m.timers[name] = at
	case 3:
		s.SetTimer(slot, []byte(key), 0)
		delete(m.timers, name)
	case 4:
		s.Get(slot, []byte(key))
	default:
		value := fmt.Sprintf("%0*d", 1+r.IntN(1<<r.IntN(12)), r.IntN(1000))
		s.Put(slot, []byte(key), []byte(value), task.Never)
		m.values[name] = value
	}
}

func TestStoreAgreesWithMaps(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, m := NewMemory(), newModel()
		openSlots(s)
		for range 3000 {
			change(r, s, m)
		}
		m.compare(t, s)
	}
}

// Fault 56. TestT56CutIsOneMoment makes changes while a cut is written and linked, with
// caches from one key up: the linked database holds exactly the moment of the
// cut, and the store exactly the present.
func TestT56CutIsOneMoment(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		fs := vfs.NewMem()
		opts := Options{Keys: 1 + int(seed%3)*7, Timers: 8 + int(seed)}
		s := mustOpen(t, fs, "live", opts)
		m := newModel()
		for i := range 6 {
			runCut(t, r, s, m, fs, opts, fmt.Sprintf("cut-%d", i))
		}
		m.compare(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func runCut(t *testing.T, r *rand.Rand, s *Store, m *model, fs vfs.FS, opts Options, dir string) {
	t.Helper()
	changes := func() {
		for range r.IntN(200) {
			change(r, s, m)
			if r.IntN(8) == 0 {
				s.Copy(r.IntN(9))
			}
		}
	}
	changes()
	at := m.clone()
	cut, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	changes()
	if r.IntN(6) == 0 { // the cut is given up
		cut.End()
		return
	}
	linked := make(chan error, 1)
	go func() { linked <- cut.Link(dir) }()
	changes()
	s.Copy(math.MaxInt)
	changes()
	if err := <-linked; err != nil {
		t.Fatal(err)
	}
	changes()
	restored := mustOpen(t, fs, dir, opts)
	at.compare(t, restored)
	if err := restored.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t *testing.T, fs vfs.FS, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(Disk{FS: fs, Dir: dir, CacheBytes: 1 << 20}, o)
	if err != nil {
		t.Fatal(err)
	}
	openSlots(s)
	return s
}

func TestDropForgetsASlotAtTheNextCutOnly(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, fs, "live", Options{Keys: 1})
	for k := range 20 {
		s.Put(1, fmt.Appendf(nil, "k%d", k), []byte("v"), task.Never)
		s.Put(2, fmt.Appendf(nil, "k%d", k), []byte("w"), task.Never)
	}
	before := cutTo(t, s, "before", func() { s.Drop(1) })
	after := cutTo(t, s, "after", func() {})
	for dir, want := range map[string]string{before: "v", after: ""} {
		r := mustOpen(t, fs, dir, Options{})
		for k := range 20 {
			key := fmt.Appendf(nil, "k%d", k)
			if got := string(r.Get(1, key)); got != want {
				t.Errorf("%s: slot 1 %s = %q, want %q", dir, key, got, want)
			}
			if got := string(r.Get(2, key)); got != "w" {
				t.Errorf("%s: slot 2 %s = %q, want w", dir, key, got)
			}
		}
	}
}

// A cut copies each record that had changed once, whatever comes first: its turn or
// its next change. What changes afterwards is of the next one.
func TestACutCopiesARecordOnce(t *testing.T) {
	const keys, turns = 1000, 30
	fs := vfs.NewMem()
	s := mustOpen(t, fs, "live", Options{})
	put := func(k int, value string) { s.Put(1, fmt.Appendf(nil, "k%d", k), []byte(value), task.Never) }
	for _, round := range []string{"a", "b", "c"} {
		for k := range keys {
			put(k, round)
		}
		before := s.Stats().Written
		dir := cutTo(t, s, "cut-"+round, func() {
			if n := s.Stats().Written - before; n != 0 {
				t.Errorf("%d records were copied when the cut began", n)
			}
			s.Copy(turns)
			for k := range keys {
				put(k, "later")
				put(k, "later still")
			}
		})
		if n := s.Stats().Written - before; n != keys {
			t.Errorf("%d records were copied, want %d", n, keys)
		}
		restored := mustOpen(t, fs, dir, Options{})
		for k := range keys {
			if got := string(restored.Get(1, fmt.Appendf(nil, "k%d", k))); got != round {
				t.Fatalf("cut %s: record %d is %q", round, k, got)
			}
		}
	}
}

// A deadline that a cut has copied, and that is not written yet, stays in the heap.
func TestADeadlineOnItsWayToTheDatabaseIsNotLost(t *testing.T) {
	const keys = 2 * timersSlack
	s := mustOpen(t, vfs.NewMem(), "live", Options{Timers: 4})
	for k := range keys {
		s.SetTimer(1, fmt.Appendf(nil, "k%d", k), int64(1+k))
	}
	cut, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	s.Copy(math.MaxInt)
	due := 0
	for k := range 4 * keys {
		s.SetTimer(1, []byte("again"), int64(10*keys+k))
	}
	for at, ok := s.Earliest(0); ok && at <= keys; at, ok = s.Earliest(0) {
		due += len(s.Take(0, at, nil))
	}
	if due != keys {
		t.Errorf("%d deadlines came, want %d", due, keys)
	}
	if err := cut.Link("cut"); err != nil {
		t.Fatal(err)
	}
}

func cutTo(t *testing.T, s *Store, dir string, during func()) string {
	t.Helper()
	cut, err := s.Begin()
	if err != nil {
		t.Fatal(err)
	}
	during()
	s.Copy(math.MaxInt)
	if err := cut.Link(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDeadRecordsLeaveHeapAndDatabase(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, fs, "live", Options{Keys: 50})
	for k := range 100 {
		s.Put(1, fmt.Appendf(nil, "k%d", k), []byte("v"), int64(1000+k)*1e6)
	}
	s.SetTimer(1, []byte("k3"), 5000e6)
	cutTo(t, s, "a", func() {})
	for range 200 * sweepEvery {
		s.Passed(0, 2000e6)
	}
	cutTo(t, s, "b", func() {})
	for range 200 * sweepEvery {
		s.Passed(0, 2000e6)
	}
	cutTo(t, s, "c", func() {})
	left := 0
	for k := range 100 {
		if s.Get(1, fmt.Appendf(nil, "k%d", k)) != nil {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d records left, want the one with a deadline", left)
	}
}

// A database is not searched for the dead before a record of it may be dead; then
// all that are dead go.
func TestTheSearchForTheDeadRestsWhileAllLive(t *testing.T) {
	const keys, heap = 3000, 50
	s := mustOpen(t, vfs.NewMem(), "live", Options{Keys: heap})
	cuts := 0
	cut := func(n int, at int64) (searched uint64) {
		before := s.Stats().Searched
		s.Passed(0, at)
		for range n {
			cuts++
			cutTo(t, s, fmt.Sprint("cut", cuts), func() {})
		}
		return s.Stats().Searched - before
	}
	for k := range keys {
		s.Put(1, fmt.Appendf(nil, "k%d", k), []byte("v"), int64(1000+k)*1e6)
	}
	if n := cut(2*keys/buryStep, 10e6); n == 0 {
		t.Error("a database of which nothing is known was not searched")
	}
	if n := cut(10, 20e6); n != 0 {
		t.Errorf("%d records were looked at before one may be dead", n)
	}
	cut(4*keys/buryStep, 1999e6)
	left := 0
	for k := range keys {
		if s.Get(1, fmt.Appendf(nil, "k%d", k)) != nil {
			left++
		}
	}
	if left < keys-1000 || left > keys-1000+heap {
		t.Errorf("%d of %d records are left, of which 1000 are dead", left, keys)
	}
}

func TestMemoryOfAKey(t *testing.T) {
	s := NewMemory()
	openSlots(s)
	const keys = 100_000
	value := make([]byte, 180)
	for k := range keys {
		s.Put(1, fmt.Appendf(nil, "card-%08d", k), value, task.Never)
	}
	if per := s.Bytes() / keys; per > 250 {
		t.Errorf("a key with 180 bytes takes %d, want at most 250", per)
	}
	for k := range keys {
		s.Put(1, fmt.Appendf(nil, "card-%08d", k), nil, task.Never)
	}
	if s.Len() != 0 || s.arena.used != 0 {
		t.Errorf("%d records and %d bytes are left of nothing", s.Len(), s.arena.used)
	}
}

func BenchmarkPutGet(b *testing.B) {
	s := NewMemory()
	openSlots(s)
	value := make([]byte, 180)
	keys := make([][]byte, 100_000)
	for k := range keys {
		keys[k] = fmt.Appendf(nil, "card-%08d", k)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		key := keys[i*7919%len(keys)]
		s.Get(1, key)
		s.Put(1, key, value[:100+i%80], task.Never)
	}
}

// A record whose newer image was on its way to the database was buried by
// the older one's time of death (crash simulation, seed 1056).
func TestTheNewestImageDecidesAboutDeath(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, fs, "live", Options{Keys: 1})
	s.Put(1, []byte("k0"), []byte("old"), 1e6)
	cutTo(t, s, "a", func() {})
	s.Put(1, []byte("k0"), []byte("new"), task.Never)
	s.Put(1, []byte("k1"), []byte("x"), task.Never) // k0 leaves the heap
	s.Passed(0, 100e6)
	cutTo(t, s, "b", func() {})
	if got := string(mustOpen(t, fs, "b", Options{}).Get(1, []byte("k0"))); got != "new" {
		t.Errorf("k0 holds %q, want new", got)
	}
}

// A deadline that comes after the moment of a cut is still to come in it.
func TestACutHoldsADeadlineThatIsTakenMeanwhile(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, fs, "live", Options{})
	s.SetTimer(1, []byte("k"), 7)
	cutTo(t, s, "cut", func() {
		if due := s.Take(0, 7, nil); len(due) != 1 {
			if at, ok := s.Earliest(0); !ok || len(s.Take(0, at, nil)) != 1 {
				t.Error("the deadline did not come")
			}
		}
	})
	if at, ok := mustOpen(t, fs, "cut", Options{}).Earliest(0); !ok || at != 7 {
		t.Errorf("the cut's earliest deadline is %d, %t; want 7", at, ok)
	}
}
