package checkpoint_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/task"
)

// A checkpoint of a settled store uploads what has changed and little more: a
// hundredth of the keys, anywhere, before each.
func TestUploadIsIncremental(t *testing.T) {
	const keys, changes, rounds = 100_000, 1_000, 40
	h := newHost(t)
	h.fs = vfs.NewMem()
	h.memTable = 1 << 20
	h.mustOpen()
	r := rand.New(rand.NewPCG(1, 2))
	value := make([]byte, 200)
	put := func(k int) (bytes int64) {
		for i := range value {
			value[i] = byte(r.Uint32())
		}
		key := fmt.Appendf(nil, "card-%08d", k)
		h.kept.State().Put(1, key, value, task.Never)
		return int64(len(key) + len(value))
	}
	for k := range keys {
		put(k)
	}
	for range 3 { // what is compacted settles
		h.mustSave()
	}
	var ratios []float64
	var up, changed int64
	for range rounds {
		was, delta := h.moved[checkpoint.Uploaded], int64(0)
		for range changes {
			delta += put(r.IntN(keys))
		}
		h.mustSave()
		moved := h.moved[checkpoint.Uploaded] - was
		ratios = append(ratios, float64(moved)/float64(delta))
		up, changed = up+moved, changed+delta
	}
	t.Logf("uploaded / changed: %.2f overall, by checkpoint %.2f", float64(up)/float64(changed), ratios)
	slices.Sort(ratios)
	if median := ratios[len(ratios)/2]; median > 2 {
		t.Errorf("a checkpoint uploads %.2f times what has changed, want at most 2", median)
	}
}
