package checkpoint_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

// BenchmarkCheckpoint changes each of 25,000 records of about 500 bytes, in no
// order, and makes a checkpoint of them, as one task under load does: how long the
// task stands still, and the processor time of all of it until the checkpoint is
// durable, compactions included and the changes not.
func BenchmarkCheckpoint(b *testing.B) {
	const records = 25_000
	root := b.TempDir()
	dir, err := checkpoint.NewDirectory(nil, root+"/kept")
	if err != nil {
		b.Fatal(err)
	}
	uploaded := int64(0)
	k := checkpoint.NewKeeper(checkpoint.Options{Blobs: dir, Dir: root + "/work", State: state.Options{Bytes: 512 << 20},
		Moved: func(_ checkpoint.Way, n int64) { uploaded += n }})
	kept, err := k.Open(context.Background(), taskName, task.Config{Sources: []task.Source{{Stream: "payment"}}, Resolver: nothing{}})
	if err != nil {
		b.Fatal(err)
	}
	s := kept.State()
	s.Open(task.Slot{ID: 1})
	r := rand.New(rand.NewPCG(1, 2))
	value, key := make([]byte, 700), []byte("card-0000000000")
	changed := int64(0)
	change := func(i int) {
		n := 300 + r.IntN(400)
		for j := 0; j < n; j += 2 { // half of it can be compressed away
			value[j] = byte(r.Uint32())
		}
		s.Put(1, fmt.Appendf(key[:5], "%010d", i), value[:n], task.Never)
		changed += int64(len(key) + n)
	}
	runtime.LockOSThread()
	var stall, changing, most time.Duration
	before := processorTime(b, syscall.RUSAGE_SELF)
	for b.Loop() {
		from := processorTime(b, rusageThread)
		for _, i := range r.Perm(records) {
			change(i)
		}
		changing += processorTime(b, rusageThread) - from
		from = processorTime(b, rusageThread)
		save, err := kept.Cut()
		if err != nil {
			b.Fatal(err)
		}
		took := processorTime(b, rusageThread) - from
		stall, most = stall+took, max(most, took)
		kept.Copy(math.MaxInt)
		if err := save(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	all := processorTime(b, syscall.RUSAGE_SELF) - before - changing
	b.ReportMetric(float64(all.Nanoseconds())/float64(b.N*records), "cpu-ns/record")
	b.ReportMetric(float64(stall.Nanoseconds())/float64(b.N*records), "stall-ns/record")
	b.ReportMetric(float64(most.Microseconds())/1e3, "stall-max-ms")
	b.ReportMetric(float64(uploaded)/float64(changed), "uploaded/changed")
	if err := kept.Close(); err != nil {
		b.Fatal(err)
	}
}

const rusageThread = 1 // syscall has no name for it

func processorTime(b *testing.B, who int) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
