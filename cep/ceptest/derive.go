package ceptest

import (
	"slices"

	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A derivation is one way the pattern fits so far: which events the steps
// took, what is still forbidden before the next event, and every iteration of
// every loop. Values are never changed once made: each choice makes a new one.
type derivation struct {
	taken [][]int // by step: positions in the history, in order
	first int     // position of the first event, -1 before it
	last  int     // position of the last event, -1 before the first
	tail  tail
	wait  wait
	loops []iteration
}

// A tail is what a negation that follows the last element holds from.
type tail struct {
	from int   // the last element's event; of a loop its first event
	ends []int // the last element's event; of a loop the last event of each iteration from the minimum on
}

// A wait is what is forbidden until the next event is taken.
type wait struct {
	leading []int     // steps absent before the first event
	absent  []absence // "-> !x"
	next    []absence // ", !x"
	strict  bool      // the last negation was ", !x"
	greedy  []guard
}

// An absence forbids a step: with "->" strictly between from and the next
// event, with "," right after each of ends.
type absence struct {
	step int
	tail tail
}

// A guard is a greedy loop that ended at an event: nothing after it, up to and
// including the next event, may satisfy the loop.
type guard struct {
	step, until int // until is -1 when there is none
	from        int
}

// An iteration is one finished iteration of a loop.
type iteration struct {
	loop  *syntax.Node
	count int         // itself included
	start int         // the last event before it, -1 when there is none
	after *derivation // at its end
	watch []int
}

// An enumerator enumerates the derivations of a pattern over one history.
type enumerator struct {
	o       *Oracle
	h       *history
	end     int   // only events before this position exist
	covered int64 // for leading absence
	memo    [][]int8
	frame   expr.Frame
}

// A then is what follows an element: it is called once for each way the
// element fits.
type then func(*derivation)

func (e *enumerator) start() *derivation {
	return &derivation{taken: make([][]int, e.o.evidence), first: -1, last: -1}
}

// derive calls k for every way that node fits after d. Join is the operator
// before it; watch are the until steps that no event inside may satisfy.
func (e *enumerator) derive(n *syntax.Node, join syntax.Join, watch []int, d *derivation, k then) {
	switch n.Op {
	case syntax.OpStep, syntax.OpGroup:
		e.iterate(n, 0, join, watch, d, nil, k)
	case syntax.OpNot:
		k(forbid(d, e.o.index[n.Name], join))
	case syntax.OpSeq:
		e.sequence(n, 0, join, watch, d, k)
	case syntax.OpAlt:
		for _, branch := range n.Sub {
			e.derive(branch, join, watch, d, k)
		}
	case syntax.OpAnd:
		e.permute(n.Sub, join, watch, d, k)
	}
}

func (e *enumerator) sequence(n *syntax.Node, i int, join syntax.Join, watch []int, d *derivation, k then) {
	if i == len(n.Sub) {
		k(d)
		return
	}
	if i > 0 {
		join = n.Joins[i-1]
	}
	e.derive(n.Sub[i], join, watch, d, func(d *derivation) { e.sequence(n, i+1, join, watch, d, k) })
}

// permute is "a & b": every order, "->" between.
func (e *enumerator) permute(terms []*syntax.Node, join syntax.Join, watch []int, d *derivation, k then) {
	if len(terms) == 0 {
		k(d)
		return
	}
	for i, term := range terms {
		rest := slices.Concat(terms[:i], terms[i+1:])
		e.derive(term, join, watch, d, func(d *derivation) { e.permute(rest, syntax.Relaxed, watch, d, k) })
	}
}

// iterate is a term after count iterations of it: leave, or go on.
func (e *enumerator) iterate(n *syntax.Node, count int, join syntax.Join, watch []int, d *derivation, done []iteration, k then) {
	q := quantOf(n)
	if count >= q.Min {
		k(e.leave(n, d, done))
	}
	if q.Max != syntax.Unbounded && count >= q.Max {
		return
	}
	if count > 0 {
		join = q.Join
	}
	e.once(n, count, join, watch, d, func(after *derivation) {
		it := iteration{n, count + 1, d.last, after, watch}
		e.iterate(n, count+1, join, watch, after.with(it), append(slices.Clip(done), it), k)
	})
}

// once is one iteration of a term, the one after count others.
func (e *enumerator) once(n *syntax.Node, count int, join syntax.Join, watch []int, d *derivation, k then) {
	until := e.o.untilOf(n)
	if n.Op == syntax.OpGroup {
		e.derive(n.Sub[0], join, watching(watch, until), d, k)
		return
	}
	if count > 0 {
		e.take(e.o.index[n.Name], join, watching(watch, until), -1, d, k)
		return
	}
	e.take(e.o.index[n.Name], join, watch, until, d, k)
}

func watching(watch []int, until int) []int {
	if until < 0 {
		return watch
	}
	return append(slices.Clip(watch), until)
}

func (o *Oracle) untilOf(n *syntax.Node) int {
	if until := quantOf(n).Until; until != "" {
		return o.index[until]
	}
	return -1
}

// leave ends a term: what follows a loop is forbidden from its first event on,
// and a greedy loop guards the way to the next event.
func (e *enumerator) leave(n *syntax.Node, d *derivation, done []iteration) *derivation {
	q := quantOf(n)
	out := *d
	if len(done) > 0 && q.Max != 1 {
		out.tail = tail{from: done[0].after.nextAfter(done[0].start)}
		for _, it := range done {
			if it.count >= q.Min {
				out.tail.ends = append(out.tail.ends, it.after.last)
			}
		}
	}
	if q.Greedy {
		g := guard{e.o.index[n.Name], e.o.untilOf(n), d.last}
		out.wait.greedy = append(slices.Clip(out.wait.greedy), g)
	}
	return &out
}

// nextAfter returns the first event taken after a position, or -1.
func (d *derivation) nextAfter(at int) int {
	next := -1
	for _, events := range d.taken {
		for _, i := range events {
			if i > at && (next < 0 || i < next) {
				next = i
			}
		}
	}
	return next
}

// with returns d with one more finished iteration.
func (d *derivation) with(it iteration) *derivation {
	out := *d
	out.loops = append(slices.Clip(d.loops), it)
	return &out
}

// forbid returns d waiting for its next event without step.
func forbid(d *derivation, step int, join syntax.Join) *derivation {
	out := *d
	w := &out.wait
	switch {
	case d.last < 0:
		w.leading = append(slices.Clip(w.leading), step)
		return &out
	case join == syntax.Strict:
		w.next = append(slices.Clip(w.next), absence{step, d.tail})
	default:
		w.absent = append(slices.Clip(w.absent), absence{step, d.tail})
	}
	w.strict = join == syntax.Strict
	return &out
}

// bind returns d with event i taken by step, waiting for nothing.
func (d *derivation) bind(step, i int) *derivation {
	out := *d
	out.taken = slices.Clone(d.taken)
	out.taken[step] = append(slices.Clip(d.taken[step]), i)
	if d.first < 0 {
		out.first = i
	}
	out.last, out.tail, out.wait = i, tail{i, []int{i}}, wait{}
	return &out
}
