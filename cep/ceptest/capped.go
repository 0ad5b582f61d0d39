package ceptest

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
)

// Capped returns what the rule must raise for one key's events, in key order,
// when it may have no more than limits.runs_per_key runs (language §5): past
// it the oldest start is dropped, with a trailing absence the newest, and the
// key's alerts say so until it has no run. Only chains are judged, single steps
// with "->" between and absences: they have one run a start.
func (o *Oracle) Capped(events []*event.Event, covered int64) ([]Alert, error) {
	elements, err := o.chainOf()
	if err != nil {
		return nil, err
	}
	var alerts []Alert
	for _, h := range o.histories(events) {
		c := &cappedKey{o: o, e: newEnumerator(o, h, covered), elements: elements}
		c.run()
		alerts = append(alerts, c.alerts...)
	}
	return alerts, nil
}

// chainOf returns the elements of a pattern that is a chain.
func (o *Oracle) chainOf() ([]*syntax.Node, error) {
	p := o.rule.Pattern
	for _, n := range p.Sub {
		if p.Op != syntax.OpSeq || n.Op != syntax.OpStep && n.Op != syntax.OpNot || n.Quant != nil {
			return nil, fmt.Errorf("%s is no chain of single steps", p)
		}
	}
	if len(p.Sub) == 0 || p.Sub[0].Op != syntax.OpStep {
		return nil, fmt.Errorf("%s is no chain of single steps", p)
	}
	return p.Sub, nil
}

// cappedKey is one key under a limit of runs.
type cappedKey struct {
	o        *Oracle
	e        *enumerator
	elements []*syntax.Node
	runs     []chainRun // by start, oldest first
	dropped  bool
	alerts   []Alert
}

// A chainRun is one start's match so far.
type chainRun struct {
	d    *derivation
	next int // element that is awaited, absences passed
}

func (c *cappedKey) run() {
	for i := range c.e.h.events {
		c.fire(c.e.time(i))
		c.runs = slices.DeleteFunc(c.runs, func(r chainRun) bool {
			return c.o.within > 0 && c.e.time(i) >= c.e.time(r.d.first)+c.o.within
		})
		c.forget()
		c.take(i)
		c.forget()
	}
	c.fire(1<<63 - 1)
}

// forget makes a key without runs as good as new.
func (c *cappedKey) forget() { c.dropped = c.dropped && len(c.runs) > 0 }

// take gives one event to every run, and starts one.
func (c *cappedKey) take(i int) {
	var kept []chainRun
	var done []*match
	for _, r := range append(c.runs, chainRun{d: c.e.start()}) {
		r, alive := c.advance(r, i)
		switch {
		case !alive || r.d.first < 0:
		case r.next == len(c.elements) && len(r.d.wait.absent) == 0:
			done = append(done, &match{taken: r.d.taken, first: r.d.first, last: r.d.last, at: moment{c.e.time(i), i}})
		default:
			kept = append(kept, r)
		}
	}
	c.runs = kept
	c.raise(done)
	for len(c.runs) > c.o.rule.Limits.RunsPerKey {
		c.dropped = true
		if c.elements[len(c.elements)-1].Op == syntax.OpNot {
			c.runs = c.runs[:len(c.runs)-1]
		} else {
			c.runs = c.runs[1:]
		}
	}
}

// advance gives an event to a run; false ends it.
func (c *cappedKey) advance(r chainRun, i int) (chainRun, bool) {
	if r.next < len(c.elements) {
		if step := c.o.index[c.elements[r.next].Name]; c.e.holds(step, i, r.d) {
			r.d = r.d.bind(step, i)
			for r.next++; r.next < len(c.elements) && c.elements[r.next].Op == syntax.OpNot; r.next++ {
				r.d = forbid(r.d, c.o.index[c.elements[r.next].Name], syntax.Relaxed)
			}
			return r, true
		}
	}
	for _, a := range r.d.wait.absent {
		if c.e.holds(a.step, i, r.d) {
			return r, false
		}
	}
	return r, true
}

// fire raises the runs whose absence has held, up to a time.
func (c *cappedKey) fire(until int64) {
	for {
		var due []*match
		for _, r := range c.runs {
			if m := c.due(r); m != nil && m.deadline <= until && (len(due) == 0 || m.deadline <= due[0].deadline) {
				if len(due) > 0 && m.deadline < due[0].deadline {
					due = nil
				}
				due = append(due, m)
			}
		}
		if len(due) == 0 {
			return
		}
		c.runs = slices.DeleteFunc(c.runs, func(r chainRun) bool {
			return slices.ContainsFunc(due, func(m *match) bool { return m.first == r.d.first })
		})
		c.raise(due)
		c.forget()
	}
}

// due is the match that a run completes at its deadline; nil when it awaits
// another event.
func (c *cappedKey) due(r chainRun) *match {
	if r.next < len(c.elements) {
		return nil
	}
	m := &match{taken: r.d.taken, first: r.d.first, last: r.d.last, deadline: c.e.time(r.d.first) + c.o.within}
	for _, a := range r.d.wait.absent {
		if gap := c.o.steps[a.step].gap; gap > 0 {
			m.deadline = min(m.deadline, c.e.time(r.d.last)+gap)
		}
	}
	m.at = moment{m.deadline, deadlinesAt}
	return m
}

// raise makes alerts of the matches that complete together.
func (c *cappedKey) raise(done []*match) {
	done = slices.DeleteFunc(done, func(m *match) bool { return !c.o.havingHolds(c.e.h, m) })
	if c.o.rule.Emit != "all" && len(done) > 0 {
		widest := slices.MinFunc(done, compareWidth)
		if done = []*match{widest}; c.o.rule.AfterMatch.Kind != "no_skip" {
			c.runs = slices.DeleteFunc(c.runs, func(r chainRun) bool { return r.d.first <= widest.last })
		}
	}
	slices.SortStableFunc(done, compareTurn)
	for _, m := range done {
		a := c.o.alert(c.e.h, m)
		a.Capped = c.dropped
		c.alerts = append(c.alerts, a)
	}
}
