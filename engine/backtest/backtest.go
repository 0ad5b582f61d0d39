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
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caltrop/caltrop/engine/task"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/sinks/alert"
	"golang.org/x/sync/errgroup"
)

// A Plan says what to run over what. Set and History are required.
type Plan struct {
	Set     *rules.Set
	History History
	// From and To bound the alerts: those with From <= at < To are wanted. Reading
	// ends where the watermark has passed To. A zero From means the oldest record
	// that is kept, a zero To the present end.
	From, To time.Time
	// Lead is how far before From reading begins, so that a match that began
	// before is found; 0 means as far as the rules can look back (Lead).
	Lead time.Duration
	// Parallel is how many partitions run at once; 0 means 1.
	Parallel int
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
	lanes, err := p.lanes(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range lanes {
		for _, in := range l.inputs {
			progress.total.Add(in.span.To - in.span.From)
		}
	}
	kept := &atomic.Int64{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.Parallel)
	for _, l := range lanes {
		g.Go(func() error {
			if err := l.run(ctx, &p, progress, kept); err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return gather(lanes), nil
}

func (p Plan) withDefaults() Plan {
	if p.Parallel == 0 {
		p.Parallel = 1
	}
	if p.Bytes == 0 {
		p.Bytes = BytesDefault
	}
	if p.AlertsMax == 0 {
		p.AlertsMax = AlertsMax
	}
	if p.Lead == 0 {
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
		for name, c := range l.rules {
			sum := totals[name]
			sum.Add(c)
			totals[name] = sum
		}
	}
	for name, c := range totals {
		r.Rules = append(r.Rules, RuleTotals{name, c})
	}
	slices.SortFunc(r.Rules, func(a, b RuleTotals) int { return strings.Compare(a.Name, b.Name) })
	return r
}
