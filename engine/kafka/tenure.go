package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A tenure is the time between fencing the previous owner of a task and
// letting go of it. Everything in it belongs to one goroutine. When a step of
// it fails the whole tenure ends and the next one starts from the log: nothing
// is ever retried in place.
type tenure struct {
	tenured
	halted func(topic string) string      // why the topic must not be read any more, or ""
	wanted func(TaskID) []checkpoint.Want // parts of savepoints to make
	kept   Kept
	task   *task.Task
	frames frames
	parts  relaying
	fx     task.Effects
	rec    task.Record
	mute   bool        // dead letters are the router's to write
	ending bool        // every source has left the task's log
	late   atomic.Bool // the task has had to go for so long that a step under way is given up

	live struct {
		ticked   time.Time
		totals   totals
		raised   []lateAlert
		hastened *uint64    // Counts.Hastened when last published; nil: not yet
		cutDue   time.Time  // when the next checkpoint begins
		saving   chan error // receives how the checkpoint under way ended; nil: none is
		giveUp   func()     // ends it at its next file
		cutAt    time.Time  // the last cut

		retry     time.Time       // a savepoint that was not made is not tried again before
		warm      *warming        // under way; nil: none is
		warmError string          // why it began anew
		savepoint string          // that the checkpoint under way is, JOB/NAME; "": none
		made      map[string]bool // savepoints of this tenure
	}
}

// run owns the task until ctx ends (nil, after a final checkpoint) or something
// fails.
func (t *tenure) run(ctx context.Context) error {
	defer t.close(ctx)
	defer context.AfterFunc(ctx, func() { time.AfterFunc(t.opts.FinalWait/4, func() { t.late.Store(true) }) })()
	if err := t.acquire(ctx); err != nil {
		return err
	}
	return t.serve(ctx)
}

// acquire fences the previous owner, restores the newest checkpoint and repeats
// in silence what was committed since.
func (t *tenure) acquire(ctx context.Context) (err error) {
	t.say(StateAcquiring, "")
	n, err := t.checkPartitions(ctx)
	if err != nil {
		return err
	}
	if t.reader, err = t.cluster.taskReader(t.topic, t.id.Partition); err != nil { // it connects while the owner before is fenced
		return err
	}
	if t.producer, err = t.takeOver(ctx); err != nil {
		return err
	}
	t.parts.relay = route.NewRelay(t.id.Partition, n, t.topic)
	t.out = output{
		topics: t.cluster.Topics(), id: t.id, producer: t.producer,
		journal:  t.cluster.Topics().Journal(t.id.Input, t.id.Generation),
		progress: t.cluster.Topics().Progress(t.id.Input, t.id.Generation),
	}
	if err := t.opts.Fail(t.id, AfterFence); err != nil {
		return err
	}
	ends, err := t.mark(ctx)
	if err != nil {
		return err
	}
	progress, err := t.committed(ctx, ends)
	if err != nil {
		return err
	}
	t.say(StateRestoring, "")
	if err := t.restore(ctx, &progress, n); err != nil {
		return err
	}
	if err := t.opts.Fail(t.id, AfterRestore); err != nil {
		return err
	}
	t.say(StateReplaying, "")
	if err := t.replay(ctx, progress, ends); err != nil {
		return err
	}
	return t.opts.Fail(t.id, AfterReplay)
}

// checkPartitions makes sure that the task's own topics exist and that the
// input still has the partitions that they were made for, whose number it
// returns.
func (t *tenure) checkPartitions(ctx context.Context) (int, error) {
	n, err := t.cluster.Partitions(t.topic)
	if err != nil || n == 0 {
		return 0, errors.Join(fmt.Errorf("topic %s does not exist", t.topic), err)
	}
	if s := t.cluster.scale(t.rules.Current()); t.share(t.rules.Current()) != nil && s.Partitions != n {
		return 0, t.halt("topic %s has %d partitions, a rescale to %d was asked for", t.topic, n, s.Partitions)
	}
	own, err := t.cluster.ensureInput(ctx, intake{t.id.Input, t.id.Generation}, n)
	if err != nil {
		return 0, err
	}
	if own != n {
		return 0, t.halt("topic %s has %d partitions, the job was started with %d: keys have moved; start a new generation", t.topic, n, own)
	}
	return n, nil
}

// committed returns how far the task's owners have committed; the zero
// Progress for a new task.
func (t *tenure) committed(ctx context.Context, ends barrier) (task.Progress, error) {
	t.reader.turn(t.out.progress, t.id.Partition)
	m, err := t.reader.lastBefore(ctx, ends.progress)
	if err != nil || m == nil {
		return task.Progress{}, err
	}
	p, err := task.DecodeProgress(m.Value)
	if err != nil {
		return p, t.halt("its progress record at offset %d cannot be read: %v", m.TopicPartition.Offset, err)
	}
	return p, nil
}

// restore opens the newest checkpoint, which is not past the progress. Where
// nothing is committed yet and the task comes from a savepoint, the progress is the
// savepoint's.
func (t *tenure) restore(ctx context.Context, progress *task.Progress, partitions int) error {
	if err := t.open(ctx, t.config(partitions), partitions); err != nil {
		return err
	}
	t.frames = frames{decoder: route.NewDecoder(t.rules, t.task)}
	if t.kept.Imported() && *progress == (task.Progress{}) {
		*progress = t.task.Progress()
	}
	at := t.task.Position()
	if progress.Position.Before(at) {
		return t.halt("its checkpoint is at offset %d, but only %d was committed: the checkpoints are of another cluster, or topics were made anew",
			at.Offset, progress.Position.Offset)
	}
	return nil
}

// begin lets the reader read the input from where the task is.
func (t *tenure) begin() error {
	at := t.task.Position()
	t.reader.turn(t.topic, t.id.Partition)
	if err := t.reader.lend(t.traces.header(t.id)); err != nil {
		return err
	}
	low, _, err := t.reader.bounds()
	if err != nil {
		return err
	}
	switch {
	case at == (task.Position{}) && !t.task.Heard():
		return t.reader.seek(ck.Offset(low))
	case at.Offset < low:
		return t.halt("offset %d is wanted next, but topic %s begins at %d: retention has passed it; a new generation begins with what is left", at.Offset, t.topic, low)
	}
	return t.reader.seek(ck.Offset(at.Offset))
}

// config is that of the task of a partition of so many.
func (t *tenure) config(partitions int) task.Config {
	conf := route.KeyedConfig(t.id.Partition, partitions, t.rules)
	if !rules.IsKeyed(t.id.Input) {
		conf = task.Config{Sources: []task.Source{{Stream: t.id.Input, Partition: t.id.Partition, Origin: t.topic}}, Resolver: t.rules, Partitions: partitions}
	}
	conf.Stop = t.late.Load
	return conf
}

// replay repeats the input and the journal up to what was committed, without
// output; the task compares what it would have emitted with what was.
func (t *tenure) replay(ctx context.Context, progress task.Progress, ends barrier) error {
	entries, err := t.entries(ctx, ends)
	if err != nil {
		return err
	}
	if err := t.begin(); err != nil {
		return err
	}
	recovery, err := task.Recover(t.task, progress, entries)
	for heard := time.Now(); err == nil && !recovery.Done(); {
		m, _, failed := t.reader.next(pollWait)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case failed != nil:
			return t.readFailed(failed, t.task.Position().Offset)
		case m == nil && time.Since(heard) > t.opts.EndWait:
			return t.ended(progress.Position.Offset)
		case m != nil:
			heard = time.Now()
			err = t.repeat(ctx, recovery, m)
		}
		t.publishAt(time.Now())
	}
	if errors.Is(err, task.ErrDiverged) {
		return t.halt("not going on with what may be wrong: %v", err)
	}
	return err
}

// ended says what it means that the input gives no more records though those
// before committed are wanted. A broker that recovers has time to show all it
// has; what it then says counts.
func (t *tenure) ended(committed int64) error {
	_, high, err := t.reader.bounds()
	if err == nil && high < committed {
		return t.halt("offset %d was committed, but topic %s ends before %d: the topic was made anew; a new generation begins with what it holds", committed-1, t.topic, high)
	}
	return errors.Join(fmt.Errorf("topic %s gives no record after offset %d", t.topic, t.task.Position().Offset-1), err)
}

// repeat replays one record, or keeps it when it turns out to be the first that
// was not committed.
func (t *tenure) repeat(ctx context.Context, recovery *task.Recovery, m *ck.Message) error {
	if err := t.tell(ctx, m); err != nil {
		return err
	}
	if err := t.fill(m); err != nil {
		return err
	}
	replayed, err := recovery.Step(&t.rec)
	if err != nil {
		return fmt.Errorf("repeating offset %d: %w", t.rec.Offset, err)
	}
	if !replayed {
		t.first = m
	}
	return nil
}

// journalKept is how many entries a journal keeps before those that the kept
// checkpoints need: a backtest of the journal begins with the first.
const journalKept = 50_000

// entries returns the journal and trims what is too old.
func (t *tenure) entries(ctx context.Context, ends barrier) ([]task.Entry, error) {
	topic := t.out.journal
	t.reader.turn(topic, t.id.Partition)
	if err := t.reader.seek(ck.OffsetBeginning); err != nil {
		return nil, err
	}
	var entries []task.Entry
	oldest, needless := t.kept.Oldest().Seq, []ck.Offset{}
	err := t.reader.through(ctx, ends.journal, func(m *ck.Message) error {
		e, err := task.DecodeEntry(m.Value)
		if err != nil {
			return t.halt("its journal at offset %d cannot be read: %v", m.TopicPartition.Offset, err)
		}
		entries = append(entries, e)
		if e.Seq <= oldest {
			needless = append(needless, m.TopicPartition.Offset)
		}
		return nil
	})
	if n := len(needless); err == nil && n > journalKept {
		t.cluster.trim(ctx, topic, t.id.Partition, needless[n-journalKept])
	}
	return entries, err
}

func (t *tenure) close(ctx context.Context) {
	t.stopWarming()
	if t.producer != nil {
		t.producer.close()
	}
	if t.reader != nil {
		t.reader.close()
	}
	t.letGo(ctx)
}
