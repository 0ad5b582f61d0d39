package prog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
)

// A resolver turns drafts into edges: it compiles each condition in the scope
// of the place where it is asked.
type resolver struct {
	c      *compiler
	b      *builder
	p      *Pattern
	before [][]bool // before[q][p]: p may come before q
	prior  [][]int  // prior[q]: the leaves that may come directly before q
	peers  map[string]map[string]bool
}

func (r *resolver) resolve(start []draft, follow [][]draft) {
	for q, l := range r.b.leaves {
		r.p.Positions = append(r.p.Positions, Position{
			Step: r.c.stepIndex(l.step),
			Pred: r.pred(l.step, r.visibleTo(q), r.peers[l.step], r.priorOf(l.step)),
			Gap:  r.c.step(l.step).Gap.Microseconds(),
		})
	}
	r.p.Start = r.edges(start, -1)
	for q := range follow {
		r.p.Follow = append(r.p.Follow, r.edges(follow[q], q))
	}
}

// visibleTo lists the steps that the condition of leaf q may read: those
// bound before, and the other terms of its conjunction.
func (r *resolver) visibleTo(q int) map[int]bool {
	set := r.visibleAt(q)
	for s := range r.peers[r.b.leaves[q].step] {
		set[r.c.stepIndex(s)] = true
	}
	return set
}

// visibleAt lists the steps that may be bound before leaf q, wherever its step
// stands in the same order of terms: a pattern that was spread names it more than
// once.
func (r *resolver) visibleAt(q int) map[int]bool {
	set := make(map[int]bool)
	for i, l := range r.b.leaves {
		if l.step != r.b.leaves[q].step || l.order != r.b.leaves[q].order {
			continue
		}
		for p, ok := range r.before[i] {
			if ok {
				set[r.c.stepIndex(r.b.leaves[p].step)] = true
			}
		}
	}
	return set
}

// priorOf lists the leaves that may come directly before a step, wherever it
// stands: none before the first event, where `prev` is an error.
func (r *resolver) priorOf(step string) (all []int) {
	for q, l := range r.b.leaves {
		if l.step == step {
			all = append(all, r.prior[q]...)
		}
	}
	return all
}

// pred returns the index of a step's condition compiled in one scope.
func (r *resolver) pred(step string, visible map[int]bool, peers map[string]bool, prior []int) int {
	c, s := r.c, r.c.step(step)
	stream, role := c.locate(step)
	if stream < 0 {
		return -1
	}
	sc := c.scope(c.rule.Streams[stream], visible, peers)
	sc.Prev, sc.Aggs = r.prevFields(prior), &c.aggs
	id := signature(step, sc)
	if i, ok := c.preds[id]; ok {
		return i
	}
	pred := Pred{Name: step, Stream: stream, Role: role, Unary: true}
	if s.Where != nil {
		cond, errs := expr.Compile(s.Where.Src, event.Bool, sc)
		c.exprErrors(s.Where, errs)
		if cond != nil {
			pred.Cond, pred.Unary = cond, len(cond.Reads.Steps) == 0 && !cond.Reads.Prev
		}
	}
	r.p.Preds = append(r.p.Preds, pred)
	c.preds[id] = len(r.p.Preds) - 1
	if pred.Unary { // whatever is visible, it is the same condition
		return r.sameUnary(len(r.p.Preds) - 1)
	}
	return len(r.p.Preds) - 1
}

// sameUnary merges a condition that reads no step with an earlier one of the
// same step.
func (r *resolver) sameUnary(i int) int {
	for j, p := range r.p.Preds[:i] {
		if p.Unary && p.Name == r.p.Preds[i].Name {
			r.p.Preds = r.p.Preds[:i]
			for id, k := range r.c.preds {
				if k == i {
					r.c.preds[id] = j
				}
			}
			return j
		}
	}
	return i
}

func signature(step string, sc *expr.Scope) string {
	var s strings.Builder
	s.WriteString(step)
	for _, v := range sc.Steps {
		fmt.Fprintf(&s, "|%d%v", v.Index, v.Many)
	}
	for _, f := range sc.Prev {
		s.WriteString("<" + f.Name)
	}
	return s.String()
}

// prevFields are the fields that all the leaves have with one type.
func (r *resolver) prevFields(prior []int) []event.Field {
	var fields []event.Field
	for n, p := range prior {
		schema := r.c.rule.Streams[r.p.Steps[r.c.stepIndex(r.b.leaves[p].step)].Stream]
		if n == 0 {
			fields = slices.Clone(schema.Fields)
			continue
		}
		fields = slices.DeleteFunc(fields, func(f event.Field) bool {
			i := schema.Index(f.Name)
			return i < 0 || schema.Fields[i].Type != f.Type
		})
	}
	return fields
}

// edges resolves the drafts that leave leaf from (-1: the start).
func (r *resolver) edges(drafts []draft, from int) []Edge {
	out := make([]Edge, 0, len(drafts))
	for i := range drafts {
		out = append(out, r.edge(&drafts[i], from))
	}
	return out
}

func (r *resolver) edge(d *draft, from int) Edge {
	e := Edge{Kind: d.kind, To: d.to, Join: d.join, Again: d.again, Guards: d.guards, Enter: d.enter, Cross: d.cross}
	visible, prior := map[int]bool{}, []int(nil)
	if from >= 0 {
		visible, prior = r.visibleAt(from), []int{from}
		visible[r.c.stepIndex(r.b.leaves[from].step)] = true
	}
	at := func(step string) int { return r.pred(step, visible, nil, prior) }
	for _, s := range d.lead {
		e.Leads = append(e.Leads, r.lead(s))
	}
	for _, n := range d.nots {
		r.absence(&e, n, at(n.step))
	}
	ends := func(step string) int { return r.pred(step, r.withBody(visible, step), nil, prior) }
	for _, u := range d.until {
		e.Until = append(e.Until, ends(u))
	}
	for _, u := range d.stop {
		e.Stop = append(e.Stop, ends(u))
	}
	for _, g := range d.greedy {
		gr := Greedy{Pred: r.p.Positions[g.leaf].Pred, Until: -1, Loop: g.loop}
		if g.until != "" {
			gr.Until = ends(g.until)
		}
		e.Greedy = append(e.Greedy, gr)
	}
	return e
}

// withBody adds the steps of the loops that `until step` ends: their events so
// far are visible to its condition, none before the first iteration.
func (r *resolver) withBody(visible map[int]bool, step string) map[int]bool {
	all := maps.Clone(visible)
	for _, l := range r.b.leaves {
		for _, i := range l.loops {
			if r.b.loops[i].quant.Until == step {
				all[r.c.stepIndex(l.step)] = true
			}
		}
	}
	return all
}

func (r *resolver) absence(e *Edge, n absence, pred int) {
	switch gap := r.c.step(n.step).Gap.Microseconds(); {
	case !n.next && e.Kind == AcceptDeadline && gap > 0 && (e.Gap == 0 || gap < e.Gap):
		e.Gap = gap
	}
	switch {
	case n.next:
		e.Next = append(e.Next, NextNot{Pred: pred, Loop: n.after})
	case n.after == within:
		e.Through = append(e.Through, pred)
	default:
		e.Between = append(e.Between, pred)
	}
}

func (r *resolver) lead(step string) int {
	span := r.c.step(step).Gap.Microseconds()
	if span == 0 {
		span = r.c.rule.Within
	}
	l := Lead{Pred: r.pred(step, nil, nil, nil), Span: span}
	if i := slices.Index(r.p.Leads, l); i >= 0 {
		return i
	}
	r.p.Leads = append(r.p.Leads, l)
	return len(r.p.Leads) - 1
}

// reach computes which leaves may come before each leaf.
func reach(follow [][]draft) [][]bool {
	n := len(follow)
	before := make([][]bool, n)
	for q := range before {
		before[q] = make([]bool, n)
	}
	var visit func(from, p int)
	visit = func(from, p int) {
		for _, d := range follow[p] {
			if d.kind == Take && !before[d.to][from] {
				before[d.to][from] = true
				visit(from, d.to)
			}
		}
	}
	for p := range follow {
		visit(p, p)
	}
	return before
}

// prior computes which leaves may come directly before each leaf.
func prior(follow [][]draft) [][]int {
	out := make([][]int, len(follow))
	for p, edges := range follow {
		for _, d := range edges {
			if d.kind == Take && !slices.Contains(out[d.to], p) {
				out[d.to] = append(out[d.to], p)
			}
		}
	}
	return out
}
