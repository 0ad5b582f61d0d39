package backtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/cespare/xxhash/v2"
)

// Live is a job that runs, or ran: what a plan compares with.
type Live struct {
	Job   Job
	Rules task.Resolver // knows every revision that the job's tasks had
}

// A Job is what the tasks of a live job have written. It is safe for concurrent
// use.
type Job interface {
	History
	// Tasks returns the tasks that match, as far as each has committed.
	Tasks(ctx context.Context) ([]Task, error)
	// Journal returns what is kept of a task's committed journal, oldest first.
	Journal(ctx context.Context, t *Task) ([]task.Entry, error)
	// Alerts names the topics of the job's alerts.
	Alerts() []string
}

// A Task is one task of a live job.
type Task struct {
	Input      string // the stream it reads, or its keyed log
	Partition  int32
	Partitions int           // of the input
	Topic      string        // of a keyed log; "": the stream's
	Committed  task.Progress // the zero one: nothing
}

// String names the task as the engine does in a savepoint.
func (t *Task) String() string { return t.Input + "." + strconv.Itoa(int(t.Partition)) }

// A past is one live task run again.
type past struct {
	*Task
	input   Input
	sure    task.Position // the alerts of up to here are in the pinned topics
	alerts  []alert.Alert
	certain int // how many of them come from up to sure
	rules   map[string]task.RuleCounts
	differs string // from what it committed; "": it does not
}

// repeat runs the tasks of the live job again and compares.
//
// The job may go on meanwhile. So the tasks are asked twice how far they have
// committed, and the topics of alerts are pinned in between: what a task had
// committed before must be there, and what is there must be found up to where it
// had committed afterwards.
func (p *Plan) repeat(ctx context.Context, progress *Progress) (*Result, error) {
	before, err := p.Live.Job.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	written, err := p.pinAlerts(ctx)
	if err != nil {
		return nil, err
	}
	after, err := p.Live.Job.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	if len(after) == 0 {
		return nil, errors.New("the job has no tasks that match: is its name right?")
	}
	pasts := make([]*past, len(after))
	for i := range after {
		t := &after[i]
		pasts[i] = &past{Task: t, sure: committed(before, t)}
		progress.total.Add(t.Committed.Position.Offset)
	}
	kept := p.basket()
	err = p.each(ctx, len(pasts), func(ctx context.Context, i int) error {
		if err := pasts[i].run(ctx, p, progress, kept); err != nil {
			return fmt.Errorf("%s: %w", pasts[i].Task, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p.compared(ctx, pasts, written, kept)
}

// committed is how far a task had committed among others.
func committed(tasks []Task, t *Task) task.Position {
	for i := range tasks {
		if tasks[i].Input == t.Input && tasks[i].Partition == t.Partition {
			return tasks[i].Committed.Position
		}
	}
	return task.Position{}
}

// run repeats the task from its first record to the last that it committed.
func (l *past) run(ctx context.Context, p *Plan, progress *Progress, kept *basket) (err error) {
	if l.Committed.Position == (task.Position{}) {
		return nil
	}
	journal, err := l.journal(ctx, p)
	if err != nil {
		return err
	}
	if l.Topic == "" {
		if l.Topic, err = l.sourceTopic(p.Live.Rules, journal); err != nil {
			return err
		}
	}
	store, err := p.openState(l.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	conf := task.Config{Sources: []task.Source{{Stream: l.Input, Partition: l.Partition, Origin: l.Topic}}, Resolver: p.Live.Rules}
	if rules.IsKeyed(l.Input) {
		conf = route.KeyedConfig(l.Partition, l.Partitions, p.Live.Rules)
	}
	conf.State = store
	again := &again{past: l, plan: p, progress: progress, kept: kept, pace: p.pace(), task: task.New(conf)}
	if err := again.begin(ctx, journal); err != nil {
		return err
	}
	defer again.in.reader.Close()
	return again.read(ctx)
}

// journal returns the task's entries up to what it committed.
func (l *past) journal(ctx context.Context, p *Plan) ([]task.Entry, error) {
	entries, err := p.Live.Job.Journal(ctx, l.Task)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 || entries[0].Seq != 1 {
		return nil, errors.New("its journal has no beginning any more: who takes a task over trims what is far behind its checkpoints")
	}
	past := func(e task.Entry) bool { return e.Seq > l.Committed.Position.Seq }
	if i := slices.IndexFunc(entries, past); i >= 0 {
		entries = entries[:i]
	}
	return entries, nil
}

// sourceTopic is the topic of the task's stream, as its journal names it.
func (l *past) sourceTopic(r task.Resolver, journal []task.Entry) (string, error) {
	for i := range journal {
		for _, ref := range journal[i].Set.Streams {
			if ref.Name != l.Input {
				continue
			}
			live, err := r.Resolve(task.Set{Streams: []task.Ref{ref}})
			if err != nil {
				return "", err
			}
			return live.Streams[0].Doc.Topic, nil
		}
	}
	return "", errors.New("its journal names no revision of its stream")
}

// An again is a past task at work.
type again struct {
	*past
	plan     *Plan
	progress *Progress
	kept     *basket
	pace     pace
	task     *task.Task
	recovery *task.Recovery
	in       input
	decoder  route.Decoder
	frame    task.Frame
	record   task.Record
}

func (a *again) begin(ctx context.Context, journal []task.Entry) error {
	spans, err := a.plan.Live.Job.Spans(ctx, a.Topic, time.Time{})
	if err != nil {
		return err
	}
	span := spans[a.Partition]
	span.To = a.Committed.Position.Offset
	a.in = input{span: span, hash: xxhash.New(), Input: Input{Topic: a.Topic, Partition: a.Partition, From: span.From, To: span.To}}
	if a.in.reader, err = a.plan.Live.Job.Open(ctx, a.Topic, span); err != nil {
		return err
	}
	a.decoder = route.NewDecoder(a.plan.Live.Rules, a.task)
	a.recovery, err = task.Recover(a.task, a.Committed, journal)
	return a.took(err)
}

// read repeats records until the task is where it had committed.
func (a *again) read(ctx context.Context) error {
	for !a.recovery.Done() && a.differs == "" {
		if err := a.in.advance(ctx); err != nil {
			return err
		}
		if a.in.ended {
			return fmt.Errorf("topic %s has no record between %d and %d any more, which the task has read", a.Topic, a.task.Position().Offset, a.Committed.Position.Offset)
		}
		a.pace.turn(ctx)
		if err := a.fill(ctx); err != nil {
			return err
		}
		a.in.sum()
		_, err := a.recovery.Step(&a.record)
		if err := a.took(err); err != nil {
			return fmt.Errorf("%s/%d offset %d: %w", a.Topic, a.Partition, a.record.Offset, err)
		}
		a.in.Records++
		if a.in.Records%reportEvery == 0 {
			a.in.tell(a.progress, a.in.next.Offset+1)
		}
	}
	a.in.ended = true
	a.in.close()
	a.in.tell(a.progress, a.in.span.To)
	c := a.task.Counts()
	a.in.count(&task.Counts{}, c)
	a.past.input = a.in.Input
	a.past.rules = ruleCounts(a.task)
	return nil
}

// fill makes the task's record of the one that was read.
func (a *again) fill(ctx context.Context) error {
	next := &a.in.next
	a.record = task.Record{Offset: next.Offset, SourceOffset: next.Offset, Key: next.Key, Value: next.Value, Append: next.Append}
	if !rules.IsKeyed(a.Input) {
		_, err := a.plan.teach(ctx, a.task.Decoder(0), next.Value) // one that was unknown is in the journal
		return err
	}
	a.record.Frame = &a.frame
	return a.decoder.Decode(next.Value, &a.frame)
}

// took keeps the alerts of what was just repeated. That the task has come to
// something else than it had committed is a finding, not an error.
func (a *again) took(err error) error {
	if errors.Is(err, task.ErrDiverged) {
		a.differs, err = err.Error(), nil
	}
	if err != nil {
		return err
	}
	if err := a.kept.put(&a.alerts, a.recovery.Effects().Alerts); err != nil {
		return err
	}
	if at := a.task.Position(); !a.sure.Before(at) {
		a.certain = len(a.alerts)
	}
	return nil
}
