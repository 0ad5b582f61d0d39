package backtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/avro"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/cespare/xxhash/v2"
)

// A lane is one task over the partitions whose events its rules bring
// together. Lanes know nothing of each other.
type lane struct {
	name   string
	keyed  bool // its events go through routers, as those of a keyed log
	set    *rules.Set
	inputs []*input
	alerts []alert.Alert
	rules  map[string]task.RuleCounts
}

// An input is one partition of a lane.
type input struct {
	Input
	span   Span
	stream string
	reader Reader
	hash   *xxhash.Digest
	next   Record
	ended  bool
	at     int64 // µs; of the newest record up to next
	seen   int64 // µs; of the newest record that was run
	told   int64 // offsets told to progress
	head   [32]byte
	router *route.Router // of a keyed lane
	of     int           // partitions of the topic
}

// A run is a lane at work.
type run struct {
	*lane
	plan     *Plan
	progress *Progress
	kept     *basket // of all lanes
	pace     pace
	task     *task.Task
	record   task.Record
	effects  task.Effects
	offset   int64
	to       int64  // µs; reading ends where event time has come here; 0: no bound
	frames   frames // of a keyed lane
}

// run runs the lane.
func (l *lane) run(ctx context.Context, p *Plan, progress *Progress, kept *basket) (err error) {
	r := &run{lane: l, plan: p, progress: progress, kept: kept, pace: p.pace(), to: kept.to}
	store, err := p.openState(l.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	defer r.closeReaders()
	if err := r.begin(ctx, store); err != nil {
		return err
	}
	if err := r.read(ctx); err != nil {
		return err
	}
	return r.end()
}

// A panicError is a fault of the program, with its place for the log.
type panicError struct {
	value any
	stack []byte
}

// Error tells the fault without the stack.
func (e *panicError) Error() string { return fmt.Sprintf("a fault of the program: %v", e.value) }

// begin opens the readers and makes the task, which has the lane's rules from
// its first record on.
func (r *run) begin(ctx context.Context, store *state.Store) (err error) {
	conf := task.Config{Resolver: r.set, State: store, Keyed: r.keyed}
	for _, in := range r.inputs {
		if r.keyed {
			if err := r.route(in); err != nil {
				return err
			}
		} else {
			conf.Sources = append(conf.Sources, in.source())
		}
		in.hash = xxhash.New()
		if in.reader, err = r.plan.History.Open(ctx, in.Topic, in.span); err != nil {
			return err
		}
		if err := in.advance(ctx); err != nil {
			return err
		}
	}
	r.task = task.New(conf)
	r.frames.decoder = route.NewDecoder(r.set, r.task)
	return r.apply(task.Entry{Kind: task.Switch, Set: r.set.Names()})
}

// read runs the records of all inputs in the order of their times; of equal
// ones, of the inputs.
func (r *run) read(ctx context.Context) error {
	for last := -1; !r.past(); {
		i := r.earliest()
		if last >= 0 && last != i {
			if err := r.flush(r.inputs[last]); err != nil {
				return err
			}
		}
		if last = i; i < 0 {
			return nil
		}
		in := r.inputs[i]
		r.pace.turn(ctx)
		if err := r.silence(in.at); err != nil {
			return err
		}
		if err := r.step(ctx, i, in); err != nil {
			return fmt.Errorf("%s/%d offset %d: %w", in.Topic, in.Partition, in.next.Offset, err)
		}
		if err := in.advance(ctx); err != nil {
			return err
		}
	}
	return nil
}

// past reports whether no record that may come could change what lies before
// the plan's end.
func (r *run) past() bool {
	if r.to == 0 {
		return false
	}
	for _, st := range r.set.Streams {
		if mark, ok := r.task.Watermark(st.Doc.Name); !ok || mark < r.to {
			return false
		}
	}
	return true
}

// earliest returns the input whose next record comes next, -1 at the end.
func (r *run) earliest() int {
	first := -1
	for i, in := range r.inputs {
		if !in.ended && (first < 0 || in.at < r.inputs[first].at) {
			first = i
		}
	}
	return first
}

func (r *run) step(ctx context.Context, source int, in *input) error {
	rec := &in.next
	in.sum()
	unknown, err := r.teach(ctx, source)
	if err != nil {
		return err
	}
	if r.keyed {
		return r.stepRouter(in, unknown)
	}
	r.record = task.Record{Offset: r.offset, Source: source, SourceOffset: rec.Offset, Key: rec.Key, Value: rec.Value, Append: rec.Time, NoSchema: unknown}
	r.offset++
	before := r.task.Counts()
	r.effects.Reset()
	if err := r.task.Step(&r.record, &r.effects); err != nil {
		return err
	}
	in.count(&before, r.task.Counts())
	r.done(in)
	return r.collect()
}

// teach tells the decoder of an input the schema that its next record names. It
// returns true when nobody knows that.
func (r *run) teach(ctx context.Context, source int) (unknown bool, err error) {
	var decoder task.Decoder
	if in := r.inputs[source]; r.keyed {
		decoder = in.router.Decoder()
	} else {
		decoder = r.task.Decoder(source)
	}
	return r.plan.teach(ctx, decoder, r.inputs[source].next.Value)
}

func (p *Plan) teach(ctx context.Context, decoder task.Decoder, value []byte) (unknown bool, err error) {
	d, ok := decoder.(*event.AvroDecoder)
	if !ok {
		return false, nil
	}
	return avro.Teach(ctx, p.Schemas, d, value)
}

// count adds what became of one record.
func (in *input) count(before *task.Counts, after task.Counts) {
	in.Accepted += after.Accepted - before.Accepted
	in.Late += after.Late - before.Late
	in.Duplicates += after.Duplicates - before.Duplicates
	in.Dead += after.Dead - before.Dead
}

// advance reads the input's next record.
func (in *input) advance(ctx context.Context) error {
	err := in.reader.Next(ctx, &in.next)
	if errors.Is(err, io.EOF) {
		in.ended = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s/%d: %w", in.Topic, in.Partition, err)
	}
	in.at = max(in.at, in.next.Time)
	return nil
}

// sum adds the record that is run to the input's hash.
func (in *input) sum() {
	head := in.head[:0]
	for _, n := range []int64{in.next.Offset, in.next.Time, int64(len(in.next.Key)), int64(len(in.next.Value))} {
		head = binary.LittleEndian.AppendUint64(head, uint64(n))
	}
	in.hash.Write(head) // a Digest never fails
	in.hash.Write(in.next.Key)
	in.hash.Write(in.next.Value)
}

// close says what was read, once no more is.
func (in *input) close() {
	in.Hash = fmt.Sprintf("%016x", in.hash.Sum64())
	if !in.ended {
		in.To = in.next.Offset
	}
}

// done counts a record that was run.
func (r *run) done(in *input) {
	in.Records++
	in.seen = in.at
	r.report(in)
}

// reportEvery is how many offsets pass between reports of progress.
const reportEvery = 1024

func (r *run) report(in *input) {
	if in.Records%reportEvery == 0 {
		in.tell(r.progress, in.next.Offset+1)
	}
}

// tell reports that the input was read up to an offset.
func (in *input) tell(p *Progress, offset int64) {
	read := offset - in.span.From
	p.read.Add(read - in.told)
	in.told = read
}

func (r *run) apply(e task.Entry) error {
	r.effects.Reset()
	if err := r.task.Apply(e, &r.effects); err != nil {
		return err
	}
	return r.collect()
}

// collect keeps the alerts of the last call that lie in the plan's time.
func (r *run) collect() error { return r.kept.put(&r.alerts, r.effects.Alerts) }

// silence moves the watermark of each stream by the records' times, as the live
// engine does by its clock: once none of its partitions had a record for the
// stream's idle time, once a second.
func (r *run) silence(until int64) error {
	if r.keyed {
		return r.beat(until)
	}
	for _, st := range r.set.Streams {
		idle := st.Doc.Idle.Microseconds()
		last := r.last(st.Doc.Name)
		if idle == 0 || last == 0 || until-last <= idle {
			continue
		}
		ticks := (until - last - idle - 1) / tickEvery
		if err := r.apply(task.Entry{Kind: task.Tick, Stream: st.Doc.Name, Now: last + idle + ticks*tickEvery}); err != nil {
			return err
		}
	}
	return nil
}

// tickEvery is how often the live engine moves the watermark of a silent
// stream, in µs.
const tickEvery = 1_000_000

// last returns the time of the newest record of a stream; 0 before the first.
func (r *run) last(stream string) int64 {
	newest := int64(0)
	for _, in := range r.inputs {
		if in.stream == stream && in.Records > 0 {
			newest = max(newest, in.seen)
		}
	}
	return newest
}

// end lets event time reach the plan's end, or the newest record's time where
// it has none: what lies before is matched and the deadlines before it fire.
func (r *run) end() error {
	to := r.to
	for _, in := range r.inputs {
		if r.to == 0 {
			to = max(to, in.seen)
		}
		in.close()
	}
	if err := r.endTime(to); err != nil {
		return err
	}
	for _, in := range r.inputs {
		in.tell(r.progress, in.span.To)
	}
	r.lane.rules = ruleCounts(r.task)
	return nil
}

// ruleCounts returns the totals of a task's rules, by name.
func ruleCounts(t *task.Task) map[string]task.RuleCounts {
	counts := map[string]task.RuleCounts{}
	for _, st := range t.Rules() {
		if !st.View {
			addCounts(counts, map[string]task.RuleCounts{st.Ref.Name: st.Counts})
		}
	}
	return counts
}

// endTime moves all watermarks to a time.
func (r *run) endTime(to int64) error {
	if r.keyed {
		return r.endRouters(to)
	}
	for _, st := range r.set.Streams {
		if err := r.apply(task.Entry{Kind: task.Tick, Stream: st.Doc.Name, Now: to + st.Doc.Lateness.Microseconds()}); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) closeReaders() {
	for _, in := range r.inputs {
		if in.reader != nil {
			in.reader.Close()
		}
	}
}
