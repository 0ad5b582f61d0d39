// Package backtest runs rules over what Kafka still holds of their source
// topics, beside the live engine: with readers of its own, state of its own and
// no output but its result. It drives engine/task as the live engine does. What
// a clock decides there (a silent partition, a record stamped in the future) is
// derived here from the times of the records, so that a second run over the
// same spans gives the same alerts.
package backtest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caltrop/caltrop/engine/avro"
	"github.com/caltrop/caltrop/engine/state"
	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
	"golang.org/x/sync/errgroup"
)

// A Plan says what to run over what. Set and History are required, or Live.
type Plan struct {
	Set     *rules.Set
	History History
	// Live, where it is not nil, asks for what the live tasks did: they are run
	// again from their own logs and journals, with the rules that each had at each
	// place, and their alerts are compared with those that were written. Set,
	// History and Lead do not count.
	Live *Live
	// Schemas are those of streams with format avro; nil: there are none.
	Schemas avro.Schemas
	// From and To bound the alerts: those with From <= at < To are wanted. Reading
	// ends where the watermark has passed To. A zero From means the oldest record
	// that is kept, a zero To the present end.
	From, To time.Time
	// Lead is how far before From reading begins, so that a match that began
	// before is found; 0 means as far as the rules can look back (Lead).
	Lead time.Duration
	// Parallel is how many partitions run at once; 0 means 1.
	Parallel int
	// Share is the part of the time for which each of them may work, up to 1; 0
	// means 1.
	Share float64
	// Bytes is the budget of all state in the heap; 0 means BytesDefault. What is
	// over it goes to Dir.
	Bytes int64
	// Dir takes state files; it is made and must be empty.
	Dir string
	// AlertsMax bounds the alerts that are kept; 0 means AlertsMax.
	AlertsMax int
}

// The bounds of a plan that names none.
const (
	BytesDefault = 256 << 20
	AlertsMax    = 1 << 20
)

// A Result is what a plan came to. It is a function of the plan's documents and
// of the records of its inputs.
type Result struct {
	Alerts []alert.Alert // every version, by lane and in the order they were raised
	Inputs []Input       // by topic and partition
	Rules  []RuleTotals  // by name
	Live   *Comparison   // nil: nothing was compared
}

// Suppressed returns the suppressed matches of each rule.
func (r *Result) Suppressed() map[string]uint64 {
	counts := map[string]uint64{}
	for _, t := range r.Rules {
		counts[t.Name] = t.Counts.Suppressed
	}
	return counts
}

// An Input is what was read of one partition.
type Input struct {
	Topic      string `json:"topic"`
	Partition  int32  `json:"partition"`
	From       int64  `json:"from_offset"`
	To         int64  `json:"to_offset"` // exclusive
	Records    uint64 `json:"records"`
	Hash       string `json:"hash"` // of the records' offsets, times, keys and values
	Accepted   uint64 `json:"accepted"`
	Late       uint64 `json:"late"`
	Duplicates uint64 `json:"duplicates"`
	Dead       uint64 `json:"dead"`
}

// RuleTotals are what one rule came to over all lanes, the lead included.
type RuleTotals struct {
	Name   string
	Counts task.RuleCounts
}

// Progress tells how far a run is. It is safe for concurrent use.
type Progress struct{ read, total atomic.Int64 }

// Of returns the offsets read and those there are to read; 0, 0 before the
// spans are known.
func (p *Progress) Of() (read, total int64) { return p.read.Load(), p.total.Load() }

// ErrTooMany is the error of a run whose alerts are more than the plan keeps.
var ErrTooMany = errors.New("too many alerts: narrow the rules or the time")

// Run runs the plan until all spans are read or ctx ends. progress may be nil.
func Run(ctx context.Context, p Plan, progress *Progress) (*Result, error) {
	if progress == nil {
		progress = &Progress{}
	}
	p = p.withDefaults()
	if p.Live != nil {
		return p.repeat(ctx, progress)
	}
	lanes, err := p.lanes(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range lanes {
		for _, in := range l.inputs {
			progress.total.Add(in.span.To - in.span.From)
		}
	}
	kept := p.basket()
	err = p.each(ctx, len(lanes), func(ctx context.Context, i int) error {
		if err := lanes[i].run(ctx, &p, progress, kept); err != nil {
			return fmt.Errorf("%s: %w", lanes[i].name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return gather(lanes), nil
}

// each calls do with 0 to n-1, as many at once as the plan allows. A panic is
// an error: beside a live engine a backtest must not end the process.
func (p *Plan) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.Parallel)
	for i := range n {
		g.Go(func() (err error) {
			defer func() {
				if v := recover(); v != nil {
					err = &panicError{v, debug.Stack()}
				}
			}()
			return do(ctx, i)
		})
	}
	return g.Wait()
}

// openState opens the state of one of the tasks that run at once.
func (p *Plan) openState(name string) (*state.Store, error) {
	share := p.Bytes / int64(p.Parallel)
	store, err := state.Open(state.Disk{Dir: filepath.Join(p.Dir, name), CacheBytes: share / 4}, state.Options{Bytes: int(share) * 3 / 4})
	if err != nil {
		return nil, fmt.Errorf("opening state: %w", err)
	}
	return store, nil
}

// A basket takes the alerts that the plan wants. It is safe for concurrent use.
type basket struct {
	most     int64
	kept     atomic.Int64
	from, to int64 // µs; alerts outside are not wanted; 0: no bound
}

func (p *Plan) basket() *basket {
	b := &basket{most: int64(p.AlertsMax)}
	if !p.From.IsZero() {
		b.from = p.From.UnixMicro()
	}
	if !p.To.IsZero() {
		b.to = p.To.UnixMicro()
	}
	return b
}

// wants reports whether an alert of that time lies in the plan's.
func (b *basket) wants(at int64) bool { return at >= b.from && (b.to == 0 || at < b.to) }

// put adds those raised that are wanted to the alerts of one task.
func (b *basket) put(alerts *[]alert.Alert, raised []alert.Alert) error {
	for i := range raised {
		if !b.wants(raised[i].At) {
			continue
		}
		if b.kept.Add(1) > b.most {
			return ErrTooMany
		}
		*alerts = append(*alerts, raised[i])
	}
	return nil
}

func (p Plan) withDefaults() Plan {
	if p.Parallel == 0 {
		p.Parallel = 1
	}
	if p.Share == 0 {
		p.Share = 1
	}
	if p.Bytes == 0 {
		p.Bytes = BytesDefault
	}
	if p.AlertsMax == 0 {
		p.AlertsMax = AlertsMax
	}
	if p.Lead == 0 && p.Live == nil {
		p.Lead = Lead(p.Set)
	}
	return p
}

// lanes lays out the tasks: for rules whose key is their stream's partition key
// one a partition, for the others one a key, over all partitions of all their
// streams.
func (p *Plan) lanes(ctx context.Context) ([]*lane, error) {
	var lanes []*lane
	for _, st := range p.Set.Streams {
		part := p.Set.Restrict(st.Doc.Name)
		if len(part.Rules) == 0 {
			continue
		}
		inputs, err := p.inputs(ctx, st)
		if err != nil {
			return nil, err
		}
		for _, in := range inputs {
			lanes = append(lanes, &lane{name: fmt.Sprintf("%s-%d", st.Doc.Name, in.Partition), set: part, inputs: []*input{in}})
		}
	}
	for _, log := range p.Set.KeyedLogs() {
		l := &lane{name: log.Input, keyed: true, set: p.Set.Restrict(log.Input)}
		for _, s := range log.Streams {
			inputs, err := p.inputs(ctx, s.Stream)
			if err != nil {
				return nil, err
			}
			l.inputs = append(l.inputs, inputs...)
		}
		lanes = append(lanes, l)
	}
	return lanes, nil
}

// inputs returns the partitions of a stream's topic.
func (p *Plan) inputs(ctx context.Context, st *rules.Stream) ([]*input, error) {
	spans, err := p.spans(ctx, st)
	if err != nil {
		return nil, err
	}
	inputs := make([]*input, len(spans))
	for i, span := range spans {
		inputs[i] = &input{span: span, stream: st.Doc.Name, of: len(spans)}
		inputs[i].Input = Input{Topic: st.Doc.Topic, Partition: span.Partition, From: span.From, To: span.To}
	}
	return inputs, nil
}

// spans pins what may be read of a stream's topic.
func (p *Plan) spans(ctx context.Context, st *rules.Stream) ([]Span, error) {
	from := p.From
	if !from.IsZero() {
		from = from.Add(-p.Lead)
	}
	spans, err := p.History.Spans(ctx, st.Doc.Topic, from)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", st.Doc.Name, err)
	}
	return spans, nil
}

func gather(lanes []*lane) *Result {
	r := &Result{}
	totals := map[string]task.RuleCounts{}
	for _, l := range lanes {
		r.Alerts = append(r.Alerts, l.alerts...)
		for _, in := range l.inputs {
			r.Inputs = append(r.Inputs, in.Input)
		}
		addCounts(totals, l.rules)
	}
	r.Rules = sorted(totals)
	return r
}

func addCounts(totals, more map[string]task.RuleCounts) {
	for name, c := range more {
		sum := totals[name]
		sum.Add(c)
		totals[name] = sum
	}
}

func sorted(totals map[string]task.RuleCounts) []RuleTotals {
	var all []RuleTotals
	for name, c := range totals {
		all = append(all, RuleTotals{name, c})
	}
	slices.SortFunc(all, func(a, b RuleTotals) int { return strings.Compare(a.Name, b.Name) })
	return all
}
