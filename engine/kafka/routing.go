package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/engine/partitioner"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	routePrefix = "route."             // begins the inputs of routing tasks
	frameEvery  = 5 * time.Millisecond // the longest that an event waits in an open frame
	beatEvery   = 250 * time.Millisecond
)

// routed returns the stream of a routing task's input.
func (id TaskID) routed() (stream string, ok bool) { return strings.CutPrefix(id.Input, routePrefix) }

// A routing is the tenure of a task that routes: it reads one partition of a
// stream and writes frames to keyed logs, with its progress in the same
// transaction. It has no state: after a crash the next owner reads on exactly
// after what was committed. Everything in it belongs to one goroutine.
type routing struct {
	tenured
	halted  func(topic string) string // why the topic must not be read any more, or ""
	stream  string
	router  *route.Router
	fx      route.Effects
	rec     task.Record
	targets []route.Target
	beat    time.Time // the last
	idled   time.Time // when the partition was last declared idle
	ref     task.Ref
	doc     *syntax.Stream // of ref

	skews *skews
	skew  *skewWatch            // nil: there is one partition
	limit int64                 // a mark up to which the partition is not too far ahead, as was last seen
	far   bool                  // it is
	told  partitioner.Misplaced // to the metrics
}

// run owns the task until ctx ends (nil, after a last commit) or something
// fails.
func (t *routing) run(ctx context.Context) error {
	defer t.close()
	if err := t.acquire(ctx); err != nil {
		return err
	}
	return t.serve(ctx)
}

func (t *routing) acquire(ctx context.Context) error {
	t.say(StateAcquiring, "")
	n, err := t.cluster.Partitions(t.topic)
	if err != nil || n == 0 {
		return errors.Join(fmt.Errorf("topic %s does not exist", t.topic), err)
	}
	topic := t.cluster.Topics().Progress(t.id.Input, t.id.Generation)
	if err := t.cluster.ensure(ctx, []ck.TopicSpecification{t.cluster.compacted(topic, n)}); err != nil {
		return err
	}
	own, err := t.cluster.partitionsOf(ctx, topic)
	if err != nil {
		return err
	}
	if own != n {
		return t.halt("topic %s has %d partitions, the job was started with %d; start a new generation", t.topic, n, own)
	}
	if t.reader, err = t.cluster.taskReader(topic, t.id.Partition); err != nil { // it connects while the owner before is fenced
		return err
	}
	if t.producer, err = t.takeOver(ctx); err != nil {
		return err
	}
	t.out = output{topics: t.cluster.Topics(), id: t.id, progress: topic, producer: t.producer}
	ends, err := t.producer.mark(ctx, t.id.Partition, topic)
	if err != nil {
		return fmt.Errorf("marking the end of the progress: %w", err)
	}
	progress, err := t.committed(ctx, ends[0])
	if err != nil {
		return err
	}
	t.router, t.told = route.NewRouter(t.source(), n, progress), progress.Misplaced
	if n > 1 {
		t.skew = t.skews.open(topic, n)
	}
	return t.adopt(ctx)
}

func (t *routing) source() task.Source {
	return task.Source{Stream: t.stream, Partition: t.id.Partition, Origin: t.topic}
}

// committed turns the reader to the input and returns where it stands: after what
// the earlier owners routed, a new router at the beginning.
func (t *routing) committed(ctx context.Context, end int64) (route.Progress, error) {
	m, err := t.reader.lastBefore(ctx, end)
	if err != nil {
		return route.Progress{}, err
	}
	var p route.Progress
	known := m != nil
	if known {
		if p, err = route.DecodeProgress(m.Value); err != nil {
			return p, t.halt("its progress record at offset %d cannot be read: %v", m.TopicPartition.Offset, err)
		}
	} else if p, known, err = t.imported(); err != nil {
		return p, err
	}
	t.reader.turn(t.topic, t.id.Partition)
	if err := t.reader.lend(t.traces.header(t.id)); err != nil {
		return p, err
	}
	low, high, err := t.reader.bounds()
	switch {
	case err != nil:
		return p, err
	case !known && p.Next < low:
		p.Next = low
	case p.Next < low:
		return p, t.halt("offset %d is wanted next, but topic %s begins at %d: retention has passed it; a new generation begins with what is left", p.Next, t.topic, low)
	case p.Next > high:
		return p, t.halt("offset %d was committed, but topic %s ends before %d: the topic was made anew; a new generation begins with what it holds", p.Next-1, t.topic, high)
	}
	return p, t.reader.seek(ck.Offset(p.Next))
}

// adopt makes the stream's live revision, and the keyed logs that want it,
// those of the records to come.
func (t *routing) adopt(ctx context.Context) error {
	t.changed = t.rules.Changed()
	set := t.rules.Current()
	st := set.Stream(t.stream)
	if st == nil {
		return nil // the engine is about to stop the task
	}
	if err := t.leave(ctx, set); err != nil {
		return err
	}
	targets, err := t.targetsOf(ctx, set)
	if err != nil {
		return err
	}
	t.status.RulesVersion = set.Version
	ref := task.Ref{Name: t.stream, Revision: st.Revision}
	if ref == t.ref && slices.EqualFunc(targets, t.targets, sameTarget) {
		return nil
	}
	live, err := t.rules.Resolve(task.Set{Streams: []task.Ref{ref}})
	if err != nil {
		return err
	}
	t.router.Flush(&t.fx)
	if err := t.emit(); err != nil {
		return err
	}
	t.router.Use(ref, live.Streams[0], targets)
	t.ref, t.targets, t.doc = ref, targets, live.Streams[0].Doc
	return nil
}

func sameTarget(a, b route.Target) bool {
	return a.Name == b.Name && a.Partitions == b.Partitions && a.Salts == b.Salts && slices.EqualFunc(a.Roles, b.Roles, slices.Equal[[]int])
}

// targetsOf returns the keyed logs that the stream goes to, whose topics are
// created where they are missing.
func (t *routing) targetsOf(ctx context.Context, set *rules.Set) ([]route.Target, error) {
	var targets []route.Target
	for _, l := range set.KeyedLogs() {
		for _, s := range l.Streams {
			if s.Stream.Doc.Name != t.stream {
				continue
			}
			n, err := t.cluster.ensureCurrent(ctx, set, l.Input)
			if err != nil {
				return nil, err
			}
			targets = append(targets, route.Target{Name: t.cluster.CurrentLog(set, l.Input), Partitions: n, Roles: s.Roles, Salts: l.Salts})
		}
	}
	return targets, nil
}

// serve reads and writes until ctx ends.
func (t *routing) serve(ctx context.Context) error {
	t.say(StateLive, "")
	for ctx.Err() == nil {
		m, end, err := t.read(ctx)
		if err != nil {
			return t.readFailed(err, t.router.Progress().Next)
		}
		if err := t.turn(ctx, m, end); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.opts.FinalWait)
	defer cancel()
	return t.settle(ctx, true)
}

// settle commits what was routed, open frames too.
func (t *routing) settle(ctx context.Context, always bool) error {
	t.router.Flush(&t.fx)
	if err := t.emit(); err != nil {
		return err
	}
	return t.commit(ctx, always)
}

// turn is one turn of the loop: a record, or a silence.
func (t *routing) turn(ctx context.Context, m *ck.Message, end bool) error {
	now := time.Now()
	switch {
	case m != nil:
		t.quiet = time.Time{}
		if err := t.step(ctx, m, now); err != nil {
			return err
		}
	case end:
		t.quiet = now
	}
	if t.router.Open() && (m == nil || t.producer.open && now.Sub(t.producer.since) >= t.opts.CommitEvery || now.Sub(t.opened) >= frameEvery) {
		t.router.Flush(&t.fx)
	}
	if now.Sub(t.beat) >= beatEvery {
		t.beat, t.limit = now, 0
		t.router.Beat(t.cluster.clock.micros(now), t.idle(now), &t.fx)
	}
	if err := t.emit(); err != nil {
		return err
	}
	if err := t.commitDue(ctx, m == nil, now); err != nil {
		return err
	}
	if now.Sub(t.published) < publishEvery {
		return nil
	}
	return t.attend(ctx, now)
}

func (t *routing) step(ctx context.Context, m *ck.Message, now time.Time) error {
	unknown, err := t.learn(ctx, t.router.Decoder(), m)
	if err != nil {
		return t.await(ctx, m, err)
	}
	if t.awaited() {
		t.say(StateLive, "")
	}
	fillRecord(&t.rec, m)
	t.rec.Now, t.rec.NoSchema = t.cluster.clock.micros(now), unknown
	t.traces.route(t.id, m, now)
	was := t.router.Open()
	t.router.Step(&t.rec, &t.fx)
	if !was {
		t.opened = now
	}
	return nil
}

// await keeps a record for later, because nobody can say what its schema is.
// Until then nothing more is read; what was routed is committed.
func (t *routing) await(ctx context.Context, m *ck.Message, cause error) error {
	t.first = m
	if err := t.settle(ctx, false); err != nil {
		return err
	}
	t.say(StatePaused, "waiting for the schema registry: "+cause.Error())
	t.backOff(ctx)
	return nil
}

// idle reports whether the partition is to be declared idle now: it has been
// silent at its end for the stream's idle time, and its leader says that this is
// still the end. It is said once a second.
func (t *routing) idle(now time.Time) bool {
	st := t.rules.Current().Stream(t.stream)
	if t.quiet.IsZero() || st == nil || st.Doc.Idle == 0 || now.Sub(t.quiet) < st.Doc.Idle || now.Sub(t.idled) < tickEvery {
		return false
	}
	t.idled = now
	return t.reader.atEnd()
}

// emit writes the effects to the open transaction.
func (t *routing) emit() error {
	if t.fx.Empty() {
		return nil
	}
	defer t.fx.Reset()
	t.opts.Metrics.routed(t.stream, &t.fx)
	headers := t.traces.frameHeaders()
	for i := range t.fx.Frames {
		f := &t.fx.Frames[i]
		if err := t.producer.send(record(f.Target, f.Partition, nil, f.Value, headers...)); err != nil {
			return err
		}
	}
	if !t.router.Open() {
		t.traces.routed(time.Now())
	}
	return t.out.reject(t.fx.Late, t.fx.Dead, func(int) task.Source { return t.source() })
}

func (t *routing) commitDue(ctx context.Context, silent bool, now time.Time) error {
	p := t.producer
	if !p.open || !silent && p.records < t.opts.CommitRecords && now.Sub(p.since) < t.opts.CommitEvery {
		return nil
	}
	if t.router.Open() { // the progress is past what still waits
		t.router.Flush(&t.fx)
		if err := t.emit(); err != nil {
			return err
		}
	}
	return t.commit(ctx, false)
}

func (t *routing) commit(ctx context.Context, always bool) error {
	opened, p := t.producer.since, t.router.Progress()
	if err := t.out.finish(func() error { return t.commitOpen(ctx) }, p.AppendTo(nil), always); err != nil {
		return fmt.Errorf("to offset %d: %w", p.Next, err)
	}
	t.opts.Metrics.committed(ctx, time.Since(opened))
	return nil
}

// attend does what need not be looked at for every record.
func (t *routing) attend(ctx context.Context, now time.Time) error {
	t.publish(now)
	if reason := t.halted(t.topic); reason != "" {
		return t.halt("%s", reason)
	}
	select {
	case <-t.changed:
		return t.adopt(ctx)
	default:
		return nil
	}
}

func (t *routing) say(state State, reason string) {
	t.status.State, t.status.Reason = state, reason
	t.publish(time.Now())
}

func (t *routing) publish(now time.Time) {
	t.published = now
	t.status.ID, t.status.Topic = t.id, t.topic
	if t.router != nil {
		p, c := t.router.Progress(), t.router.Counts()
		t.status.Position, t.status.Watermark = task.Position{Offset: p.Next}, p.Mark
		t.misplaced(p.Misplaced)
		t.opts.Metrics.misplace(t.stream, &t.told, p.Misplaced)
		t.status.Counts = task.Counts{Records: c.Records, Accepted: c.Records - c.Late - c.Dead, Late: c.Late, Dead: c.Dead}
	}
	if t.reader != nil {
		t.status.Lag = t.reader.lag(t.status.Position.Offset)
	}
	t.report(t.status)
}

// end makes the end of the tenure known.
func (t *routing) end(state State, err error) {
	t.router, t.reader = nil, nil // closed; the last published position stands
	t.say(state, err.Error())
}

func (t *routing) close() {
	if t.skew != nil {
		t.skews.close(t.skew)
	}
	if t.producer != nil {
		t.producer.close()
	}
	if t.reader != nil {
		t.reader.close()
	}
}
