package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caltrop/caltrop/engine/checkpoint"
	"github.com/caltrop/caltrop/engine/route"
	"github.com/caltrop/caltrop/rules"
)

// Errors of Engine.Rescale, besides those of writing the rules log.
var (
	// ErrNotKeyed: the job has no keyed logs.
	ErrNotKeyed = errors.New("no rule of the job runs over a keyed log: direct rules have the partitions of their stream's topic")
	// ErrRescaling: the one before is not done.
	ErrRescaling = errors.New("a rescale of the job is under way")
	// ErrScale is matched by errors that say which partitions there could be.
	ErrScale = errors.New("that many partitions are not possible")
)

// generationsLooked bounds the search for a generation that no topic has.
const generationsLooked = 1000

// A Rescaling is how far the newest generation of a job's keyed logs is.
type Rescaling struct {
	rules.Scale
	Writers, Left  int   // source partitions that write to keyed logs, by log; those that have left the earlier ones
	Leaving, Seals int   // tasks of the earlier logs; those that have left their state
	Tasks, Moved   int   // tasks of the new logs; those that have a checkpoint of their own
	Err            error // why the last look failed; nil: it did not
}

// Rescale asks for keyed logs of so many partitions: a multiple of what each has,
// so that the keys of one task go to tasks that take only from it. All processes
// of the job read it in the rules log. It returns when this one has.
func (e *Engine) Rescale(ctx context.Context, partitions int, now time.Time) (*rules.Scale, error) {
	var asked *rules.Scale
	err := e.rules.Rescale(ctx, e.cluster.opts.Job, func(set *rules.Set) (*rules.Scale, error) {
		was := e.cluster.scale(set)
		if was != nil && was.Done.IsZero() {
			return nil, fmt.Errorf("%w, to %d partitions, since %s", ErrRescaling, was.Partitions, was.Asked.Format(time.RFC3339))
		}
		next, err := e.cluster.planScale(set, partitions)
		if err != nil {
			return nil, err
		}
		next.Asked = now.UTC().Truncate(time.Microsecond)
		asked = next
		return next, nil
	})
	if err != nil {
		return nil, err
	}
	return asked, nil
}

// planScale is the scale that would be asked for now.
func (c *Cluster) planScale(set *rules.Set, partitions int) (*rules.Scale, error) {
	logs := set.KeyedLogs()
	if len(logs) == 0 {
		return nil, ErrNotKeyed
	}
	if partitions < 1 || partitions > keyedPartitionsMax {
		return nil, fmt.Errorf("%w: %d; 1 to %d are", ErrScale, partitions, keyedPartitionsMax)
	}
	before, _ := c.keyedAt(set)
	s := &rules.Scale{Job: c.opts.Job, Base: c.opts.Generation, Before: before, Partitions: partitions}
	grows := false
	for _, l := range logs {
		if l.Salts > 0 {
			return nil, fmt.Errorf("%w while a rule with hot_keys runs in two stages (log %s): delete it first, or retire it", ErrScale, l.Input)
		}
		m, err := c.planMove(l, before, partitions)
		if err != nil {
			return nil, err
		}
		if m.From > 0 { // there is something to leave
			s.Moves = append(s.Moves, m)
			grows = grows || m.From != partitions
		}
	}
	if !grows {
		return nil, fmt.Errorf("%w: the keyed logs have %d partitions already, or none yet", ErrScale, partitions)
	}
	var err error
	s.Generation, err = c.freeGeneration(logs, before+1)
	return s, err
}

func (c *Cluster) planMove(l rules.KeyedLog, before, partitions int) (rules.LogMove, error) {
	m := rules.LogMove{Log: l.Input}
	var err error
	if m.From, err = c.Partitions(c.Topics().Keyed(l.Input, before)); err != nil {
		return m, err
	}
	if m.From > 0 && partitions%m.From != 0 {
		return m, fmt.Errorf("%w: log %s has %d partitions, and each is divided into as many as the others: %d, %d, %d and so on are; fewer are not",
			ErrScale, l.Input, m.From, 2*m.From, 3*m.From, 4*m.From)
	}
	for _, st := range l.Streams {
		w := rules.Writer{Stream: st.Stream.Doc.Name}
		if w.Partitions, err = c.Partitions(st.Stream.Doc.Topic); err != nil {
			return m, err
		}
		m.Writers = append(m.Writers, w)
	}
	return m, nil
}

// freeGeneration is the first from at on of which no log has a topic.
func (c *Cluster) freeGeneration(logs []rules.KeyedLog, at int) (int, error) {
	for end := at + generationsLooked; at < end; at++ {
		free := true
		for _, l := range logs {
			for _, topic := range []string{c.Topics().Keyed(l.Input, at), c.Topics().Progress(l.Input, at)} {
				n, err := c.Partitions(topic)
				if err != nil {
					return 0, err
				}
				free = free && n == 0
			}
		}
		if free {
			return at, nil
		}
	}
	return 0, fmt.Errorf("%w: topics of %d generations are there", ErrScale, generationsLooked)
}

// taken says that the generation that the job is configured with is one that a
// rescale has made; nil: it is not.
func (e *Engine) taken(set *rules.Set) error {
	own := e.cluster.opts.Generation
	s := set.Taken(e.cluster.opts.Job, own)
	if s == nil {
		return nil
	}
	return fmt.Errorf("generation %d of job %s was made by a rescale of generation %d: configure %d, or more than %d", own, s.Job, s.Base, s.Base, s.Generation)
}

// Rescaling returns how far the newest generation is; nil where there was no
// rescale.
func (e *Engine) Rescaling() *Rescaling {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mu.rescaling
}

// followRescale looks, until ctx ends, how far a rescale has come, and ends it when
// every task has moved. Each process does.
func (e *Engine) followRescale(ctx context.Context) {
	var seen movers
	for ; ctx.Err() == nil; pause(ctx, watchEvery/2) {
		set := e.rules.Current()
		s := e.cluster.scale(set)
		if s == nil {
			continue
		}
		if !seen.of(s) {
			seen = movers{generation: s.Generation, left: map[place]bool{}, moved: map[TaskID]bool{}}
		}
		r := &Rescaling{Scale: *s}
		if !s.Done.IsZero() {
			r.total()
		} else {
			if r.Err = e.lookAt(ctx, set, r, &seen); r.Err == nil && r.Moved == r.Tasks {
				r.Err = e.moved(ctx, s)
			}
		}
		e.mu.Lock()
		e.mu.rescaling = r
		e.mu.Unlock()
	}
}

// total counts all of a rescale that is done.
func (r *Rescaling) total() {
	for _, m := range r.Moves {
		for _, w := range m.Writers {
			r.Writers += w.Partitions
		}
		r.Leaving += m.From
		r.Tasks += r.Partitions
	}
	r.Left, r.Seals, r.Moved = r.Writers, r.Leaving, r.Tasks
}

// movers are those of a rescale of whom nothing more need be asked.
type movers struct {
	generation int
	left       map[place]bool // source partitions, by progress topic
	moved      map[TaskID]bool
}

func (m *movers) of(s *rules.Scale) bool { return m.generation == s.Generation }

// lookAt counts who has moved.
func (e *Engine) lookAt(ctx context.Context, set *rules.Set, r *Rescaling, seen *movers) error {
	seals, err := e.opts.Keeper.Sealed(checkpoint.SealOf(r.Job, r.Generation))
	if err != nil {
		return err
	}
	for _, m := range r.Moves {
		log := set.KeyedLog(m.Log)
		if len(log.Streams) == 0 { // no rule needs it any more
			continue
		}
		for _, w := range m.Writers {
			if !log.Reads(w.Stream) {
				continue
			}
			for p := range int32(w.Partitions) {
				left, err := e.hasLeft(ctx, w.Stream, p, r.Generation, seen)
				if err != nil {
					return err
				}
				r.Writers++
				r.Left += count(left)
			}
		}
		for p := range int32(m.From) {
			r.Leaving++
			r.Seals += count(slices.Contains(seals, TaskID{Input: m.Log, Partition: p}.Part()))
		}
		for p := range int32(r.Partitions) {
			id := TaskID{Job: r.Job, Input: m.Log, Generation: r.Generation, Partition: p}
			if !seen.moved[id] {
				if seen.moved[id], err = e.opts.Keeper.Checkpointed(id.String()); err != nil {
					return err
				}
			}
			r.Tasks++
			r.Moved += count(seen.moved[id])
		}
	}
	return nil
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// hasLeft reports whether the routing task of a source partition writes to a
// generation of keyed logs, or a later one.
func (e *Engine) hasLeft(ctx context.Context, stream string, partition int32, generation int, seen *movers) (bool, error) {
	at := place{e.cluster.Topics().Progress(routePrefix+stream, e.cluster.opts.Generation), partition}
	if seen.left[at] {
		return true, nil
	}
	m, err := e.cluster.last(ctx, at.topic, partition)
	if err != nil || m == nil {
		return false, err
	}
	p, err := route.DecodeProgress(m.Value)
	seen.left[at] = err == nil && p.Generation >= generation
	return seen.left[at], err
}

// moved writes that a rescale is done. What no rule needed any more is not moved:
// it begins anew when one does.
func (e *Engine) moved(ctx context.Context, s *rules.Scale) error {
	return e.rules.Rescale(ctx, s.Job, func(set *rules.Set) (*rules.Scale, error) {
		now := e.cluster.scale(set)
		if now == nil || now.Generation != s.Generation || !now.Done.IsZero() {
			return nil, nil // another process was first
		}
		done := *now
		done.Done = time.Now().UTC().Truncate(time.Microsecond)
		done.Moves = slices.DeleteFunc(slices.Clone(now.Moves), func(m rules.LogMove) bool { return len(set.KeyedLog(m.Log).Streams) == 0 })
		return &done, nil
	})
}
