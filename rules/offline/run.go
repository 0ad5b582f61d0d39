// Package offline runs a set of rules over events that end, in memory and
// with no broker: it is what `caltrop match`, `rules test` and the
// conformance tests share. It drives engine/task, the same task that the
// engine runs, and adds nothing to its decisions.
package offline

import (
	"errors"
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
	"github.com/caltrop/caltrop/sinks/view"
)

// A Run is one task over one partition of every stream of a set. Events are
// given in arrival order; there is no now. It is used by one goroutine.
type Run struct {
	Alerts  []alert.Alert // every version so far, in the order they were raised
	Updates []view.Update // of views so far, in the order they were made; where Options asked for them

	views   bool
	read    func(id string)
	task    *task.Task
	state   *state.Store
	effects task.Effects
	record  task.Record
	sources map[*event.Schema]int
	last    *event.Schema // of the event before, which the next one is often like
	source  int           // its source
	offsets []int64       // next, by source
	next    int64
}

// Options change how a run begins.
type Options struct {
	// Covered lets the rules' states cover all time before the first event, as
	// in `tests`.
	Covered bool
	// Alerts lets Step take events of the stream alerts, as if rules that are
	// not in the set had raised them.
	Alerts bool
	// Views keeps the updates of views; without it they are dropped.
	Views bool
	// Read, where given, is told the id of each event that Step takes.
	Read func(id string)
}

// New starts a run of all rules and views of a set.
func New(set *rules.Set, o Options) (*Run, error) {
	memory := state.NewMemory()
	cfg := task.Config{Resolver: set, State: memory, Covered: o.Covered}
	streams := set.Streams
	if o.Alerts && set.Alerts != nil {
		streams = append(slices.Clone(streams), set.Alerts)
	}
	r := &Run{views: o.Views, read: o.Read, state: memory, sources: map[*event.Schema]int{}, offsets: make([]int64, len(streams))}
	for i, st := range streams {
		cfg.Sources = append(cfg.Sources, task.Source{Stream: st.Doc.Name})
		r.sources[st.Schema] = i
	}
	r.task = task.New(cfg)
	if err := r.task.Apply(task.Entry{Kind: task.Switch, Set: set.Names()}, &r.effects); err != nil {
		return nil, fmt.Errorf("starting the rules: %w", err)
	}
	r.effects.Reset()
	return r, nil
}

// NewEvent returns an empty event to fill and give to Step.
func (r *Run) NewEvent() *event.Event { return r.task.NewEvent() }

// errForeign is a fault of the caller: an event of a schema of another set.
var errForeign = errors.New("the event's stream is not in the set")

// Step takes one decoded event; its offset is its number in its stream. The
// run owns ev from here on.
func (r *Run) Step(ev *event.Event) error {
	if ev.Schema != r.last || r.last == nil {
		src, ok := r.sources[ev.Schema]
		if !ok {
			return errForeign
		}
		r.last, r.source = ev.Schema, src
	}
	if r.read != nil {
		r.read(r.idOf(ev))
	}
	r.record.Offset, r.record.Source, r.record.SourceOffset, r.record.Event = r.next, r.source, r.offsets[r.source], ev
	r.next++
	r.offsets[r.source]++
	if err := r.task.Step(&r.record, &r.effects); err != nil {
		return fmt.Errorf("event %d: %w", r.next, err)
	}
	r.collect()
	return nil
}

// idOf is the id that the task gives the next event.
func (r *Run) idOf(ev *event.Event) string {
	if ev.ID != "" {
		return ev.ID
	}
	at := task.Source{Stream: ev.Schema.Stream}
	return string(at.AppendID(nil, r.offsets[r.source]))
}

// Close ends event time: every deadline fires.
func (r *Run) Close() error {
	if err := r.task.Close(&r.effects); err != nil {
		return fmt.Errorf("closing event time: %w", err)
	}
	r.collect()
	return nil
}

// Counts returns what the run has read and refused.
func (r *Run) Counts() task.Counts { return r.task.Counts() }

// Rules returns what became of each rule.
func (r *Run) Rules() []task.RuleStatus { return r.task.Rules() }

func (r *Run) collect() {
	if !r.effects.Empty() {
		r.Alerts = append(r.Alerts, r.effects.Alerts...)
		if r.views {
			r.Updates = append(r.Updates, r.effects.Views...)
		}
		r.effects.Reset()
	}
}

// Memory returns the records that the rules' state holds and the heap they
// take, index and deadlines included.
func (r *Run) Memory() (records, bytes int) { return r.state.Len(), r.state.Bytes() }

// Keys returns how many of the records are of a key, and no page of it: a key
// counts once for each rule, or for all rules that share its record.
func (r *Run) Keys() int {
	return r.state.Count(func(slot uint32) bool { return !task.IsPage(slot) })
}
