package checkpoint_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

// BenchmarkMillionKeys saves and restores a task with a million keys of 200
// bytes and a deadline each, on the file system of the test's directory.
func BenchmarkMillionKeys(b *testing.B) {
	const keys = 1_000_000
	root := b.TempDir()
	dir, err := checkpoint.NewDirectory(nil, root+"/kept")
	if err != nil {
		b.Fatal(err)
	}
	k := checkpoint.NewKeeper(checkpoint.Options{Blobs: dir, Dir: root + "/work", State: state.Options{Bytes: 512 << 20}})
	open := func() *checkpoint.Kept {
		kept, err := k.Open(context.Background(), taskName, task.Config{Sources: []task.Source{{Stream: "payment"}}, Resolver: nothing{}})
		if err != nil {
			b.Fatal(err)
		}
		kept.State().Open(task.Slot{ID: 1})
		return kept
	}
	kept := open()
	value := make([]byte, 200)
	for i := range keys {
		copy(value, fmt.Sprintf("%d", i*7919))
		key := fmt.Appendf(nil, "card-%08d", i)
		kept.State().Put(1, key, value, task.Never)
		kept.State().SetTimer(1, key, int64(1+i))
	}
	from := time.Now()
	save, err := kept.Cut()
	if err != nil {
		b.Fatal(err)
	}
	cut := time.Since(from)
	kept.Copy(math.MaxInt)
	if err := save(context.Background()); err != nil {
		b.Fatal(err)
	}
	saved := time.Since(from)
	if err := kept.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		kept := open()
		if _, ok := kept.State().Earliest(0); !ok || kept.State().Get(1, []byte("card-00000007")) == nil {
			b.Fatal("the restored state is not there")
		}
		b.StopTimer()
		if err := kept.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(cut.Seconds(), "cut-s")
	b.ReportMetric(saved.Seconds(), "save-s")
}
