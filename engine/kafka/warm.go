package kafka

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caltrop/caltrop/engine/backtest"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// WarmBytesMax bounds what the rules of one warm-up remember while it goes on.
const WarmBytesMax = 256 << 20

// warmNear is how many records a task may be ahead of a warm-up that it waits
// for.
const warmNear = 1000

// warmLook is after how many records a warm-up looks at its bound.
const warmLook = 4096

// A warming reads a task's log again with a reader of its own and fills what
// rules remember. Its goroutine reads up to the task and ends close behind it;
// then the tenure takes it over. finish and close are the tenure's.
type warming struct {
	set    task.Set // the rules, with what they read
	warm   *task.Warming
	store  *state.Store
	t      *tenured
	keyed  bool
	reader *reader
	frames frames
	rec    task.Record
	known  int64  // from here on the journal tells what was judged by the clock
	told   uint64 // the last entry told

	target atomic.Int64 // where the task is
	read   atomic.Int64 // records
	at     atomic.Int64 // the offset read next
	done   chan error   // receives how the goroutine ended
	cancel context.CancelFunc

	mu struct {
		sync.Mutex
		entries []task.Entry // that the task has journaled since
	}
}

// A WarmUp is how far the warm-up of rules in a task has come.
type WarmUp struct {
	Rules []task.Ref
	Read  int64  // records
	Left  int64  // offsets to where the task is, as last seen
	Error string // why it began anew; "" when it did not
}

// warm begins to warm up rules, from as far back as they need.
func (t *tenure) warm(ctx context.Context, set task.Set) error {
	since, all, _, err := t.task.Past(set)
	if err != nil {
		return err
	}
	w := &warming{set: set, store: state.NewMemory(), t: &t.tenured, keyed: rules.IsKeyed(t.id.Input), done: make(chan error, 1)}
	w.target.Store(t.task.Position().Offset)
	future := time.Duration(0)
	for _, st := range t.rules.Current().Streams {
		future = max(future, st.Doc.MaxFuture)
	}
	begin, err := w.open(since, all, future)
	if err == nil {
		w.warm, err = t.task.Warm(w.store, set, begin)
	}
	if err != nil {
		w.close()
		return fmt.Errorf("opening a warm-up: %w", err)
	}
	w.frames = frames{decoder: route.NewDecoder(t.rules, w.warm.Task())}
	ctx, w.cancel = context.WithCancel(ctx)
	go func() { w.done <- w.run(ctx) }()
	t.live.warm = w
	return nil
}

// open opens the reader at the first record that was written when an event which
// the rules need may have been, an event being written no sooner than future
// before its time, and says what the records from there on leave out.
func (w *warming) open(since int64, all bool, future time.Duration) (begin task.Begin, err error) {
	if w.reader, err = w.t.cluster.taskReader(w.t.topic, w.t.id.Partition); err != nil {
		return begin, err
	}
	low, high, err := w.reader.bounds()
	if err != nil {
		return begin, err
	}
	spans := []backtest.Span{{Partition: w.t.id.Partition, From: low, To: high}}
	if at := time.UnixMicro(since).Add(-future); !all && at.UnixMilli() > 0 {
		if err := w.reader.begin(spans, at); err != nil {
			return begin, err
		}
	}
	first := spans[0].From
	switch {
	case first == 0:
	case first == low:
		begin.Cut = true
	default:
		begin.Since = since
	}
	w.at.Store(first)
	if err := w.reader.lend(""); err != nil {
		return begin, err
	}
	return begin, w.reader.seek(ck.Offset(first))
}

// tell adds what the task has just journaled. The task says how far it is only
// after that.
func (w *warming) tell(entries []task.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.entries = append(w.mu.entries, entries...)
}

// run reads until it is at the task's place.
func (w *warming) run(ctx context.Context) error {
	if err := w.journal(ctx); err != nil {
		return err
	}
	for target := int64(-warmNear - 1); ; {
		next := w.target.Load()
		if next-target <= warmNear {
			return nil
		}
		if err := w.through(ctx, next); err != nil {
			return err
		}
		target = next
	}
}

// journal reads what the task has journaled so far.
func (w *warming) journal(ctx context.Context) error {
	r, err := w.t.cluster.openReader(w.t.out.journal, w.t.id.Partition, ck.OffsetBeginning, onceWait)
	if err != nil {
		return err
	}
	defer r.close()
	w.known = w.target.Load()
	return r.rest(ctx, func(m *ck.Message) error {
		if isMark(m) {
			return nil
		}
		e, err := task.DecodeEntry(m.Value)
		if err != nil {
			return fmt.Errorf("reading the journal at offset %d: %w", m.TopicPartition.Offset, err)
		}
		switch {
		case e.Seq == 1:
			w.known = 0
		case w.told == 0:
			w.known = e.At
		}
		w.told = e.Seq
		w.warm.Tell(e)
		return nil
	})
}

// through reads up to a place of the log.
func (w *warming) through(ctx context.Context, to int64) error {
	for heard := time.Now(); w.at.Load() < to && w.reader.end < to; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		m, _, err := w.reader.next(pollWait)
		switch {
		case err != nil:
			return err
		case m != nil && int64(m.TopicPartition.Offset) >= to:
			return w.reader.seek(m.TopicPartition.Offset) // it is read when the task has read it
		case m != nil:
			heard = time.Now()
			if err := w.step(ctx, m); err != nil {
				return err
			}
		case time.Since(heard) > w.t.opts.EndWait:
			return fmt.Errorf("topic %s gives no record after offset %d", w.t.topic, w.at.Load()-1)
		}
	}
	return nil
}

func (w *warming) step(ctx context.Context, m *ck.Message) error {
	w.take()
	if _, err := w.t.learn(ctx, w.decoder(), m); err != nil {
		return err
	}
	fillRecord(&w.rec, m)
	if w.keyed {
		frame, err := w.frames.read(m.Value)
		if err != nil {
			return err
		}
		w.rec.Frame = frame
	}
	if w.rec.Offset < w.known && m.TimestampType != ck.TimestampNotAvailable {
		w.rec.Append = m.Timestamp.UnixMicro() // what the clock said then is not known any more
	}
	if err := w.warm.Step(&w.rec); err != nil {
		return err
	}
	w.at.Store(w.rec.Offset + 1)
	if n := w.read.Add(1); n%warmLook == 0 && w.store.Bytes() > WarmBytesMax {
		return fmt.Errorf("%w: %d bytes, the limit is %d", task.ErrTooLarge, w.store.Bytes(), WarmBytesMax)
	}
	return nil
}

func (w *warming) decoder() task.Decoder {
	if w.keyed {
		return nil
	}
	return w.warm.Task().Decoder(0)
}

// take hands on what the task has journaled. Every entry of a record is there
// before the target passes the record.
func (w *warming) take() {
	w.mu.Lock()
	entries := w.mu.entries
	w.mu.entries = nil
	w.mu.Unlock()
	for _, e := range entries {
		if e.Seq > w.told {
			w.told = e.Seq
			w.warm.Tell(e)
		}
	}
}

// finish reads what the task has read meanwhile, while the task waits, and
// returns the entries to be journaled before the Switch.
func (w *warming) finish(ctx context.Context, t *task.Task) ([]task.Entry, error) {
	err := <-w.done
	w.done <- err
	if err != nil {
		return nil, err
	}
	if err := w.through(ctx, t.Position().Offset); err != nil {
		return nil, err
	}
	w.take()
	return w.warm.Finish(t)
}

// ended reports whether the goroutine has come to where the task was, or failed.
func (w *warming) ended() bool { return len(w.done) > 0 }

// isOf reports whether it warms up the rules of a set, over the same streams and
// profiles. Versions of lists may have changed: what was accepted read the old.
func (w *warming) isOf(set task.Set) bool {
	return slices.Equal(w.set.Rules, set.Rules) && slices.Equal(w.set.Streams, set.Streams) && slices.Equal(w.set.Profiles, set.Profiles)
}

func (w *warming) close() {
	if w.cancel != nil {
		w.cancel()
		<-w.done
	}
	if w.reader != nil {
		w.reader.close()
	}
}

// stopWarming ends a warm-up that is under way.
func (t *tenure) stopWarming() {
	if t.live.warm != nil {
		t.live.warm.close()
		t.live.warm = nil
	}
}

// followed tells a warm-up how far the task is, and makes the switch when it is
// there too.
func (t *tenure) followed(ctx context.Context, now time.Time) error {
	w := t.live.warm
	w.target.Store(t.task.Position().Offset)
	if !w.ended() {
		return nil
	}
	select {
	case <-t.changed: // what the switch would bring is not all warm
		return t.adopt(ctx, now)
	default:
	}
	if len(t.rules.Current().Restrict(t.id.Input).Unread()) > 0 {
		return nil
	}
	return t.warmed(ctx, now)
}

// warmUp is how far the warm-up under way has come; nil when there is none.
func (t *tenure) warmUp() *WarmUp {
	w := t.live.warm
	if w == nil {
		return nil
	}
	read := w.read.Load()
	return &WarmUp{Rules: w.set.Rules, Read: read, Left: max(0, w.target.Load()-w.at.Load()), Error: t.live.warmError}
}
