package prog

import (
	"fmt"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/syntax"
)

// Dump prints the program: the expected value of the compiler's tests and
// what `caltrop rules explain` shows.
func (r *Rule) Dump() string {
	var b strings.Builder
	for i, s := range r.Streams {
		fmt.Fprintf(&b, "stream %d %s", i, s.Stream)
		for _, cols := range r.Keys[i].Roles {
			names := make([]string, len(cols))
			for j, col := range cols {
				names[j] = s.Fields[col].Name
			}
			fmt.Fprintf(&b, " by %s", strings.Join(names, "+"))
		}
		b.WriteByte('\n')
	}
	for _, p := range r.Profiles {
		p.dump(&b)
	}
	if r.Within > 0 {
		fmt.Fprintf(&b, "within %s\n", micros(r.Within))
	}
	if r.Pattern != nil {
		r.Pattern.dump(&b, r)
	} else {
		r.Window.dump(&b)
	}
	return b.String()
}

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

func (w *Window) dump(b *strings.Builder) {
	fmt.Fprintf(b, "window %s %s", w.Kind, micros(w.Size))
	if w.Every > 0 {
		fmt.Fprintf(b, " every %s", micros(w.Every))
	}
	if w.Salts > 0 {
		fmt.Fprintf(b, " salts %d", w.Salts)
	}
	b.WriteByte('\n')
	for i, a := range w.Aggs.List {
		fmt.Fprintf(b, "aggregate %d %s\n", i, a.Spec.Func)
	}
	for _, v := range w.Values {
		fmt.Fprintf(b, "value %s\n", v.Name)
	}
}

func (p *Pattern) dump(b *strings.Builder, r *Rule) {
	for i, pred := range p.Preds {
		reads := "event"
		if !pred.Unary {
			reads = "match"
		}
		fmt.Fprintf(b, "pred %d %s on %s reads %s\n", i, pred.Name, r.Streams[pred.Stream].Stream, reads)
	}
	for i, l := range p.Loops {
		fmt.Fprintf(b, "loop %d {%d,%s}\n", i, l.Min, bound(l.Max))
	}
	b.WriteString("start\n")
	p.dumpEdges(b, p.Start)
	for i, pos := range p.Positions {
		fmt.Fprintf(b, "%d %s\n", i, p.Steps[pos.Step].Name)
		p.dumpEdges(b, p.Follow[i])
	}
}

func bound(n int) string {
	if n == syntax.Unbounded {
		return ""
	}
	return fmt.Sprint(n)
}

func (p *Pattern) dumpEdges(b *strings.Builder, edges []Edge) {
	for i := range edges {
		b.WriteString("  " + p.edgeText(&edges[i]) + "\n")
	}
}

var joinText = map[syntax.Join]string{syntax.Relaxed: "->", syntax.Strict: ",", syntax.Any: "->>"}

func (p *Pattern) edgeText(e *Edge) string {
	var b strings.Builder
	switch e.Kind {
	case Take:
		pos := p.Positions[e.To]
		fmt.Fprintf(&b, "%s %d %s", joinText[e.Join], e.To, p.Steps[pos.Step].Name)
		if pos.Gap > 0 {
			fmt.Fprintf(&b, " gap %s", micros(pos.Gap))
		}
	case Accept:
		b.WriteString("accept")
	case AcceptDeadline:
		b.WriteString("accept at the deadline")
		if e.Gap > 0 {
			fmt.Fprintf(&b, " gap %s", micros(e.Gap))
		}
	case AcceptNext:
		b.WriteString("accept at the next event")
	}
	for _, g := range e.Guards {
		if l := p.Loops[g.Loop]; g.Again && l.Max != syntax.Unbounded {
			fmt.Fprintf(&b, " if loop %d < %d", g.Loop, l.Max)
		} else if !g.Again && l.Min > 1 {
			fmt.Fprintf(&b, " if loop %d >= %d", g.Loop, l.Min)
		}
	}
	p.watchText(&b, e)
	return b.String()
}

func (p *Pattern) watchText(b *strings.Builder, e *Edge) {
	list := func(label string, preds []int) {
		for _, i := range preds {
			fmt.Fprintf(b, " %s %s", label, p.Preds[i].Name)
		}
	}
	list("without", e.Between)
	list("without, itself included,", e.Through)
	list("until", e.Until)
	list("not", e.Stop)
	for _, n := range e.Next {
		fmt.Fprintf(b, " next not %s", p.Preds[n.Pred].Name)
	}
	for _, g := range e.Greedy {
		fmt.Fprintf(b, " greedy over %s", p.Preds[g.Pred].Name)
	}
	for _, i := range e.Leads {
		fmt.Fprintf(b, " no %s in the %s before", p.Preds[p.Leads[i].Pred].Name, micros(p.Leads[i].Span))
	}
}
