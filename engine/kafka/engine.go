package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caltrop/caltrop/engine/avro"
	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/internal/group"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"go.opentelemetry.io/otel/trace"
)

const (
	memberPoll    = 100 * time.Millisecond
	memberPollMax = time.Minute // longer without a poll and the group believes us dead
	watchEvery    = 2 * time.Second
	storeEvery    = 2 * time.Second
)

// EngineOptions say how the tasks of a process run.
type EngineOptions struct {
	Keeper Keeper // required
	// Savepoints are looked for by the processes of a job. nil: there are none.
	Savepoints Savepoints
	Metrics    *Metrics     // nil: none
	Tracer     trace.Tracer // of the way from a record to its alerts; nil: no traces
	Schemas    avro.Schemas // of streams with format avro; nil: their tasks wait for one
	// CommitEvery is the longest a transaction stays open. Default 20 ms.
	CommitEvery time.Duration
	// CommitRecords is the most records in a transaction. Default 1000.
	CommitRecords int
	// CheckpointEvery is the time between two checkpoints of a task, which varies
	// by a fifth so that tasks do not go together. Default 30 s.
	CheckpointEvery time.Duration
	// Fail is called at every named point of a tenure and may return an error to
	// end it there; crash tests use it. Default: no point fails.
	Fail func(TaskID, Point) error
	// EndWait is how long a replay waits for a record that was read before: a
	// broker that recovers may show an old end at first. Default 20 s.
	EndWait time.Duration
	// FinalWait is how long a task that has to go tries to commit and to store a last
	// checkpoint: a store that does not answer delays a move so long. A step that
	// takes longer than a quarter of it is given up first. Default 8 s.
	FinalWait time.Duration
	// RejoinAfter is how long a member that has lost its partitions waits for the
	// group to give it some, or none, before it joins anew. Default 20 s.
	RejoinAfter time.Duration
}

func (o EngineOptions) withDefaults() EngineOptions {
	o.CommitEvery = cmp.Or(o.CommitEvery, 20*time.Millisecond)
	o.CommitRecords = cmp.Or(o.CommitRecords, 1000)
	o.CheckpointEvery = cmp.Or(o.CheckpointEvery, 30*time.Second)
	if o.Fail == nil {
		o.Fail = func(TaskID, Point) error { return nil }
	}
	o.EndWait = cmp.Or(o.EndWait, 20*time.Second)
	o.FinalWait = cmp.Or(o.FinalWait, 8*time.Second)
	o.RejoinAfter = cmp.Or(o.RejoinAfter, 20*time.Second)
	return o
}

// A Point is a step of a tenure, by name.
type Point string

// The points, in the order in which a tenure reaches them.
const (
	AfterFence      Point = "after-fence"
	AfterRestore    Point = "after-restore"
	AfterReplay     Point = "after-replay"
	BeforeTxnCommit Point = "before-txn-commit"
	AfterTxnCommit  Point = "after-txn-commit"
	BeforeSeal      Point = "before-seal"
	AfterSeal       Point = "after-seal"
)

// An Engine runs the tasks that the consumer group gives to this process. Run
// is called once; the other methods are safe for concurrent use.
type Engine struct {
	cluster *Cluster
	rules   Rules
	opts    EngineOptions

	// Owned by Run.
	member     *group.Member
	subscribed []string
	assigned   map[place]bool
	workers    map[TaskID]*worker
	leaving    map[TaskID]<-chan struct{} // closed when what a stopped worker has left behind has ended

	skews skews

	mu struct {
		sync.Mutex
		reachable bool
		silent    time.Time // since when the group has not said what is ours; zero: it has
		err       error
		tasks     map[TaskID]TaskStatus
		halted    map[string]string            // by topic
		missing   []string                     // topics that do not exist
		wanted    map[string][]checkpoint.Want // parts of savepoints by task (TaskID.Part)
		rescaling *Rescaling                   // nil: there was none
	}
}

// A place is one partition of a source topic.
type place struct {
	topic     string
	partition int32
}

// NewEngine returns an engine that has not started.
func NewEngine(c *Cluster, r Rules, o EngineOptions) *Engine {
	o = o.withDefaults()
	if o.Schemas != nil {
		o.Schemas = counted{o.Schemas, o.Metrics}
	}
	e := &Engine{cluster: c, rules: r, opts: o, assigned: map[place]bool{}, workers: map[TaskID]*worker{}, leaving: map[TaskID]<-chan struct{}{}}
	e.skews = skews{cluster: c, watched: map[string]*skewWatch{}}
	e.mu.err = errors.New("waiting for kafka")
	e.mu.tasks, e.mu.halted = map[TaskID]TaskStatus{}, map[string]string{}
	return e
}

// Status returns how the engine and its tasks are doing.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Status{Reachable: e.mu.reachable, Err: e.mu.err, Missing: slices.Clone(e.mu.missing), Silent: e.mu.silent}
	for _, t := range e.mu.tasks {
		s.Tasks = append(s.Tasks, t)
	}
	slices.SortFunc(s.Tasks, func(a, b TaskStatus) int {
		return cmp.Or(cmp.Compare(a.ID.Input, b.ID.Input), cmp.Compare(a.ID.Generation, b.ID.Generation), cmp.Compare(a.ID.Partition, b.ID.Partition))
	})
	return s
}

// Run joins the group and runs tasks until ctx ends; then each task commits,
// makes a final checkpoint and the process leaves the group. The topics that do
// not belong to an input must exist.
func (e *Engine) Run(ctx context.Context) error {
	member, err := e.join()
	if err != nil {
		return err
	}
	e.member = member
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	watched, savepoints, rescaled := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() { defer close(watched); e.watch(watching) }()
	go func() { defer close(savepoints); e.lookForSavepoints(watching) }()
	go func() { defer close(rescaled); e.followRescale(watching) }()
	err = e.loop(ctx)
	stop()
	e.stop(func(*worker) bool { return true })
	clear(e.assigned) // leaving the group rebalances once more
	if closing := e.member.Close(); err == nil && closing != nil {
		err = fmt.Errorf("leaving the group: %w", closing)
	}
	<-watched
	<-savepoints // a store that does not answer holds nobody up in the group
	<-rescaled
	return err
}

func (e *Engine) loop(ctx context.Context) error {
	changed := e.rules.Changed()
	if err := e.subscribe(); err != nil {
		return err
	}
	for stored := time.Now(); ctx.Err() == nil; {
		if ev, ok := e.member.Poll(int(memberPoll.Milliseconds())).(ck.Error); ok {
			err := fmt.Errorf("staying in the group: %w", ev)
			if ev.IsFatal() {
				return err
			}
			if lacks(ev) == "group" {
				e.cluster.denied("group", right(err, "Read", e.cluster.Topics().group()))
			}
		}
		select {
		case <-changed:
			changed = e.rules.Changed()
			if err := e.subscribe(); err != nil {
				return err
			}
		default:
		}
		if err := e.heed(); err != nil {
			return err
		}
		if time.Since(stored) >= storeEvery {
			stored = time.Now()
			e.store()
		}
	}
	return nil
}

// ensureLogs creates the topics of keyed logs that are missing. One that cannot
// be created now is by the first task that writes to it.
func (e *Engine) ensureLogs() {
	ctx, cancel := context.WithTimeout(context.Background(), metadataTimeout)
	defer cancel()
	set := e.rules.Current()
	for _, l := range set.KeyedLogs() {
		if _, err := e.cluster.ensureCurrent(ctx, set, l.Input); err != nil {
			e.cluster.opts.Log.Warn("keyed log not created yet", "input", l.Input, "error", err)
		}
	}
}

// inputs returns what there is to do with each topic: the inputs of tasks.
func (e *Engine) inputs() map[string][]intake {
	inputs := map[string][]intake{}
	set, own := e.rules.Current(), e.cluster.opts.Generation
	if e.taken(set) != nil {
		return inputs
	}
	routed := map[string]bool{}
	for _, l := range set.KeyedLogs() {
		for _, in := range e.cluster.intakes(set, l.Input) {
			topic := e.cluster.Topics().Keyed(in.input, in.generation)
			inputs[topic] = append(inputs[topic], in)
		}
		for _, s := range l.Streams {
			routed[s.Stream.Doc.Name] = true
		}
	}
	for _, st := range set.Streams {
		name, topic := st.Doc.Name, st.Doc.Topic
		if routed[name] {
			inputs[topic] = append(inputs[topic], intake{routePrefix + name, own})
		}
		if !routed[name] || set.HasDirect(name) {
			inputs[topic] = append(inputs[topic], intake{name, own})
		}
	}
	return inputs
}

// reconcile stops the tasks that are not ours any more, all at once, and starts
// those that are.
func (e *Engine) reconcile() {
	want := map[TaskID]string{}
	inputs := e.inputs()
	for at := range e.assigned {
		for _, in := range inputs[at.topic] {
			want[e.task(in, at.partition)] = at.topic
		}
	}
	e.stop(func(w *worker) bool { return want[w.id] != w.topic })
	e.divide(want)
	for id, topic := range want {
		if e.workers[id] == nil {
			e.workers[id] = e.start(id, topic)
		}
	}
}

// divide divides the memory among the tasks that there are now.
func (e *Engine) divide(tasks map[TaskID]string) {
	states := 0
	for id := range tasks {
		if _, routes := id.routed(); !routes {
			states++
		}
	}
	e.cluster.opts.Memory.Divide(states, len(tasks))
}

func (e *Engine) task(in intake, partition int32) TaskID {
	return TaskID{Job: e.cluster.opts.Job, Input: in.input, Generation: in.generation, Partition: partition}
}

// stop ends the workers that which picks, at the same time, and forgets them.
func (e *Engine) stop(which func(*worker) bool) {
	var ending []*worker
	for id, w := range e.workers {
		if which(w) {
			w.cancel()
			ending = append(ending, w)
			delete(e.workers, id)
		}
	}
	for _, w := range ending {
		if <-w.done; w.gone != nil {
			e.leaving[w.id] = w.gone
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range ending {
		delete(e.mu.tasks, w.id)
	}
}

// store notes the tasks' positions for the member's automatic commits.
func (e *Engine) store() {
	var at []ck.TopicPartition
	for _, t := range e.Status().Tasks {
		if t.State == StateLive && e.assigned[place{t.Topic, t.ID.Partition}] {
			at = append(at, ck.TopicPartition{Topic: &t.Topic, Partition: t.ID.Partition, Offset: ck.Offset(t.Position.Offset)})
		}
	}
	if len(at) > 0 {
		e.member.StoreOffsets(at)
	}
}

// halted returns why a topic must not be read any more, "" when it may.
func (e *Engine) halted(topic string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mu.halted[topic]
}
