package state

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/task"
)

// Records that grow, shrink, come and go leave no more idle memory behind than a
// part of what they take, and hold what was put there.
func TestWhatLiesIdleIsGivenUp(t *testing.T) {
	const keys, puts, most = 10_000, 600_000, 2000
	disk := mustOpen(t, vfs.NewMem(), "live", Options{Bytes: 1 << 30})
	disk.Bound(1<<30, 64<<20)
	for name, s := range map[string]*Store{"memory": NewMemory(), "disk": disk} {
		s.Open(task.Slot{ID: 1})
		rng := rand.New(rand.NewPCG(7, 7))
		content := make([]byte, most)
		for i := range content {
			content[i] = byte(i * 7 >> 3)
		}
		sizes, worst := make([]int, keys), 0
		key := func(k int) []byte { return fmt.Appendf(nil, "key-%d", k) }
		for i := range puts {
			k := rng.IntN(keys)
			switch {
			case rng.IntN(300) == 0:
				sizes[k] = 0
			case sizes[k] >= most-60:
				sizes[k] /= 3
			default:
				sizes[k] += 1 + rng.IntN(60)
			}
			s.Put(1, key(k), content[k%7:][:max(0, sizes[k]-k%7)], task.Never)
			if i%5 == 0 {
				s.Passed(0, int64(i))
			}
			worst = max(worst, s.arena.held-s.arena.used-s.arena.used/idleShare)
		}
		if worst > 3*idleMin {
			t.Errorf("%s: held are %d MiB at the end, %d used, and once %d MiB beyond the part that may lie idle", name, s.arena.held>>20, s.arena.used>>20, worst>>20)
		}
		for k := range keys {
			want := content[k%7:][:max(0, sizes[k]-k%7)]
			if got := s.Get(1, key(k)); string(got) != string(want) {
				t.Fatalf("%s: key %d holds %d bytes, want %d, or others", name, k, len(got), len(want))
			}
		}
	}
}

// An arena that is used by less and less gives up its chunks without a further Put.
func TestWhatFewUseIsGivenUp(t *testing.T) {
	s := mustOpen(t, vfs.NewMem(), "live", Options{Bytes: 1 << 30})
	value := make([]byte, 500)
	for k := range 60_000 {
		s.Put(1, fmt.Appendf(nil, "key-%d", k), value, task.Never)
	}
	held := s.arena.held
	for k := range 60_000 {
		if k%10 > 0 {
			s.Put(1, fmt.Appendf(nil, "key-%d", k), nil, task.Never)
		}
	}
	for range 1000 {
		s.Bound(1<<30, 1<<20)
	}
	if s.arena.held > s.arena.used+s.arena.used/idleShare+idleMin+chunkBytes || s.Len() != 6000 {
		t.Errorf("of %d bytes %d are held for %d that are used by %d records", held, s.arena.held, s.arena.used, s.Len())
	}
}
