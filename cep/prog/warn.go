package prog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// warnings says what of a sound rule can never happen, and what always does.
// What it says is certain: where it cannot tell, it is silent.
func (c *compiler) warnings() {
	if c.rule.Window != nil {
		c.windowWarnings()
		return
	}
	w := watcher{c: c, p: c.rule.Pattern, told: map[string]bool{}}
	w.steps()
	w.paths()
	w.everyEvent()
}

func (c *compiler) warnf(pos syntax.Pos, pointer, hint, format string, args ...any) {
	c.problems = append(c.problems, syntax.Problem{Line: pos.Line, Col: pos.Col, Pointer: pointer, Hint: hint,
		Detail: fmt.Sprintf(format, args...), Warning: true})
}

const hintBounds = "compare the bounds: one of them is the wrong way round, or in the wrong step"

// havingNever warns of a having that is never true.
func (c *compiler) havingNever() bool {
	h := c.rule.Having
	if h == nil || !h.Verdict.Never {
		return false
	}
	c.warnf(c.doc.Having.Pos, "/having", hintBounds, "this rule can never fire: having can never hold: %s", h.Verdict.Because)
	return true
}

func (c *compiler) windowWarnings() {
	w := c.rule.Window
	dead := 0
	for i, where := range w.Where {
		if where == nil || !where.Verdict.Never {
			continue
		}
		dead++
		stream := c.rule.Streams[i].Stream
		text := c.doc.Window.Where[stream]
		c.warnf(text.Pos, text.Pointer, hintBounds, "no event of %s is ever in the window: %s", stream, where.Verdict.Because)
	}
	never := "this rule can never fire"
	if c.what() == "view" {
		never = "this view never has a value"
	}
	if dead == len(w.Where) {
		c.warnf(c.doc.Window.Pos, "/window", hintBounds, "%s: no event is ever in its window", never)
	}
	if c.what() == "rule" && !c.havingNever() && w.Kind == "rolling" && c.rule.Having.Verdict.Always {
		c.warnf(c.doc.Having.Pos, "/having", "say from which value on it is worth an alert",
			"having always holds: every event that finds the window empty raises an alert")
	}
}

// A watcher looks for parts of a pattern that no match can use.
type watcher struct {
	c    *compiler
	p    *Pattern
	told map[string]bool // steps of which it was said that nothing reaches them
}

// steps warns of conditions that can never hold.
func (w *watcher) steps() {
	taken := map[string]bool{}
	for _, pos := range w.p.Positions {
		taken[w.p.Preds[pos.Pred].Name] = true
	}
	var told []string
	for i := range w.p.Preds {
		pred := &w.p.Preds[i]
		if !w.never(i) || slices.Contains(told, pred.Name) {
			continue
		}
		told = append(told, pred.Name)
		then := "step %s can never match: %s"
		if !taken[pred.Name] {
			then = "no event is ever %s, so its absence forbids nothing, and until it ends nothing: %s"
		}
		text := w.c.step(pred.Name).Where
		w.c.warnf(text.Pos, text.Pointer, hintBounds, then, pred.Name, pred.Cond.Verdict.Because)
	}
}

// never reports whether a condition can never hold.
func (w *watcher) never(pred int) bool {
	cond := w.p.Preds[pred].Cond
	return cond != nil && cond.Verdict.Never
}

// always reports whether every event of its stream satisfies a condition.
func (w *watcher) always(pred int) bool {
	cond := w.p.Preds[pred].Cond
	return cond == nil || cond.Verdict.Always
}

// paths warns of steps that no way through the pattern reaches, and of a
// pattern that none ends.
func (w *watcher) paths() {
	reached := make([]bool, len(w.p.Positions))
	why := make([]string, len(w.p.Positions))
	ends := w.follow(w.p.Start, reached, why)
	for q := range w.p.Positions {
		if !reached[q] && !w.never(w.p.Positions[q].Pred) {
			w.unreached(q, why[q])
		}
	}
	if !ends {
		w.c.warnf(w.c.doc.PatternText.Pos, "/pattern", "mend the steps that can never match", "this rule can never fire: no way through the pattern can be taken to its end")
	}
	w.c.havingNever()
}

// follow marks what edges lead to and reports whether one of the ways ends.
func (w *watcher) follow(edges []Edge, reached []bool, why []string) (ends bool) {
	for i := range edges {
		e := &edges[i]
		if e.Kind != Take {
			ends = ends || w.completes(e)
			continue
		}
		if reached[e.To] || w.never(w.p.Positions[e.To].Pred) {
			continue
		}
		if words := w.barred(e); words != "" {
			why[e.To] = words
			continue
		}
		reached[e.To] = true
		ends = w.follow(w.p.Follow[e.To], reached, why) || ends
	}
	return ends
}

// completes reports whether an edge to the end can be taken: a next event
// that must not be x has to be able not to.
func (w *watcher) completes(e *Edge) bool {
	if e.Kind != AcceptNext || len(w.c.rule.Streams) > 1 || len(w.c.rule.Keys[0].Roles) > 1 {
		return true
	}
	return !slices.ContainsFunc(e.Next, func(n NextNot) bool { return n.Loop < 0 && w.always(n.Pred) })
}

// barred says why no event can be taken by an edge, "" when one can: what it
// must satisfy is all forbidden to it.
func (w *watcher) barred(e *Edge) string {
	pred := w.p.Positions[e.To].Pred
	for _, n := range e.Next {
		if e.Join == syntax.Strict && n.Loop < 0 && w.within(pred, n.Pred) {
			return fmt.Sprintf("`, !%s` forbids every event that would be one", w.p.Preds[n.Pred].Name)
		}
	}
	for _, x := range e.Stop {
		if w.within(pred, x) {
			return fmt.Sprintf("`until %s` keeps every event that would be one out of the loop", w.p.Preds[x].Name)
		}
	}
	for _, g := range e.Greedy {
		if g.Until < 0 && w.within(pred, g.Pred) {
			return fmt.Sprintf("every event that would be one goes to the greedy loop of %s", w.p.Preds[g.Pred].Name)
		}
	}
	return ""
}

// within reports whether every event that satisfies the condition a satisfies
// b too. It is sure for conditions of one stream on the current event alone.
func (w *watcher) within(a, b int) bool {
	p, q := &w.p.Preds[a], &w.p.Preds[b]
	if p.Stream != q.Stream || p.Role != q.Role || !p.Unary || !q.Unary {
		return false
	}
	if w.always(b) {
		return true
	}
	outer, inner := "("+w.c.step(q.Name).Where.Src+")", "true"
	if p.Cond != nil {
		inner = "(" + w.c.step(p.Name).Where.Src + ")"
	}
	sc := &expr.Scope{Event: w.c.rule.Streams[p.Stream], Lists: w.c.env.Lists}
	total, _ := expr.Compile(outer+" || !"+outer, event.Bool, sc) // an error in it would let the event pass
	both, _ := expr.Compile(inner+" && !"+outer, event.Bool, sc)
	return total != nil && total.Verdict.Always && both != nil && both.Verdict.Never
}

// unreached warns of a step that nothing leads to.
func (w *watcher) unreached(q int, why string) {
	step := w.p.Steps[w.p.Positions[q].Step].Name
	if w.told[step] {
		return
	}
	w.told[step] = true
	if why == "" {
		why = "what must come before it can never match"
	}
	pos := w.c.doc.PatternText.Pos
	w.c.doc.Pattern.Walk(func(n *syntax.Node) bool {
		if n.Op == syntax.OpStep && n.Name == step {
			pos = n.Pos
		}
		return true
	})
	w.c.warnf(pos, "/pattern", "", "no path reaches step %s: %s", step, why)
}

// everyEvent warns of a rule that fires at every event of a stream.
func (w *watcher) everyEvent() {
	if h := w.c.rule.Having; h != nil && !h.Verdict.Always {
		return
	}
	var streams []string
	for i := range w.p.Start {
		e := &w.p.Start[i]
		pos := &w.p.Positions[e.To]
		if e.Kind == Take && len(e.Leads) == 0 && len(e.Stop) == 0 && w.always(pos.Pred) && w.endsAt(e.To) {
			streams = append(streams, w.c.rule.Streams[w.p.Preds[pos.Pred].Stream].Stream)
		}
	}
	if len(streams) > 0 {
		slices.Sort(streams)
		w.c.warnf(w.c.doc.PatternText.Pos, "/pattern", "give the step a where", "this rule fires at every event of %s", strings.Join(slices.Compact(streams), " and "))
	}
}

// endsAt reports whether a match is complete with its first event at q.
func (w *watcher) endsAt(q int) bool {
	return slices.ContainsFunc(w.p.Follow[q], func(e Edge) bool {
		return e.Kind == Accept && !slices.ContainsFunc(e.Guards, func(g Guard) bool { return w.p.Loops[g.Loop].Min > 1 })
	})
}
