package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/checkpoint/blobtest"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
)

// A Cluster simulates members that share routing and keyed tasks, the brokers
// that hold what is committed, and the store of checkpoints, in one goroutine
// and from one seed: which member does what next, who joins, leaves, dies or is
// stopped and wakes as a zombie, which commit meets a leader that moves or
// loses its answer, and which call of the store fails.
type Cluster struct {
	Set        *rules.Set
	Partitions int // of each keyed log
	Sources    []*SourceLog
	Calm       bool // one member, and nothing goes wrong

	Late   []Place
	Alerts []alert.Alert
	Views  []string       // updates, JSON and whether a tombstone follows
	Seen   map[string]int // what has happened, by name

	rand    *rand.Rand
	blobs   checkpoint.Blobs
	ledgers []*ledger
	members []*member
	logs    map[string][][][]byte // committed frames by topic and partition
	names   int                   // of members so far
}

// A ledger is what the brokers hold of one task: who may write, and what was
// committed. It changes as a whole.
type ledger struct {
	name   string
	source *SourceLog // of a routing task
	input  string     // the keyed log of a keyed task
	part   int32
	epoch  int // of the newest owner
	owner  *member

	routed   route.Progress
	progress task.Progress
	journal  []task.Entry
}

// A member is one process. It believes in its tenures until it hears otherwise.
type member struct {
	name    string
	fs      *vfs.MemFS
	stopped bool
	expired bool // its session ended while it was stopped
	tenures map[*ledger]tenure
}

// A tenure is a member's work on one task.
type tenure interface {
	step() error
	commit() error
	keep() error // begins or goes on with a checkpoint
	done() bool
	close() error
}

// What ends a tenure.
var (
	errFenced = errors.New("another owner has begun")
	errMoved  = errors.New("the leader has moved")
	errSilent = errors.New("the answer is lost")
)

const (
	membersMax   = 4
	storePercent = 6         // of the calls of the store that go wrong
	upsetEvery   = 120       // turns, about
	turnsMax     = 1_000_000 // of members, before a run is given up
)

// NewCluster lays out the tasks that the set needs.
func NewCluster(seed uint64, set *rules.Set, partitions int, sources []*SourceLog) (*Cluster, error) {
	c := &Cluster{Set: set, Partitions: partitions, Sources: sources, Seen: map[string]int{},
		rand: rand.New(rand.NewPCG(seed, 17)), logs: map[string][][][]byte{}}
	dir, err := checkpoint.NewDirectory(vfs.NewMem(), "kept")
	if err != nil {
		return nil, err
	}
	c.blobs = blobtest.NewFaulty(dir, seed, storePercent)
	for _, src := range sources {
		c.ledgers = append(c.ledgers, &ledger{name: fmt.Sprintf("route.%s.%d", src.Stream, src.Partition), source: src})
	}
	for _, l := range set.KeyedLogs() {
		c.logs[l.Input] = make([][][]byte, partitions)
		for p := range int32(partitions) {
			c.ledgers = append(c.ledgers, &ledger{name: fmt.Sprintf("%s.%d", l.Input, p), input: l.Input, part: p})
		}
	}
	return c, nil
}

// Run reads everything as the seed says, then lets every source be idle at a
// time after all events, so that every deadline fires.
func (c *Cluster) Run(closing int64) (err error) {
	defer func() { err = errors.Join(err, c.shut()) }()
	c.join()
	if err := c.play(); err != nil {
		return err
	}
	for _, l := range c.ledgers {
		for l.source != nil {
			m := c.waken(l.owner)
			if err := m.hold(c, l); err != nil {
				return err
			}
			r, ok := m.tenures[l].(*routing)
			if !ok {
				continue
			}
			r.router.Beat(closing, true, &r.fx)
			err := r.commit()
			if err == nil {
				break
			}
			if err := m.drop(l, err); err != nil {
				return err
			}
			if errors.Is(err, errSilent) {
				break // it is committed
			}
		}
	}
	return c.play()
}

// shut ends what members still hold.
func (c *Cluster) shut() (err error) {
	for _, m := range c.members {
		for l := range m.tenures {
			err = errors.Join(err, m.drop(l, nil))
		}
	}
	return err
}

func (c *Cluster) play() error {
	for turns := 0; !c.done(); turns++ {
		if turns > turnsMax {
			return errors.New("the cluster does not come to an end")
		}
		if !c.Calm && c.rand.IntN(upsetEvery) == 0 {
			if err := c.upset(); err != nil {
				return err
			}
		}
		m := c.members[c.rand.IntN(len(c.members))]
		if m.stopped {
			continue
		}
		l := c.ledgers[c.rand.IntN(len(c.ledgers))]
		if err := m.work(c, l); err != nil {
			return err
		}
	}
	return nil
}

// done reports whether owners that nobody has fenced have committed all.
func (c *Cluster) done() bool {
	return !slices.ContainsFunc(c.ledgers, func(l *ledger) bool {
		t := l.owner.tenures[l]
		return t == nil || l.owner.stopped || !t.done()
	})
}

// upset lets something happen to the group.
func (c *Cluster) upset() error {
	m := c.members[c.rand.IntN(len(c.members))]
	switch n := c.rand.IntN(4); {
	case m.stopped && !m.expired && n > 0: // past its session: others take over
		c.Seen["session over"]++
		m.expired = true
		c.share(func(l *ledger) bool { return l.owner == m })
	case m.stopped:
		if m.expired {
			c.Seen["zombie"]++
		}
		m.stopped, m.expired = false, false
	case n == 0 && len(c.members) < membersMax:
		c.Seen["join"]++
		c.join()
	case n == 1 && len(c.members) > 1:
		c.Seen["leave"]++
		return c.part(m, true)
	case n == 2:
		c.Seen["death"]++
		return c.part(m, false)
	default:
		c.Seen["stop"]++
		m.stopped = true
	}
	return nil
}

// join adds a member, which is given some of the tasks.
func (c *Cluster) join() {
	c.names++
	c.members = append(c.members, &member{name: fmt.Sprintf("m%d", c.names), fs: vfs.NewMem(), tenures: map[*ledger]tenure{}})
	c.share(func(l *ledger) bool { return l.owner == nil || c.rand.IntN(3) == 0 })
}

// part lets a member leave, with what it has done committed or not.
func (c *Cluster) part(m *member, clean bool) error {
	for _, l := range c.ledgers { // not the map: the seed decides
		t := m.tenures[l]
		if t == nil {
			continue
		}
		var err error
		if clean && !m.stopped {
			err = t.commit()
		}
		if err := m.drop(l, err); err != nil {
			return err
		}
	}
	c.members = slices.DeleteFunc(c.members, func(o *member) bool { return o == m })
	c.share(func(l *ledger) bool { return l.owner == m })
	return nil
}

// share gives tasks to members whose sessions last, one after the other.
func (c *Cluster) share(which func(*ledger) bool) {
	var able []*member
	for _, m := range c.members {
		if !m.expired {
			able = append(able, m)
		}
	}
	if len(able) == 0 {
		c.names++
		able = []*member{{name: fmt.Sprintf("m%d", c.names), fs: vfs.NewMem(), tenures: map[*ledger]tenure{}}}
		c.members = append(c.members, able...)
	}
	for _, l := range c.ledgers {
		if which(l) {
			l.owner = able[c.rand.IntN(len(able))]
		}
	}
}

func (c *Cluster) waken(m *member) *member {
	m.stopped, m.expired = false, false
	return m
}

// work does one thing for a task: as its owner, or as one who still believes
// it is.
func (m *member) work(c *Cluster, l *ledger) error {
	t := m.tenures[l]
	switch {
	case t == nil && l.owner == m:
		return m.hold(c, l)
	case t == nil:
		return nil
	case l.owner != m && c.rand.IntN(4) == 0: // it hears of the move
		return m.drop(l, nil)
	}
	var err error
	switch n := c.rand.IntN(40); {
	case n < 2:
		err = t.keep()
	case n < 10:
		err = t.commit()
	default:
		err = t.step()
	}
	if err != nil {
		return m.drop(l, err)
	}
	return nil
}

// drop ends a tenure; err is why. What was not to be expected is returned.
func (m *member) drop(l *ledger, err error) error {
	if t := m.tenures[l]; t != nil {
		delete(m.tenures, l)
		if closed := t.close(); closed != nil {
			return closed
		}
	}
	for _, known := range []error{errFenced, errMoved, errSilent, blobtest.ErrFault, checkpoint.ErrNoneWhole} {
		if errors.Is(err, known) {
			return nil
		}
	}
	return err
}

// hold begins a tenure, which fences the one before. A store that fails ends the
// attempt.
func (m *member) hold(c *Cluster, l *ledger) error {
	if m.tenures[l] != nil {
		return nil
	}
	l.epoch++
	seat := seat{c, l, l.epoch}
	if l.source != nil {
		m.tenures[l] = newRouting(seat)
		return nil
	}
	t, err := newKeyed(seat, m)
	if err != nil {
		return m.drop(l, err)
	}
	m.tenures[l] = t
	return nil
}

// A seat is a place at the brokers: a task, and the epoch to write with.
type seat struct {
	c     *Cluster
	l     *ledger
	epoch int
}

// transaction commits, or not, and answers, or not.
func (s seat) transaction(apply func()) error {
	if s.epoch != s.l.epoch {
		s.c.Seen["fenced"]++
		return errFenced
	}
	n := s.c.rand.IntN(40)
	if n == 0 && !s.c.Calm {
		s.c.Seen["leader moved"]++
		return errMoved
	}
	apply()
	if n == 1 && !s.c.Calm {
		s.c.Seen["answer lost"]++
		return errSilent
	}
	return nil
}

// routing is a tenure of a routing task.
type routing struct {
	seat
	router *route.Router
	fx     route.Effects // since the last commit
}

func newRouting(s seat) *routing {
	r := newRouter(s.l.source, s.l.routed)
	useIn(r, s.c.Set, s.l.source, targetsOf(s.c.Set, s.l.source, s.c.Partitions, func(input string) string { return input }))
	return &routing{seat: s, router: r}
}

func (r *routing) step() error {
	if at := r.router.Progress().Next; at < int64(len(r.l.source.Values)) {
		r.router.Step(&task.Record{Offset: at, SourceOffset: at, Value: r.l.source.Values[at]}, &r.fx)
	} else if r.c.rand.IntN(4) == 0 {
		r.router.Beat(int64(r.c.rand.IntN(10))*route.BeatEvery, false, &r.fx)
	}
	return nil
}

func (r *routing) commit() error {
	r.router.Flush(&r.fx)
	err := r.transaction(func() {
		r.l.routed = r.router.Progress()
		for _, f := range r.fx.Frames {
			r.c.logs[f.Target][f.Partition] = append(r.c.logs[f.Target][f.Partition], f.Value)
		}
		for _, late := range r.fx.Late {
			r.c.Late = append(r.c.Late, Place{r.l.source.Stream, r.l.source.Partition, late.Offset})
		}
	})
	r.fx.Reset()
	return err
}

func (r *routing) keep() error { return nil }
func (r *routing) done() bool {
	return r.epoch == r.l.epoch && r.l.routed.Next == int64(len(r.l.source.Values))
}
func (r *routing) close() error { return nil }

// keyed is a tenure of a keyed task, with a database and checkpoints.
type keyed struct {
	seat
	kept    *checkpoint.Kept
	task    *task.Task
	decoder route.Decoder
	eff     task.Effects
	alerts  []alert.Alert // since the last commit, as are the next two
	views   []string
	journal []task.Entry
	save    func(context.Context) error // of a checkpoint whose files are not stored yet
}

// newKeyed restores the newest whole checkpoint and replays to what was
// committed.
func newKeyed(s seat, m *member) (*keyed, error) {
	k := &keyed{seat: s}
	keeper := checkpoint.NewKeeper(checkpoint.Options{
		Blobs: s.c.blobs, FS: m.fs, Dir: fmt.Sprintf("work-%s-%d", m.name, s.epoch), Build: "test", Keep: 2, CacheBytes: 1 << 16, MemTableBytes: 1 << 16,
		State: state.Options{Keys: 2, Timers: 4}, Rejected: func(string) { s.c.Seen["checkpoint passed over"]++ },
	})
	conf := task.Config{Keyed: true, Resolver: s.c.Set,
		Owns: func(key []byte) bool { return route.PartitionOf(key, s.c.Partitions) == s.l.part }}
	var err error
	if k.kept, err = keeper.Open(context.Background(), s.l.name, conf); err != nil {
		return nil, err
	}
	k.task = k.kept.Task()
	if k.task.Position() != (task.Position{}) {
		s.c.Seen["restore"]++
	}
	k.decoder = route.Decoder{Event: k.task.NewEvent, Schema: schemasOf(s.c.Set)}
	if err := k.replay(); err != nil {
		return nil, errors.Join(err, k.kept.Close())
	}
	return k, nil
}

func (k *keyed) replay() error {
	recovery, err := task.Recover(k.task, k.l.progress, k.l.journal)
	for err == nil && !recovery.Done() {
		var rec *task.Record
		if rec, err = k.next(); err == nil {
			_, err = recovery.Step(rec)
		}
	}
	if err != nil || len(k.task.Set().Streams) > 0 {
		return err
	}
	err = k.task.Apply(task.Entry{Kind: task.Switch, Set: k.c.Set.Restrict(k.l.input).Names()}, &k.eff)
	k.take()
	return err
}

// next is the record at the task's position; nil when the log ends before.
func (k *keyed) next() (*task.Record, error) {
	log, at := k.c.logs[k.l.input][k.l.part], k.task.Position().Offset
	if at >= int64(len(log)) {
		return nil, nil
	}
	rec := &task.Record{Offset: at, Frame: &task.Frame{}}
	return rec, k.decoder.Decode(log[at], rec.Frame)
}

func (k *keyed) step() error {
	rec, err := k.next()
	if rec == nil || err != nil {
		return err
	}
	err = k.task.Step(rec, &k.eff)
	k.take()
	return err
}

func (k *keyed) take() {
	k.alerts = append(k.alerts, k.eff.Alerts...)
	k.views = append(k.views, viewsOf(&k.eff)...)
	k.journal = append(k.journal, k.eff.Journal...)
	k.eff.Reset()
}

func (k *keyed) commit() error {
	return k.transaction(func() {
		k.c.Alerts = append(k.c.Alerts, k.alerts...)
		k.c.Views = append(k.c.Views, k.views...)
		k.l.journal = append(k.l.journal, k.journal...)
		k.l.progress = k.task.Progress()
		k.alerts, k.views, k.journal = nil, nil, nil
	})
}

// keep commits and cuts a checkpoint, or stores the one that was cut before.
func (k *keyed) keep() (err error) {
	if k.save != nil {
		save := k.save
		k.save = nil
		k.kept.Copy(math.MaxInt)
		outcome := "checkpoint"
		if save(context.Background()) != nil {
			outcome = "checkpoint failed" // the task goes on without it
		}
		k.c.Seen[outcome]++
		return nil
	}
	if err = k.commit(); err == nil {
		k.save, err = k.kept.Cut()
	}
	return err
}

func (k *keyed) done() bool {
	return k.epoch == k.l.epoch && k.l.progress.Position.Offset == int64(len(k.c.logs[k.l.input][k.l.part]))
}

func (k *keyed) close() error { return k.kept.Close() }
