package prog

import (
	"slices"

	"github.com/caltrop/caltrop/cep/syntax"
)

// A builder turns a normalised pattern into positions and edges: the follow
// relation of Glushkov (The abstract theory of automata, 1961), with counters
// for bounded loops in place of unrolling.
type builder struct {
	leaves []leaf
	loops  []*node
	order  string // of the terms of the conjunctions around what is normalised
	from   int    // the leaf whose edges are being built; -1 at the start
	out    []draft
}

// A draft is an edge whose conditions are still names.
type draft struct {
	to     int // leaf, or accept
	kind   EdgeKind
	join   syntax.Join
	again  int
	guards []Guard
	enter  []int
	cross  []int
	lead   []string
	nots   []absence
	until  []string // kill the edge whenever they hold
	stop   []string // until steps of a single-step loop: must not hold for the event taken
	greedy []greedy
}

// An absence is a `!x` that an edge crosses.
type absence struct {
	step  string
	next  bool // `, !x`: asks for the very next event only
	after int  // the outermost loop left just before it, or -1
}

// greedy is a greedy loop that an edge leaves or leaves out.
type greedy struct {
	leaf  int // the loop's only leaf
	until string
	loop  int
}

// build computes the edges from the start and from each leaf.
func (b *builder) build(root *node) (start []draft, follow [][]draft) {
	b.setLoops(root, nil)
	b.from = -1
	b.enter(root, draft{again: -1, join: syntax.Relaxed}, -1)
	start, b.out = b.out, nil
	follow = make([][]draft, len(b.leaves))
	var visit func(t *node)
	visit = func(t *node) {
		if t.op == opLeaf {
			b.from = t.pos
			b.leave(t, draft{again: -1}, -1)
			follow[t.pos], b.out = b.out, nil
		}
		for _, s := range t.sub {
			visit(s)
		}
	}
	visit(root)
	b.loopAbsences(follow)
	return start, follow
}

func (d draft) clone() draft {
	d.guards = slices.Clone(d.guards)
	d.enter = slices.Clone(d.enter)
	d.cross = slices.Clone(d.cross)
	d.lead = slices.Clone(d.lead)
	d.nots = slices.Clone(d.nots)
	d.until = slices.Clone(d.until)
	d.stop = slices.Clone(d.stop)
	d.greedy = slices.Clone(d.greedy)
	return d
}

// enter emits the edges that begin t. left is the outermost loop left since
// the last event, or -1.
func (b *builder) enter(t *node, d draft, left int) {
	switch t.op {
	case opLeaf:
		d.to, d.kind = t.pos, Take
		b.emit(d)
	case opSeq:
		b.advance(t, 0, d, left)
	case opAlt:
		for _, s := range t.sub {
			b.enter(s, d.clone(), left)
		}
	case opLoop:
		b.enterLoop(t, d, left)
	}
}

func (b *builder) enterLoop(t *node, d draft, left int) {
	into := d.clone()
	if t.loop >= 0 {
		into.enter = append(into.enter, t.loop)
	}
	switch {
	case t.quant.Until == "":
	case t.single:
		into.stop = append(into.stop, t.quant.Until)
	default:
		into.until = append(into.until, t.quant.Until)
	}
	b.enter(t.sub[0], into, left)
	if t.quant.Min == 0 {
		skip := d.clone()
		b.addGreedy(&skip, t)
		b.leave(t, skip, left)
	}
}

func (b *builder) addGreedy(d *draft, t *node) {
	if t.quant.Greedy && t.sub[0].op == opLeaf {
		d.greedy = append(d.greedy, greedy{leaf: t.sub[0].pos, until: t.quant.Until, loop: t.loop})
	}
}

// advance goes on with the i-th element of a sequence.
func (b *builder) advance(seq *node, i int, d draft, left int) {
	if i == len(seq.sub) {
		b.leave(seq, d, left)
		return
	}
	if i > 0 {
		d.join = seq.joins[i]
	}
	el := seq.sub[i]
	if el.op != opNot {
		b.enter(el, d, left)
		return
	}
	if b.from < 0 {
		d.lead = append(d.lead, el.step)
	} else {
		d.nots = append(d.nots, absence{el.step, d.join == syntax.Strict, left})
	}
	b.advance(seq, i+1, d, left)
}

// leave goes on after t is complete.
func (b *builder) leave(t *node, d draft, left int) {
	p := t.parent
	switch {
	case p == nil:
		b.accept(d)
	case p.op == opSeq:
		b.advance(p, t.index+1, d, left)
	case p.op == opAlt:
		b.leave(p, d, left)
	case p.op == opLoop:
		b.leaveIteration(p, d)
	}
}

func (b *builder) leaveIteration(t *node, d draft) {
	if t.loop < 0 {
		b.addGreedy(&d, t)
		b.leave(t, d, -1)
		return
	}
	d.cross = append(d.cross, t.loop)
	again := d.clone()
	again.guards = append(again.guards, Guard{Loop: t.loop, Again: true})
	again.again, again.join = t.loop, t.quant.Join
	if t.quant.Until != "" {
		again.until = append(again.until, t.quant.Until)
	}
	b.enter(t.sub[0], again, t.loop)
	exit := d.clone()
	exit.guards = append(exit.guards, Guard{Loop: t.loop})
	b.addGreedy(&exit, t)
	b.leave(t, exit, t.loop)
}

func (b *builder) accept(d draft) {
	d.to, d.kind, d.greedy = -1, Accept, nil
	if n := len(d.nots); n > 0 {
		d.kind = AcceptDeadline
		if d.nots[n-1].next {
			d.kind = AcceptNext
		}
	}
	b.emit(d)
}

func (b *builder) emit(d draft) {
	if b.from >= 0 && d.kind == Take {
		for _, l := range b.leaves[b.from].loops { // an iteration in progress
			if t := b.loops[l]; t.quant.Until != "" && !slices.Contains(d.cross, l) {
				d.until = append(d.until, t.quant.Until)
			}
		}
	}
	b.out = append(b.out, d)
}

// loopAbsences makes `b+ -> !x` hold from the loop's first event on, and
// `b+ , !x` after any iteration from the minimum on: edges that stay in the
// loop watch the absences that follow it.
func (b *builder) loopAbsences(follow [][]draft) {
	after := make([][]absence, len(b.loops))
	for _, edges := range follow {
		for _, d := range edges {
			for _, n := range d.nots {
				if n.after >= 0 && !slices.Contains(after[n.after], n) {
					after[n.after] = append(after[n.after], n)
				}
			}
		}
	}
	for p := range follow {
		for i := range follow[p] {
			d := &follow[p][i]
			for _, l := range b.leaves[p].loops {
				if !d.exits(l) {
					d.watch(l, after[l])
				}
			}
		}
	}
}

// exits reports whether the edge leaves loop l for good.
func (d *draft) exits(l int) bool {
	return slices.Contains(d.guards, Guard{Loop: l}) || d.kind != Take
}

func (d *draft) watch(l int, nots []absence) {
	for _, n := range nots {
		switch {
		case !n.next:
			d.nots = append(d.nots, absence{step: n.step, after: within})
		case d.again == l:
			d.nots = append(d.nots, absence{step: n.step, next: true, after: l})
		}
	}
}

// within marks an absence that the event taken must not satisfy either.
const within = -2
