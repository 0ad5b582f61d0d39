package enginetest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/window"
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
	Partitions int // of each keyed log, at its first generation
	// Growths are the factors by which the keyed logs are divided, one after the
	// other, at moments that the seed chooses.
	Growths []int
	// Savepoints is how often another job takes over from a savepoint.
	Savepoints int
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
	parts   []int                  // partitions of the keyed logs, by generation
	by      []*simTask             // who raised Alerts
	saving  *simSavepoint          // nil: none is wanted
	closing bool                   // the sources have been said to be idle, once
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
	input     string
	at        int // the generation
	partition int32
	from      *simTask   // that it takes over from, nil: it begins with nothing
	part      *part      // of a savepoint that it takes over from it
	sealed    *copied    // what it leaves behind
	task      *task.Task // nil: what it takes over from is not sealed
	state     *plain
	saved     *copied
	set       task.Set
	decoder   route.Decoder
	relay     *route.Relay
	clock     int64 // of the relay
	frames    route.Effects
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
	if err := s.grow(partitions, nil); err != nil {
		return nil, err
	}
	for _, src := range sources {
		s.skewOf(src)
		r := &simRouter{sim: s, source: src}
		r.restart()
		s.routers = append(s.routers, r)
	}
	return s, nil
}

func (s *Routed) skewOf(src *SourceLog) {
	if s.skews[src.Stream] == nil {
		s.skews[src.Stream] = route.NewSkew(src.Of)
	}
}

// grow lays out the next generation of the keyed logs, with so many partitions: of the
// same job, or of one that starts from a savepoint.
func (s *Routed) grow(partitions int, sp *simSavepoint) error {
	earlier := s.tasks
	s.parts = append(s.parts, partitions)
	at := len(s.parts) - 1
	for _, l := range s.Set.KeyedLogs() {
		s.logs[topicOf(l.Input, at)] = make([][][]byte, partitions)
		for p := range partitions {
			t := &simTask{sim: s, input: l.Input, at: at, partition: int32(p), set: s.Set.Restrict(l.Input).Names()}
			for _, e := range earlier {
				if e.input == l.Input && e.at == at-1 && int(e.partition) == p%s.parts[e.at] {
					t.takeOver(e, sp)
				}
			}
			if err := t.restart(); err != nil {
				return err
			}
			s.tasks = append(s.tasks, t)
		}
	}
	return nil
}

// growDue asks for the next division now and then, once the last one is over.
func (s *Routed) growDue() error {
	if len(s.Growths) == 0 || s.saving != nil || s.rand.IntN(100) != 0 || s.moving() {
		return nil
	}
	factor := s.Growths[0]
	s.Growths = s.Growths[1:]
	return s.grow(factor*s.parts[len(s.parts)-1], nil)
}

// moving reports whether the last division is not over.
func (s *Routed) moving() bool {
	return slices.ContainsFunc(s.routers, (*simRouter).behind) ||
		slices.ContainsFunc(s.tasks, func(t *simTask) bool { return t.task == nil || t.behind() && t.sealed == nil })
}

func topicOf(input string, generation int) string { return fmt.Sprintf("%s.g%d", input, generation) }

// behind reports whether the logs that it writes to are not the newest.
func (r *simRouter) behind() bool { return r.committed.Generation < len(r.sim.parts)-1 }

// restart begins after what was committed.
func (r *simRouter) restart() {
	r.fx.Reset()
	r.router = newRouter(r.source, r.committed)
	r.use()
}

func newRouter(src *SourceLog, p route.Progress) *route.Router {
	return route.NewRouter(task.Source{Stream: src.Stream, Partition: src.Partition, Origin: src.Stream + "s"}, src.Of, p)
}

// leave goes on to the next generation of the keyed logs; it dies on the way now
// and then.
func (r *simRouter) leave() {
	r.router.Flush(&r.fx)
	r.router.Leave(r.sim.targets(r.source, r.committed.Generation), r.committed.Generation+1, &r.fx)
	if r.sim.rand.IntN(3) == 0 {
		r.restart()
		r.sim.Crashes++
		return
	}
	r.commit()
	r.use()
}

// targets are the keyed logs of a generation that the source goes to.
func (s *Routed) targets(source *SourceLog, at int) []route.Target {
	return targetsOf(s.Set, source, s.parts[at], func(input string) string { return topicOf(input, at) })
}

func (r *simRouter) use() {
	useIn(r.router, r.sim.Set, r.source, r.sim.targets(r.source, r.committed.Generation))
}

// targetsOf are the keyed logs of the set that a source goes to, under the names
// that topic gives.
func targetsOf(set *rules.Set, source *SourceLog, partitions int, topic func(input string) string) []route.Target {
	var targets []route.Target
	for _, l := range set.KeyedLogs() {
		for _, st := range l.Streams {
			if st.Stream.Doc.Name == source.Stream {
				targets = append(targets, route.Target{Name: topic(l.Input), Partitions: partitions, Roles: st.Roles, Salts: l.Salts})
			}
		}
	}
	return targets
}

// useIn makes the set's revision of a source's stream that of its router.
func useIn(r *route.Router, set *rules.Set, source *SourceLog, targets []route.Target) {
	ref := task.Ref{Name: source.Stream, Revision: 1}
	live, err := set.Resolve(task.Set{Streams: []task.Ref{ref}})
	if err != nil {
		panic(err) // a set resolves its own streams
	}
	r.Use(ref, live.Streams[0], targets)
}

// Done reports whether all is read and committed.
func (r *simRouter) done() bool {
	return !r.behind() && r.committed.Next == int64(len(r.source.Values))
}

func (r *simRouter) step() {
	if r.behind() {
		r.leave()
		return
	}
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
	conf := route.KeyedConfig(t.partition, t.sim.parts[t.at], t.sim.Set)
	conf.State = t.state
	return conf
}

// open makes the task of its last checkpoint, else of what it takes over.
func (t *simTask) open() (err error) {
	switch {
	case t.saved != nil:
		t.state = t.saved.state.clone()
		t.task, err = task.Restore(t.conf(), t.saved.snapshot)
	case t.part != nil:
		t.state = t.part.state.clone()
		t.task, err = task.Repeat(t.conf(), t.part.snapshot, t.first())
	case t.from == nil:
		t.state = newPlain()
		t.task = task.New(t.conf())
	case t.from.sealed != nil:
		t.state = t.from.sealed.state.clone()
		t.task, err = task.Divide(t.conf(), t.from.sealed.snapshot, t.first())
	}
	return err
}

// first reports whether the task goes on with the totals of the one that it takes over
// from.
func (t *simTask) first() bool { return int(t.partition) < t.sim.parts[t.from.at] }

// log is the partition that the task reads, as far as it is committed.
func (t *simTask) log() [][]byte { return t.sim.logs[topicOf(t.input, t.at)][t.partition] }

// behind reports whether the task's log is not of the newest generation.
func (t *simTask) behind() bool { return t.at < len(t.sim.parts)-1 }

// seal keeps what the task leaves behind, once every source has left its log.
func (t *simTask) seal() {
	if t.task == nil || t.sealed != nil || !t.behind() {
		return
	}
	for _, src := range t.sim.Sources {
		reads := slices.ContainsFunc(t.sim.Set.KeyedLog(t.input).Streams, func(l rules.LogStream) bool { return l.Stream.Doc.Name == src.Stream })
		if reads && !t.task.HasLeft(src.Stream, src.Partition) {
			return
		}
	}
	t.commit()
	t.sealed = &copied{t.task.Snapshot(), t.state.clone()}
}

// restart restores the last checkpoint, if any, and replays to what was
// committed.
func (t *simTask) restart() (err error) {
	t.tx, t.journal = nil, nil
	if err := t.openRelay(); err != nil {
		return err
	}
	if err := t.open(); err != nil || t.task == nil {
		return err
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

// openRelay makes the relay of what the task's first stages hand over.
func (t *simTask) openRelay() error {
	t.frames.Reset()
	t.relay = route.NewRelay(t.partition, t.sim.parts[t.at], topicOf(t.input, t.at))
	for _, r := range t.sim.Set.Relays(t.input) {
		ref := task.Ref{Name: r.Parts.Doc.Name, Revision: r.Parts.Revision}
		live, err := t.sim.Set.Resolve(task.Set{Streams: []task.Ref{ref}})
		if err != nil {
			return err
		}
		t.relay.Use(ref, live.Streams[0], route.Target{Name: topicOf(r.Input, t.at), Partitions: t.sim.parts[t.at], Roles: [][]int{{window.PartKey}}})
	}
	return nil
}

// sendParts writes what was handed over, and tells all how far the task is.
func (t *simTask) sendParts() {
	t.relay.Reach(t.task.Reaches())
	t.relay.Flush(&t.frames)
	for range 2 {
		t.clock += route.BeatEvery
		t.relay.Beat(t.clock, &t.frames)
	}
	for _, f := range t.frames.Frames {
		t.sim.logs[f.Target][f.Partition] = append(t.sim.logs[f.Target][f.Partition], f.Value)
	}
	t.frames.Reset()
}

// next is the record at the task's position; nil when the log ends before.
func (t *simTask) next() (*task.Record, error) {
	log, at := t.log(), t.task.Position().Offset
	if at >= int64(len(log)) {
		return nil, nil
	}
	rec := &task.Record{Offset: at, Frame: &task.Frame{}}
	return rec, t.decoder.Decode(log[at], rec.Frame)
}

func (t *simTask) step() error {
	if t.task == nil {
		return t.restart()
	}
	rec, err := t.next()
	if rec == nil || err != nil {
		return err
	}
	var eff task.Effects
	if err := t.task.Step(rec, &eff); err != nil {
		return fmt.Errorf("%s/%d: %w", topicOf(t.input, t.at), t.partition, err)
	}
	t.take(&eff)
	return nil
}

func (t *simTask) take(eff *task.Effects) {
	t.tx = append(t.tx, eff.Alerts...)
	t.journal = append(t.journal, eff.Journal...)
	t.late += len(eff.Late)
	for i := range eff.Parts {
		t.relay.Take(eff.Parts[i:i+1], &t.frames)
		if t.sim.rand.IntN(4) == 0 { // the frame is full before the reach is known
			t.relay.Flush(&t.frames)
		}
	}
	t.relay.Reach(t.task.Reaches())
}

func (t *simTask) commit() {
	if t.task == nil {
		return
	}
	t.sendParts()
	t.sim.Alerts = append(t.sim.Alerts, t.tx...)
	t.sim.by = append(t.sim.by, slices.Repeat([]*simTask{t}, len(t.tx))...)
	t.committed.journal = append(t.committed.journal, t.journal...)
	t.committed.progress = t.task.Progress()
	t.tx, t.journal = nil, nil
}

func (t *simTask) checkpoint() {
	if t.task == nil {
		return
	}
	t.commit()
	t.saved = &copied{t.task.Snapshot(), t.state.clone()}
}

func (t *simTask) done() bool {
	return t.task != nil && (t.sealed != nil || !t.behind()) &&
		t.committed.progress.Position.Offset == int64(len(t.log()))
}

// Run reads everything, in the order and with the crashes of the seed, and then
// lets every source be idle at a time after all events, so that every deadline
// fires.
func (s *Routed) Run(closing int64) error {
	if err := s.play(); err != nil {
		return err
	}
	s.saving, s.closing = nil, true
	for _, r := range s.routers {
		r.router.Beat(closing, true, &r.fx)
		r.commit()
	}
	return s.play()
}

func (s *Routed) play() error {
	for !s.done() {
		r, t := s.routers[s.rand.IntN(len(s.routers))], s.tasks[s.rand.IntN(len(s.tasks))]
		if err := s.growDue(); err != nil {
			return err
		}
		s.saveDue()
		roll := s.rand.IntN(40)
		if s.read() && roll != 1 && roll != 2 { // a router that begins again tells every task how far it is, without end
			roll = []int{8, 26}[roll%2]
		}
		var err error
		switch roll {
		case 0:
			r.restart()
			s.Crashes++
		case 1:
			err = t.restart()
			s.Crashes++
		case 2:
			t.checkpoint()
			err = t.save()
		case 3, 4, 5, 6, 7:
			r.commit()
		case 8, 9, 10, 11, 12:
			t.commit()
			t.seal()
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

// read reports whether the routers have nothing left to do.
func (s *Routed) read() bool {
	return !slices.ContainsFunc(s.routers, func(r *simRouter) bool { return !r.done() })
}

func (s *Routed) done() bool {
	return s.read() && !slices.ContainsFunc(s.tasks, func(t *simTask) bool { return !t.done() })
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
