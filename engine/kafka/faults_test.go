package kafka

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/checkpoint/blobtest"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
)

// A keeping is the real keeper over a file system in memory that can be hurt.
type keeping struct {
	*checkpoint.Keeper
	fs    vfs.FS
	store *blobtest.Faulty
	hurt  atomic.Pointer[func(errorfs.Op) error] // of operations on the state at work; nil: none
}

func newKeeping(t *testing.T, fail func(checkpoint.Point) error) *keeping {
	t.Helper()
	k := &keeping{}
	k.fs = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if hurt := k.hurt.Load(); hurt != nil && strings.HasPrefix(op.Path, "work/") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return (*hurt)(op)
		}
		return nil
	}))
	dir, err := checkpoint.NewDirectory(k.fs, "kept")
	if err != nil {
		t.Fatal(err)
	}
	k.store = blobtest.NewFaulty(dir, 1, 0)
	k.Keeper = checkpoint.NewKeeper(checkpoint.Options{Blobs: k.store, FS: k.fs, Dir: "work", Build: "test", Fail: fail,
		State: state.Options{Keys: 1}, CacheBytes: 1 << 16, MemTableBytes: 1 << 16})
	return k
}

func (k *keeping) Open(ctx context.Context, id TaskID, conf task.Config) (Kept, error) {
	return k.Keeper.Open(ctx, id.String(), conf)
}

func (k *keeping) OpenShare(ctx context.Context, id TaskID, conf task.Config, s checkpoint.Share) (Kept, error) {
	kept, err := k.Keeper.OpenShare(ctx, id.String(), conf, s)
	if err != nil {
		return nil, err
	}
	return kept, nil
}

// importing returns a keeper over the same store whose tasks begin with a
// savepoint.
func (k *keeping) importing(savepoint string) *keeping {
	return &keeping{fs: k.fs, store: k.store, Keeper: checkpoint.NewKeeper(checkpoint.Options{Blobs: k.store, FS: k.fs, Dir: "work2", From: savepoint,
		State: state.Options{Keys: 1}, CacheBytes: 1 << 16, MemTableBytes: 1 << 16})}
}

// status is that of the task of partition 0.
func status(e *Engine) TaskStatus {
	for _, s := range e.Status().Tasks {
		if s.ID.Partition == 0 {
			return s
		}
	}
	return TaskStatus{}
}

const often = 300 * time.Millisecond // between checkpoints

// Fault 1: the tenure of a task dies at each named point of a tenure and of a
// checkpoint in turn, the second time it gets there. Each time the next one
// starts over from what is stored and committed.
func TestT01TenureDiesAtEveryFailpoint(t *testing.T) {
	b := newBench(t)
	points := []string{string(AfterFence), string(AfterRestore), string(AfterReplay), string(BeforeTxnCommit), string(AfterTxnCommit),
		string(checkpoint.BeforeFlush), string(checkpoint.AfterFlush), string(checkpoint.EachUpload), string(checkpoint.BeforeManifest),
		string(checkpoint.AfterManifest), string(checkpoint.BeforeGC), string(checkpoint.EachFetch), string(checkpoint.BeforeOpen)}
	var mu sync.Mutex
	visits, dying := map[string]int{}, false
	died := 0
	die := func(point string) error {
		mu.Lock()
		defer mu.Unlock()
		visits[point]++
		if dying && strings.HasPrefix(point, "after-fence") {
			dying = false // the next one
		}
		again := point == string(AfterTxnCommit) && visits[point]%25 == 0 // so that restores come
		if dying || again || visits[point] == 2 {
			dying = true // a checkpoint that fails does not end its tenure by itself
			died++
			return fmt.Errorf("killed at %s", point)
		}
		return nil
	}
	e, _ := b.start(EngineOptions{CheckpointEvery: often, Keeper: newKeeping(t, func(p checkpoint.Point) error { return die(string(p)) }),
		Fail: func(id TaskID, p Point) error {
			if id.Partition != 0 {
				return nil
			}
			return die(string(p))
		}})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	all := func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range points {
			if visits[p] < 3 {
				return false
			}
		}
		return true
	}
	cards := 0
	for ctx := testContext(t); !all() && ctx.Err() == nil; cards++ {
		b.produce(b.fails(fmt.Sprintf("c%d", cards), 100*cards)...)
		b.until("the task is past it", func() bool { return status(e).Position.Offset >= int64(4*cards) })
	}
	if !all() {
		t.Errorf("not every point was reached thrice: %v", visits)
	}
	b.wantAlerts(cards)
	t.Logf("%d deaths, %d alerts", died, cards)
}

// Fault 7: the disk of the state is full. The task stops, readiness ends,
// nothing is committed; with space again it goes on by itself.
func TestT07FullDiskStopsTheTask(t *testing.T) {
	b := newBench(t)
	keeper := newKeeping(t, nil)
	e, _ := b.start(EngineOptions{Keeper: keeper, CheckpointEvery: often})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	b.produce(b.fails("c1", 0)...)
	b.wantAlerts(1)
	full := func(errorfs.Op) error { return syscall.ENOSPC }
	keeper.hurt.Store(&full)
	b.until("the task is not running", func() bool { return status(e).State == StateRetrying })
	if s := e.Status(); s.Ready() == nil {
		t.Error("the engine says it is ready with a full disk")
	}
	b.produce(b.fails("c2", 100)...)
	b.until("it has tried again", func() bool { s := status(e); return s.State == StateRetrying && strings.Contains(s.Reason, "space") })
	if got := b.alerts(); len(got) != 1 {
		t.Errorf("%d alerts with a full disk, want the first only", len(got))
	}
	keeper.hurt.Store(nil)
	b.wantAlerts(2)
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
}

// Fault 9: writes of the state stall for longer than a session lasts. The task
// waits, the process stays in the group, nothing is reassigned.
func TestT09StalledWrites(t *testing.T) {
	b := newBench(t)
	keeper := newKeeping(t, nil)
	e, _ := b.start(EngineOptions{Keeper: keeper, CheckpointEvery: often})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	released := make(chan struct{})
	var stalled atomic.Int64
	stall := func(errorfs.Op) error { stalled.Add(1); <-released; return nil }
	keeper.hurt.Store(&stall)
	b.until("a write that stalls", func() bool { return stalled.Load() > 0 })
	var joins, beats atomic.Int64
	b.broker.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) { joins.Add(1); return nil, nil, false })
	b.broker.ControlKey(int16(kmsg.Heartbeat), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		beats.Add(1)
		return nil, nil, false
	})
	for i := range 20 {
		b.produce(b.fails(fmt.Sprintf("c%d", i), 100*i)...)
	}
	b.until("heartbeats of a session and a half", func() bool { return beats.Load() >= int64(sessionTimeout*3/2/heartbeatEvery) })
	if joins.Load() > 0 {
		t.Error("the group was joined anew while writes stalled")
	}
	keeper.hurt.Store(nil)
	close(released)
	b.wantAlerts(20)
	if joins.Load() > 0 {
		t.Error("the group was joined anew")
	}
}

// Fault 10: the object store does nothing it is told for a while. The task goes
// on, the process is ready, the error is shown; then checkpoints are made again.
func TestT10TheTaskGoesOnWithoutTheStore(t *testing.T) {
	b := newBench(t)
	keeper := newKeeping(t, nil)
	e, _ := b.start(EngineOptions{Keeper: keeper, CheckpointEvery: often})
	b.until("a checkpoint", func() bool { return !status(e).Checkpoint.IsZero() })
	keeper.store.SetPercent(100)
	b.until("a checkpoint that is not made", func() bool { return strings.Contains(status(e).CheckpointError, "SlowDown") })
	before := status(e).Checkpoint
	b.produce(b.fails("c1", 0)...)
	b.wantAlerts(1)
	if s := e.Status(); s.Ready() != nil || status(e).State != StateLive || status(e).Checkpoint != before || status(e).CheckpointFails.Before(before) {
		t.Errorf("ready %v, %+v", s.Ready(), status(e))
	}
	keeper.store.SetPercent(0)
	b.until("a checkpoint again", func() bool { s := status(e); return s.CheckpointError == "" && s.Checkpoint.After(before) })
}

// Fault 12: a rule changes while no process runs. What was begun under the old
// revision is no match of the new one.
func TestT12RuleChangedWhileNothingRan(t *testing.T) {
	b := newBench(t)
	keeper := newKeeping(t, nil)
	e, stop := b.start(EngineOptions{Keeper: keeper, CheckpointEvery: often})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	two := b.fails("c1", 0)[:2]
	b.produce(append(two, b.payment("other", "approved", 30))...)
	b.until("two of three read", func() bool { return status(e).Position.Offset == 3 })
	stop()
	b.put(rules.KindRule, "failed", strings.Replace(ruleText, "{3}", "{4}", 1)+"state: reset\n")
	b.produce(b.payment("c1", "declined", 40), b.payment("other", "approved", 70))
	e, _ = b.start(EngineOptions{Keeper: keeper, CheckpointEvery: often})
	b.until("two live tasks", func() bool { return b.live(e) == 2 })
	b.produce(b.fails("c2", 100)...)
	b.produce(b.payment("c3", "declined", 140), b.payment("c3", "declined", 141), b.payment("c3", "declined", 142),
		b.payment("c3", "declined", 143), b.payment("other", "approved", 200))
	b.wantAlerts(1)
	if a := b.alerts()[0]; a.KeyText() != "c3" || a.Revision != 2 {
		t.Errorf("an alert of %s, revision %d; want c3 and 2", a.KeyText(), a.Revision)
	}
}

// Fault 54: an alert whose evidence no broker would take is cut and says so, and
// the partition goes on, in each replay too.
func TestT54AlertOverTheLimit(t *testing.T) {
	var fields, notes strings.Builder
	for i := range 12 {
		fmt.Fprintf(&fields, ", note%d: {type: string, optional: true}", i)
		fmt.Fprintf(&notes, `"note%d":%q,`, i, strings.Repeat("x", 60_000))
	}
	b := newBenchOf(t, strings.Replace(streamText, "status: string", "status: string"+fields.String(), 1))
	large := func(card string, second int) string {
		return strings.Replace(b.payment(card, "declined", second), "{", "{"+notes.String(), 1)
	}
	for round := range 3 {
		card := fmt.Sprintf("c%d", round)
		_, stop := b.engine()
		b.produce(large(card, 100*round), large(card, 100*round+1), large(card, 100*round+2), b.payment("other", "approved", 100*round+30))
		b.wantAlerts(round + 1)
		stop()
	}
	for _, a := range b.alerts() {
		if n := len(a.AppendJSON(nil)); !a.Truncated || n > 1<<20 {
			t.Errorf("an alert of %d bytes, truncated: %v", n, a.Truncated)
		}
	}
}
