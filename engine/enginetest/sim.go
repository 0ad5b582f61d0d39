package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
)

// Committed is what a run has made durable. It changes as a whole, when a
// transaction commits.
type Committed struct {
	Alerts   [][]byte // JSON, in order
	Views    []string // updates, JSON and whether a tombstone follows, in order
	Late     []string
	Dead     []string
	Journal  []task.Entry
	Progress task.Progress
}

func (c *Committed) add(t *transaction, p task.Progress) {
	c.Alerts = append(c.Alerts, t.alerts...)
	c.Views = append(c.Views, t.views...)
	c.Late = append(c.Late, t.late...)
	c.Dead = append(c.Dead, t.dead...)
	c.Journal = append(c.Journal, t.journal...)
	c.Progress = p
}

// Difference describes the first difference between two runs, "" for none.
func (c *Committed) Difference(want *Committed) string {
	for i := range max(len(c.Alerts), len(want.Alerts)) {
		switch {
		case i >= len(c.Alerts):
			return fmt.Sprintf("alert %d is lost: %s", i, want.Alerts[i])
		case i >= len(want.Alerts):
			return fmt.Sprintf("alert %d is one too many: %s", i, c.Alerts[i])
		case !bytes.Equal(c.Alerts[i], want.Alerts[i]):
			return fmt.Sprintf("alert %d\n got %s\nwant %s", i, c.Alerts[i], want.Alerts[i])
		}
	}
	if d := firstDifference("update of a view", c.Views, want.Views); d != "" {
		return d
	}
	if d := firstDifference("late record", c.Late, want.Late); d != "" {
		return d
	}
	if d := firstDifference("dead letter", c.Dead, want.Dead); d != "" {
		return d
	}
	if c.Progress != want.Progress {
		return fmt.Sprintf("progress %+v, want %+v", c.Progress, want.Progress)
	}
	return ""
}

func firstDifference(what string, got, want []string) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return fmt.Sprintf("%s %d of %d, want %d\n got %s\nwant %s", what, i, len(got), len(want), at(got, i), at(want, i))
		}
	}
	return ""
}

func at(lines []string, i int) string {
	if i >= len(lines) {
		return "none"
	}
	return lines[i]
}

// errCrash ends an incarnation: the process is gone.
var errCrash = errors.New("crash")

// Sim runs a script through incarnations of a driver.
type Sim struct {
	Script *Script
	// Crash decides at every point whether the process dies there; nil: never.
	Crash func(Point) bool
	// Keys bounds the cache of the state; 0: no bound. Memory: no database, no
	// checkpoints.
	Keys   int
	Memory bool
	// Copies: no database; checkpoints are copies of a state of maps.
	Copies bool
	// CheckpointEvery and CommitEvery are mean numbers of steps between two.
	CheckpointEvery, CommitEvery int

	Committed Committed
	Crashes   int
	Saved     int // checkpoints
	Rejected  int // checkpoints passed over at a restore
	Replayed  int // records
	Warmed    int // rules

	rand  *rand.Rand
	blobs *vfs.MemFS
	saved *copied
}

// A copied is a checkpoint in memory.
type copied struct {
	snapshot []byte
	state    *plain
}

// A Point is a moment at which a process may die.
type Point struct {
	Name   string // "step", "before-txn-commit", "after-txn-commit" or a checkpoint.Point
	Offset int64  // of the record just read
	Seq    uint64 // of the journal entry just applied
}

// A transaction is what has been done since the last commit.
type transaction struct {
	alerts     [][]byte
	views      []string
	late, dead []string
	journal    []task.Entry
}

func (t *transaction) take(eff *task.Effects) {
	for i := range eff.Alerts {
		t.alerts = append(t.alerts, eff.Alerts[i].AppendJSON(nil))
	}
	t.views = append(t.views, viewsOf(eff)...)
	for _, r := range eff.Late {
		t.late = append(t.late, rejectedText(r))
	}
	for _, r := range eff.Dead {
		t.dead = append(t.dead, rejectedText(r))
	}
	t.journal = append(t.journal, eff.Journal...)
	eff.Reset()
}

func viewsOf(eff *task.Effects) (lines []string) {
	for i := range eff.Views {
		lines = append(lines, fmt.Sprintf("%s %t", eff.Views[i].AppendJSON(nil), eff.Views[i].Gone))
	}
	return lines
}

func rejectedText(r task.Rejected) string {
	return fmt.Sprintf("%d/%d %s %s %d", r.Source, r.Offset, r.Reason, r.Detail, r.Time)
}

// Run plays the whole script. It returns once everything is committed.
func (s *Sim) Run() error {
	s.rand = rand.New(rand.NewPCG(s.Script.Seed, 11))
	if !s.Memory && !s.Copies {
		s.blobs = vfs.NewCrashableMem()
	}
	for {
		err := s.live()
		if !errors.Is(err, errCrash) {
			return err
		}
		s.Crashes++
		if s.blobs == nil {
			continue
		}
		s.blobs = s.blobs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: s.rand.IntN(3) * 50, RNG: s.rand})
	}
}

// An incarnation is one process.
type incarnation struct {
	*Sim
	kept *checkpoint.Kept
	task *task.Task
	tx   transaction
	eff  task.Effects
	mem  *plain
	save func(context.Context) error // of a checkpoint whose files are not stored yet
	due  int                         // steps until it is
}

// live runs one process from its start to its death or the script's end.
func (s *Sim) live() (err error) {
	p := &incarnation{Sim: s}
	if err := p.open(); err != nil {
		return err
	}
	defer func() {
		if p.kept != nil {
			err = errors.Join(err, p.kept.Close())
		}
	}()
	next, err := p.recover()
	if err != nil {
		return err
	}
	for ; next < len(s.Script.Records); next++ {
		if err := p.step(&s.Script.Records[next]); err != nil {
			return err
		}
	}
	if err := p.act(); err != nil {
		return err
	}
	return p.commit()
}

func (p *incarnation) config() task.Config {
	return task.Config{Sources: p.Script.Sources, Resolver: p.Script.Library}
}

func (p *incarnation) open() error {
	if p.Copies {
		return p.openCopy()
	}
	if p.Memory {
		conf := p.config()
		conf.State = state.NewMemory()
		p.task = task.New(conf)
		return nil
	}
	dir, err := checkpoint.NewDirectory(p.blobs, "kept")
	if err != nil {
		return err
	}
	k := checkpoint.NewKeeper(checkpoint.Options{
		Blobs: dir, FS: vfs.NewMem(), Dir: "work", Build: "test", Keep: 2, CacheBytes: 1 << 20, MemTableBytes: 1 << 16,
		State:    state.Options{Keys: p.Keys, Timers: 4},
		Rejected: func(string) { p.Rejected++ },
		Fail:     func(at checkpoint.Point) error { return p.point(string(at)) },
	})
	if p.kept, err = k.Open(context.Background(), "job.payments.g1.3", p.config()); err != nil {
		return err
	}
	p.task = p.kept.Task()
	return nil
}

func (p *incarnation) openCopy() (err error) {
	conf := p.config()
	if p.saved == nil {
		p.mem = newPlain()
		conf.State = p.mem
		p.task = task.New(conf)
		return nil
	}
	p.mem = p.saved.state.clone()
	conf.State = p.mem
	p.task, err = task.Restore(conf, p.saved.snapshot)
	return err
}

func (p *incarnation) point(name string) error {
	if p.Crash == nil {
		return nil
	}
	at := task.Position{}
	if p.task != nil { // it is not restored yet
		at = p.task.Position()
	}
	if p.Crash(Point{Name: name, Offset: at.Offset - 1, Seq: at.Seq}) {
		return errCrash
	}
	return nil
}

// recover replays to the committed progress and returns the index of the
// first record to read live.
func (p *incarnation) recover() (next int, err error) {
	r, err := task.Recover(p.task, p.Committed.Progress, p.Committed.Journal)
	if err != nil {
		return 0, err
	}
	for next = range p.Script.Records {
		rec := p.Script.Records[next]
		if rec.Offset < p.task.Position().Offset {
			continue
		}
		replayed, err := r.Step(&rec)
		if err != nil {
			return 0, err
		}
		if !replayed {
			return next, nil
		}
		p.Replayed++
	}
	if r.Done() {
		return len(p.Script.Records), nil
	}
	return 0, fmt.Errorf("the log ended before the committed progress %+v", p.Committed.Progress)
}

// step does what the script wants before a record, then reads it.
func (p *incarnation) step(rec *task.Record) error {
	if err := p.act(); err != nil {
		return err
	}
	r := *rec
	if err := p.task.Step(&r, &p.eff); err != nil {
		return err
	}
	return p.after()
}

// act applies the acts of this position that are not in the journal yet.
func (p *incarnation) act() error {
	at := p.task.Position().Offset
	acts := p.Script.Acts[at]
	done := 0
	for _, e := range slices.Concat(p.Committed.Journal, p.tx.journal) {
		if e.Kind != task.Clock && e.Kind != task.Imported && e.At == at {
			done++
		}
	}
	for ; done < len(acts); done++ {
		if err := p.apply(acts[done]); err != nil {
			return err
		}
		if err := p.after(); err != nil {
			return err
		}
	}
	return nil
}

func (p *incarnation) after() error {
	p.tx.take(&p.eff)
	if err := p.point("step"); err != nil {
		return err
	}
	if p.rand.IntN(p.CommitEvery) == 0 {
		if err := p.commit(); err != nil {
			return err
		}
	}
	return p.checkpoint()
}

func (p *incarnation) commit() error {
	if err := p.point("before-txn-commit"); err != nil {
		return err
	}
	p.Committed.add(&p.tx, p.task.Progress())
	p.tx = transaction{}
	return p.point("after-txn-commit")
}

// checkpoint begins one now and then, and stores one that is under way some
// steps later, as a background upload does.
func (p *incarnation) checkpoint() error {
	if p.save != nil {
		if p.due--; p.due > 0 {
			p.kept.Copy(p.rand.IntN(3))
			return nil
		}
		p.kept.Copy(math.MaxInt)
		save := p.save
		p.save = nil
		p.Saved++
		return save(context.Background())
	}
	if p.Memory || p.rand.IntN(p.CheckpointEvery) > 0 {
		return nil
	}
	if err := p.commit(); err != nil {
		return err
	}
	if p.Copies {
		p.saved = &copied{p.task.Snapshot(), p.mem.clone()}
		p.Saved++
		return nil
	}
	save, err := p.kept.Cut()
	p.save, p.due = save, p.rand.IntN(6)
	return err
}
