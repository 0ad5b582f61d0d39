package enginetest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
)

// A Routed simulates a cluster in one process from a seed: source partitions,
// a routing task for each, keyed logs, and a keyed task for each of their
// partitions. Every one of them commits as a whole and dies when the seed
// says; what it had not committed is gone. The order in which they run is the
// seed's too.
type Routed struct {
	Set        *rules.Set
	Partitions int // of each keyed log
	Sources    []*SourceLog
	Crashes    int
	HeldBack   int     // times that a router did not read as it was too far ahead
	Late       []Place // events that routing tasks judged late, committed
	Alerts     []alert.Alert

	rand    *rand.Rand
	routers []*simRouter
	tasks   []*simTask
	skews   map[string]*route.Skew // by stream
	logs    map[string][][][]byte  // committed frames by topic and partition
}

// A Place is one record of a source.
type Place struct {
	Stream    string
	Partition int32
	Offset    int64
}

// A SourceLog is one partition of one stream.
type SourceLog struct {
	Stream    string
	Partition int32
	Of        int // partitions of the stream
	Values    [][]byte
}

type simRouter struct {
	sim       *Routed
	source    *SourceLog
	router    *route.Router
	fx        route.Effects // since the last commit
	committed route.Progress
}

type simTask struct {
	sim       *Routed
	topic     string
	partition int32
	task      *task.Task
	state     *plain
	saved     *copied
	set       task.Set
	decoder   route.Decoder
	tx        []alert.Alert
	journal   []task.Entry // since the last commit
	committed struct {
		journal  []task.Entry
		progress task.Progress
	}
	late int
}

// NewRouted lays out the routing and keyed tasks that the set needs.
func NewRouted(seed uint64, set *rules.Set, partitions int, sources []*SourceLog) (*Routed, error) {
	s := &Routed{Set: set, Partitions: partitions, Sources: sources, rand: rand.New(rand.NewPCG(seed, 7)), logs: map[string][][][]byte{}, skews: map[string]*route.Skew{}}
	for _, l := range set.KeyedLogs() {
		s.logs[l.Input] = make([][][]byte, partitions)
		for p := range partitions {
			t := &simTask{sim: s, topic: l.Input, partition: int32(p), set: set.Restrict(l.Input).Names()}
			if err := t.restart(); err != nil {
				return nil, err
			}
			s.tasks = append(s.tasks, t)
		}
	}
	for _, src := range sources {
		if s.skews[src.Stream] == nil {
			s.skews[src.Stream] = route.NewSkew(src.Of)
		}
		r := &simRouter{sim: s, source: src}
		r.restart()
		s.routers = append(s.routers, r)
	}
	return s, nil
}

// restart begins after what was committed.
func (r *simRouter) restart() {
	r.fx.Reset()
	r.router = routerOf(r.sim.Set, r.source, r.sim.Partitions, r.committed)
}

// routerOf is a router of a source to the keyed logs of the set, after p.
func routerOf(set *rules.Set, source *SourceLog, partitions int, p route.Progress) *route.Router {
	router := route.NewRouter(task.Source{Stream: source.Stream, Partition: source.Partition, Origin: source.Stream + "s"}, source.Of, p)
	var targets []route.Target
	for _, l := range set.KeyedLogs() {
		for _, st := range l.Streams {
			if st.Stream.Doc.Name == source.Stream {
				targets = append(targets, route.Target{Name: l.Input, Partitions: partitions, Roles: st.Roles})
			}
		}
	}
	ref := task.Ref{Name: source.Stream, Revision: 1}
	live, err := set.Resolve(task.Set{Streams: []task.Ref{ref}})
	if err != nil {
		panic(err) // a set resolves its own streams
	}
	router.Use(ref, live.Streams[0], targets)
	return router
}

// Done reports whether all is read and committed.
func (r *simRouter) done() bool { return r.committed.Next == int64(len(r.source.Values)) }

func (r *simRouter) step() {
	p := r.router.Progress()
	if p.Next == int64(len(r.source.Values)) {
		r.rest()
		return
	}
	doc := r.sim.Set.Stream(r.source.Stream).Doc
	if _, by := r.sim.skews[r.source.Stream].Ahead(r.source.Partition, p, false); by > doc.MaxSkew {
		r.sim.HeldBack++
		return
	}
	rec := task.Record{Offset: p.Next, SourceOffset: p.Next, Value: r.source.Values[p.Next]}
	r.router.Step(&rec, &r.fx)
}

// rest declares a partition idle that is at its end, by a clock that is far
// behind: it holds back no other router, and moves no watermark.
func (r *simRouter) rest() {
	if r.router.Progress().Idle == 0 {
		r.router.Beat(1, true, &r.fx)
	}
}

func (r *simRouter) commit() {
	r.router.Flush(&r.fx)
	r.committed = r.router.Progress()
	r.sim.skews[r.source.Stream].Note(r.source.Partition, r.committed)
	for _, f := range r.fx.Frames {
		r.sim.logs[f.Target][f.Partition] = append(r.sim.logs[f.Target][f.Partition], f.Value)
	}
	for _, l := range r.fx.Late {
		r.sim.Late = append(r.sim.Late, Place{r.source.Stream, r.source.Partition, l.Offset})
	}
	r.fx.Reset()
}

func (t *simTask) conf() task.Config {
	return task.Config{Keyed: true, Resolver: t.sim.Set, State: t.state,
		Owns: func(key []byte) bool { return route.PartitionOf(key, t.sim.Partitions) == t.partition }}
}

// restart restores the last checkpoint, if any, and replays to what was
// committed.
func (t *simTask) restart() (err error) {
	t.tx, t.journal = nil, nil
	if t.saved == nil {
		t.state = newPlain()
		t.task = task.New(t.conf())
	} else {
		t.state = t.saved.state.clone()
		if t.task, err = task.Restore(t.conf(), t.saved.snapshot); err != nil {
			return err
		}
	}
	t.decoder = route.Decoder{Event: t.task.NewEvent, Schema: schemasOf(t.sim.Set)}
	recovery, err := task.Recover(t.task, t.committed.progress, t.committed.journal)
	for err == nil && !recovery.Done() {
		var rec *task.Record
		if rec, err = t.next(); err == nil {
			_, err = recovery.Step(rec)
		}
	}
	if err != nil || len(t.task.Set().Streams) > 0 {
		return err
	}
	var eff task.Effects
	if err := t.task.Apply(task.Entry{Kind: task.Switch, Set: t.set}, &eff); err != nil {
		return err
	}
	t.take(&eff)
	return nil
}

// next is the record at the task's position; nil when the log ends before.
func (t *simTask) next() (*task.Record, error) {
	log, at := t.sim.logs[t.topic][t.partition], t.task.Position().Offset
	if at >= int64(len(log)) {
		return nil, nil
	}
	rec := &task.Record{Offset: at, Frame: &task.Frame{}}
	return rec, t.decoder.Decode(log[at], rec.Frame)
}

func (t *simTask) step() error {
	rec, err := t.next()
	if rec == nil || err != nil {
		return err
	}
	var eff task.Effects
	if err := t.task.Step(rec, &eff); err != nil {
		return fmt.Errorf("%s/%d: %w", t.topic, t.partition, err)
	}
	t.take(&eff)
	return nil
}

func (t *simTask) take(eff *task.Effects) {
	t.tx = append(t.tx, eff.Alerts...)
	t.journal = append(t.journal, eff.Journal...)
	t.late += len(eff.Late)
}

func (t *simTask) commit() {
	t.sim.Alerts = append(t.sim.Alerts, t.tx...)
	t.committed.journal = append(t.committed.journal, t.journal...)
	t.committed.progress = t.task.Progress()
	t.tx, t.journal = nil, nil
}

func (t *simTask) checkpoint() {
	t.commit()
	t.saved = &copied{t.task.Snapshot(), t.state.clone()}
}

func (t *simTask) done() bool {
	return t.committed.progress.Position.Offset == int64(len(t.sim.logs[t.topic][t.partition]))
}

// Run reads everything, in the order and with the crashes of the seed, and then
// lets every source be idle at a time after all events, so that every deadline
// fires.
func (s *Routed) Run(closing int64) error {
	if err := s.play(); err != nil {
		return err
	}
	for _, r := range s.routers {
		r.router.Beat(closing, true, &r.fx)
		r.commit()
	}
	return s.play()
}

func (s *Routed) play() error {
	for !s.done() {
		r, t := s.routers[s.rand.IntN(len(s.routers))], s.tasks[s.rand.IntN(len(s.tasks))]
		var err error
		switch s.rand.IntN(40) {
		case 0:
			r.restart()
			s.Crashes++
		case 1:
			err = t.restart()
			s.Crashes++
		case 2:
			t.checkpoint()
		case 3, 4, 5, 6, 7:
			r.commit()
		case 8, 9, 10, 11, 12:
			t.commit()
		case 13:
			r.router.Beat(int64(s.rand.IntN(10))*route.BeatEvery, false, &r.fx)
		case 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25:
			r.step()
		default:
			err = t.step()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Routed) done() bool {
	return !slices.ContainsFunc(s.routers, func(r *simRouter) bool { return !r.done() }) &&
		!slices.ContainsFunc(s.tasks, func(t *simTask) bool { return !t.done() })
}

// LateInTasks counts the events that keyed tasks judged late.
func (s *Routed) LateInTasks() int {
	n := 0
	for _, t := range s.tasks {
		n += t.late
	}
	return n
}

func schemasOf(set *rules.Set) func(task.Ref) (*event.Schema, error) {
	return func(ref task.Ref) (*event.Schema, error) { return set.Stream(ref.Name).Schema, nil }
}
