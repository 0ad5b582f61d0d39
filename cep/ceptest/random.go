package ceptest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/syntax"
)

// Options choose what random rules may hold. The zero value is the part of the
// language that every evaluator has.
type Options struct {
	Any     bool // ->> and :any
	Strict  bool // :strict
	Greedy  bool
	Until   bool
	Choice  bool // | and &
	EmitAll bool
}

// AllOptions returns the options for the whole pattern language.
func AllOptions() Options { return Options{true, true, true, true, true, true} }

// A writer writes one random draft.
type writer struct {
	rng   *rand.Rand
	opt   Options
	draft *Draft
	seen  []string // evidence steps so far, in the order of the text
	many  map[string]bool
	depth int
	lists int  // how many quantifiers and choices stand around the place being written
	roles bool // most steps are of the stream that plays two roles
}

// maxSteps bounds a random pattern: what goes wrong goes wrong small.
const maxSteps = 5

// RandomRule writes a random rule. Many are refused by the compiler: the caller
// counts and tries again.
func RandomRule(rng *rand.Rand, opt Options) *Draft {
	w := &writer{rng: rng, opt: opt, draft: &Draft{}, many: map[string]bool{}}
	w.roles = w.one(12)
	w.draft.Pattern = w.pattern(1 + rng.IntN(3))
	w.timeLimits()
	if w.draft.All = opt.EmitAll && w.one(4); w.draft.All {
		w.draft.AfterMatch = w.pick("", "no_skip", "skip_to_next", "skip_past_last", "{skip_to_first: "+w.step()+"}", "{skip_to_last: "+w.step()+"}")
	} else if w.one(3) {
		w.draft.AfterMatch = "no_skip"
	}
	if w.one(5) {
		w.draft.Having = w.truthOver(w.seen)
	}
	if w.one(3) {
		w.draft.Measures = []string{w.numberOver(w.step())}
		if w.one(3) {
			w.draft.Measures = append(w.draft.Measures, w.pick("profile.p.n", "profile.p.most", "profile.q.half", "size(profile.p.vs)"))
		}
	}
	if w.one(6) {
		w.draft.Summary = "{{" + w.textOver(w.step()) + "}}, {{" + w.textOver(w.step()) + "}}."
	}
	return w.draft
}

func (w *writer) one(in int) bool { return w.rng.IntN(in) == 0 }

func (w *writer) pick(from ...string) string { return from[w.rng.IntN(len(from))] }

func (w *writer) step() string { return w.pick(w.seen...) }

func (w *writer) timeLimits() {
	if !w.one(6) {
		w.draft.Within = []int{3, 5, 8, 12, 30}[w.rng.IntN(5)]
	}
	for i := range w.draft.Steps {
		if w.one(6) {
			w.draft.Steps[i].Gap = 1 + w.rng.IntN(4)
		}
	}
}

// pattern writes a sequence of about n elements, or a choice of two.
func (w *writer) pattern(n int) *syntax.Node {
	if w.opt.Choice && w.one(8) {
		w.lists++
		defer func() { w.lists-- }()
		alt := &syntax.Node{Op: syntax.OpAlt, Sub: []*syntax.Node{w.sequence(n), w.sequence(n)}}
		if w.one(3) {
			alt.Sub = append(alt.Sub, w.sequence(1))
		}
		return alt
	}
	return w.sequence(n)
}

func (w *writer) sequence(n int) *syntax.Node {
	seq := &syntax.Node{Op: syntax.OpSeq}
	if w.depth == 0 && w.one(8) {
		w.absences(seq)
	}
	for range n {
		if len(seq.Sub) > 0 && w.one(5) {
			w.absences(seq)
		}
		w.add(seq, w.join(true), w.element())
		if w.opt.Choice && seq.Sub[len(seq.Sub)-1].Quant.Loops() && len(w.seen) < maxSteps-1 && w.one(4) {
			w.add(seq, w.join(false), w.fork())
		}
	}
	if w.depth == 0 && w.one(4) {
		w.absences(seq)
	}
	if len(seq.Sub) == 1 {
		return seq.Sub[0]
	}
	return seq
}

// fork writes a choice of two, of which one begins with an absence or both do.
func (w *writer) fork() *syntax.Node {
	w.lists++
	w.depth++
	defer func() { w.lists--; w.depth-- }()
	alt := &syntax.Node{Op: syntax.OpAlt}
	for i := range 2 {
		branch := &syntax.Node{Op: syntax.OpSeq}
		if i == 0 || w.one(2) {
			w.absences(branch)
		}
		w.add(branch, syntax.Relaxed, w.term())
		alt.Sub = append(alt.Sub, branch)
	}
	return &syntax.Node{Op: syntax.OpGroup, Sub: []*syntax.Node{alt}}
}

// absences adds one absence, or two side by side. Only "->" follows one that
// begins the sequence.
func (w *writer) absences(seq *syntax.Node) {
	relaxed := w.leads(seq)
	for again := true; again; again = w.one(4) {
		join := w.join(false)
		if relaxed {
			join = syntax.Relaxed
		}
		w.add(seq, join, w.not())
	}
}

// leads reports whether what is added now begins the sequence, or follows
// nothing but absences.
func (w *writer) leads(seq *syntax.Node) bool {
	return !slices.ContainsFunc(seq.Sub, func(n *syntax.Node) bool { return n.Op != syntax.OpNot })
}

func (w *writer) add(seq *syntax.Node, join syntax.Join, n *syntax.Node) {
	if len(seq.Sub) > 0 {
		seq.Joins = append(seq.Joins, join)
	}
	seq.Sub = append(seq.Sub, n)
}

func (w *writer) join(any bool) syntax.Join {
	switch {
	case w.one(4):
		return syntax.Strict
	case any && w.opt.Any && w.one(4):
		return syntax.Any
	}
	return syntax.Relaxed
}

func (w *writer) element() *syntax.Node {
	if w.opt.Choice && len(w.seen) < maxSteps-1 && w.one(10) {
		terms := 2
		if len(w.seen) < maxSteps-2 && w.one(3) {
			terms = 3
		}
		return w.conjunct(terms)
	}
	return w.term()
}

// conjunct writes terms that see those before them as lists.
func (w *writer) conjunct(terms int) *syntax.Node {
	and := &syntax.Node{Op: syntax.OpAnd}
	from := len(w.seen)
	records := map[string]bool{}
	for range terms {
		and.Sub = append(and.Sub, w.term())
		for _, peer := range w.seen[from:] {
			records[peer] = records[peer] || !w.many[peer]
			w.many[peer] = true
		}
	}
	for peer := range records {
		w.many[peer] = !records[peer]
	}
	return and
}

func (w *writer) term() *syntax.Node {
	q := w.quantifier()
	if q != nil {
		w.lists++
		defer func() { w.lists-- }()
	}
	if w.depth < 2 && len(w.seen) < maxSteps-1 && w.one(6) {
		w.depth++
		n := &syntax.Node{Op: syntax.OpGroup, Sub: []*syntax.Node{w.pattern(1 + w.rng.IntN(2))}, Quant: q}
		w.depth--
		w.flags(n, true)
		return n
	}
	n := &syntax.Node{Op: syntax.OpStep, Name: w.name("abcd"), Quant: q}
	w.define(n.Name, q != nil && q.Max != 1)
	w.seen = append(w.seen, n.Name)
	w.many[n.Name] = w.lists > 0
	w.flags(n, false)
	return n
}

// name is the kind of event a step wants, made unique by a number.
func (w *writer) name(kinds string) string {
	return fmt.Sprintf("%c%d", kinds[w.rng.IntN(len(kinds))], len(w.draft.Steps))
}

func (w *writer) not() *syntax.Node {
	n := &syntax.Node{Op: syntax.OpNot, Name: w.name("abcd")}
	w.define(n.Name, false)
	return n
}

func (w *writer) quantifier() *syntax.Quant {
	switch w.rng.IntN(16) {
	case 0, 1:
		return &syntax.Quant{Min: 0, Max: 1, Option: true}
	case 2:
		return &syntax.Quant{Min: 0, Max: syntax.Unbounded}
	case 3, 4:
		return &syntax.Quant{Min: 1, Max: syntax.Unbounded}
	case 5:
		n := 1 + w.rng.IntN(3)
		return &syntax.Quant{Min: n, Max: n}
	case 6:
		return &syntax.Quant{Min: 1 + w.rng.IntN(3), Max: syntax.Unbounded}
	case 7:
		n := w.rng.IntN(3)
		return &syntax.Quant{Min: n, Max: n + 1 + w.rng.IntN(2)}
	}
	return nil
}

func (w *writer) flags(n *syntax.Node, group bool) {
	q := n.Quant
	if q == nil || q.Option {
		return
	}
	switch {
	case w.opt.Strict && w.one(4):
		q.Join = syntax.Strict
	case w.opt.Any && w.one(4):
		q.Join = syntax.Any
	}
	q.Greedy = w.opt.Greedy && !group && q.Join != syntax.Any && w.one(5)
	if w.opt.Until && q.Max == syntax.Unbounded && w.one(4) {
		q.Until = w.name("abcd")
		w.define(q.Until, false)
	}
}

// define adds the step's definition, with a condition over the current event
// and, sometimes, over what the match has.
func (w *writer) define(name string, loops bool) {
	s := DraftStep{Name: name, Stream: w.pick("e", "e", "e", "e", "e", "f")}
	if w.one(30) || w.roles && !w.one(4) {
		s.Stream, s.Key = "t", w.pick("", "to")
	}
	s.Where = w.current(name)
	if s.Stream == "e" && w.one(8) {
		s.Where = w.ofOptional()
	}
	if w.one(12) {
		s.Where = strings.TrimPrefix(s.Where+w.pick(" && ", " || ")+w.remembered(), " && ")
		s.Where = strings.TrimPrefix(s.Where, " || ")
	}
	if w.one(12) {
		s.Where = strings.TrimPrefix(s.Where+w.pick(" && ", " || ")+w.listed(s.Stream), " && ")
		s.Where = strings.TrimPrefix(s.Where, " || ")
	}
	if w.one(4) {
		from := w.seen
		if loops && w.one(2) {
			from = []string{name}
		}
		if more := w.earlier(from, name, loops); more != "" {
			s.Where = strings.TrimPrefix(s.Where+" && "+more, " && ")
		}
	}
	w.draft.Steps = append(w.draft.Steps, s)
}

// textOver is an expression of the summary.
func (w *writer) textOver(s string) string {
	if w.one(4) {
		return w.pick("time", "profile.p.mean", "profile.q.last", "in_list(odd_ones, 3)", "lookup(ranks, \"b\").rank", "lookup(ranks, \"b\").dear")
	}
	if w.many[s] {
		return w.pick("count("+s+")", "sum("+s+".v)", "avg("+s+".v)", "last("+s+".kind)", "first("+s+".time)", "stddev("+s+".v)", "min("+s+".u)", "has("+s+")")
	}
	return w.pick(s+".v", s+".kind", s+".time", s+".u", "lookup(ranks, "+s+".kind).share", "double("+s+".v) / 3.0", "10 / "+s+".v", s+".v > 2")
}

// truthOver is a condition of having.
func (w *writer) truthOver(steps []string) string {
	if w.one(4) {
		return w.pick("profile.p.n > 1", "profile.q.n == 0", "profile.p.total > 4", "has(profile.p.kinds)", "1 in profile.p.vs", "profile.p.seen < time")
	}
	s := steps[w.rng.IntN(len(steps))]
	against := fmt.Sprint(w.rng.IntN(4))
	if w.one(4) {
		against = w.numberOver(w.step())
	}
	truth := w.numberOver(s) + w.pick(" >= ", " < ", " == ", " != ") + against
	if w.one(5) {
		truth = "(" + truth + ")" + w.pick(" && ", " || ") + w.pick("seconds(time - "+w.latest(s)+") < 3.0", "time == "+w.latest(s), "!("+w.numberOver(w.step())+" > 2)")
	}
	return truth
}

// latest is the time of the last event of a step.
func (w *writer) latest(s string) string {
	if w.many[s] {
		return "max(" + s + ".time)"
	}
	return s + ".time"
}

func (w *writer) numberOver(s string) string {
	if !w.many[s] {
		return s + ".v"
	}
	f := s + "." + w.field(s)
	return w.pick("count("+s+")", "count("+f+")", "sum("+f+")", "max("+f+")", "min("+f+")", "first("+f+")", "last("+f+")", "distinct("+f+")",
		"int(2.0 * avg("+f+"))", "int(10.0 * stddev("+f+"))")
}

// field is v, or an optional one where the step's stream has it.
func (w *writer) field(step string) string {
	at := slices.IndexFunc(w.draft.Steps, func(d DraftStep) bool { return d.Name == step })
	if w.draft.Steps[at].Stream == "e" && w.one(3) {
		return w.pick("u", "rate", "cost")
	}
	return "v"
}
