package ceptest

import (
	"fmt"
	"strings"

	"github.com/caltrop/caltrop/cep/syntax"
)

// A Draft is a generated rule that can still be made smaller. Text writes it as
// the documents a person would write, so that a case goes through the real
// parser.
type Draft struct {
	Pattern    *syntax.Node
	Steps      []DraftStep
	Within     int // seconds; 0: none
	Having     string
	AfterMatch string
	All        bool // emit: all
	Measures   []string
	Summary    string
}

// A DraftStep is one step of a Draft.
type DraftStep struct {
	Name   string
	Stream string
	Where  string // "": none
	Gap    int    // seconds; 0: none
	Key    string // "": the rule's
}

// draftStreams are the streams that drafts read, the profiles and the lists. Stream t
// plays two roles: its events have a second key. The profiles forget soon, and
// q covers little more than a second.
const draftStreams = `apiVersion: caltrop/v1
kind: Stream
name: e
source: {topic: e}
time: {field: ts, unit: s}
id: id
lateness: 0s
fields: {k: string, kind: string, v: int, u: {type: int, optional: true}, rate: {type: double, optional: true}, cost: {type: decimal(2), optional: true}}
---
apiVersion: caltrop/v1
kind: Stream
name: f
source: {topic: f}
time: {field: ts, unit: s}
id: id
lateness: 0s
fields: {k: string, kind: string, v: int}
---
apiVersion: caltrop/v1
kind: Stream
name: t
source: {topic: t}
time: {field: ts, unit: s}
id: id
lateness: 0s
fields: {k: string, to: string, kind: string, v: int}
---
apiVersion: caltrop/v1
kind: Profile
name: p
key: k
stream: e
pane: 2s
keep: 4s
values: {n: count(), total: sum(v), small: count(v < 2), most: max(v), least: min(u), seen: max(time), mean: avg(v), spread: stddev(v), sorts: distinct(kind), vs: set(v), kinds: set(kind)}
limits: {set: 2}
---
apiVersion: caltrop/v1
kind: Profile
name: q
key: k
stream: f
where: v > 0
pane: 1s
keep: 1s
values: {n: count(), first: first(v), last: last(v), half: sum(v) / 2, vs: set(v)}
---
apiVersion: caltrop/v1
kind: List
name: odd-ones
key: int
entries: [1, 3]
---
apiVersion: caltrop/v1
kind: List
name: ranks
attributes: {rank: int, share: double, name: string, dear: bool}
entries: {a: {rank: 1, share: 0.5, name: first, dear: true}, b: {rank: 3}, x: {}}
---
`

// Text writes the draft as documents.
func (d *Draft) Text() string {
	return DraftText(d.Body())
}

// DraftText completes the body of a scripted or random rule: it adds the
// streams e, f and t, the header, and key k.
func DraftText(body string) string {
	return draftStreams + "apiVersion: caltrop/v1\nkind: Rule\nname: case\nkey: k\n" + body
}

// Body writes the rule without its header.
func (d *Draft) Body() string {
	var b strings.Builder
	if d.Within > 0 {
		fmt.Fprintf(&b, "within: %ds\n", d.Within)
	}
	fmt.Fprintf(&b, "pattern: '%s'\nsteps:\n", d.Pattern)
	for _, s := range d.Steps {
		b.WriteString("  " + s.Name + ": {" + s.text() + "}\n")
	}
	if d.Having != "" {
		fmt.Fprintf(&b, "having: '%s'\n", d.Having)
	}
	if d.AfterMatch != "" {
		fmt.Fprintf(&b, "after_match: %s\n", d.AfterMatch)
	}
	if d.Summary != "" {
		b.WriteString("alert: {summary: '" + d.Summary + "', measures: {" + d.measures() + "}}\n")
	} else if len(d.Measures) > 0 {
		b.WriteString("alert: {measures: {" + d.measures() + "}}\n")
	}
	b.WriteString("timing: final\n")
	if d.All {
		b.WriteString("emit: all\nlimits: {runs_per_key: 100000, matches_per_event: 100000}\n")
	} else {
		b.WriteString("limits: {runs_per_key: 100000}\n")
	}
	return b.String()
}

func (s *DraftStep) text() string {
	text := "stream: " + s.Stream
	if s.Where != "" {
		text += ", where: '" + s.Where + "'"
	}
	if s.Gap > 0 {
		text += fmt.Sprintf(", gap: %ds", s.Gap)
	}
	if s.Key != "" {
		text += ", key: " + s.Key
	}
	return text
}

func (d *Draft) measures() string {
	parts := make([]string, len(d.Measures))
	for i, m := range d.Measures {
		parts[i] = fmt.Sprintf("m%d: '%s'", i, m)
	}
	return strings.Join(parts, ", ")
}

// Smaller returns drafts that each lack one thing of d and are shorter, so that
// shrinking ends. Some may be refused.
func (d *Draft) Smaller() []*Draft {
	var out []*Draft
	try := func(change func(*Draft)) {
		c := *d
		c.Steps = append([]DraftStep(nil), d.Steps...)
		change(&c)
		c.dropUnused()
		if len(c.Body()) < len(d.Body()) {
			out = append(out, &c)
		}
	}
	try(func(c *Draft) { c.Measures = nil })
	try(func(c *Draft) { c.Summary = "" })
	try(func(c *Draft) { c.Having = "" })
	try(func(c *Draft) { c.AfterMatch = "" })
	try(func(c *Draft) { c.Within = 0 })
	for i := range d.Steps {
		try(func(c *Draft) { c.Steps[i].Gap = 0 })
		try(func(c *Draft) { c.Steps[i].Where = "" })
		if plain, _, joined := strings.Cut(d.Steps[i].Where, " && "); joined {
			try(func(c *Draft) { c.Steps[i].Where = plain })
		}
		try(func(c *Draft) { c.Steps[i].Where = fmt.Sprintf(`kind == "%s"`, d.Steps[i].Name[:1]) })
	}
	for _, p := range smaller(d.Pattern) {
		try(func(c *Draft) { c.Pattern = p })
	}
	return out
}

// dropUnused drops the steps that the pattern no longer names.
func (d *Draft) dropUnused() {
	used := map[string]bool{}
	for _, name := range allNames(d.Pattern, nil) {
		used[name] = true
	}
	var kept []DraftStep
	for _, s := range d.Steps {
		if used[s.Name] {
			kept = append(kept, s)
		}
	}
	d.Steps = kept
}

// smaller returns the patterns that lack one element, quantifier or flag.
func smaller(n *syntax.Node) []*syntax.Node {
	var out []*syntax.Node
	if n.Quant != nil {
		c := *n
		c.Quant = nil
		out = append(out, &c)
		for _, plainer := range []func(*syntax.Quant){
			func(q *syntax.Quant) { q.Until = "" },
			func(q *syntax.Quant) { q.Greedy = false },
			func(q *syntax.Quant) { q.Join = syntax.Relaxed },
		} {
			c, q := *n, *n.Quant
			plainer(&q)
			c.Quant = &q
			out = append(out, &c)
		}
	}
	for i, sub := range n.Sub {
		if len(n.Sub) > 1 {
			out = append(out, without(n, i))
		} else if n.Op == syntax.OpGroup && n.Quant == nil {
			out = append(out, sub)
		}
		for _, s := range smaller(sub) {
			c := *n
			c.Sub = append([]*syntax.Node(nil), n.Sub...)
			c.Sub[i] = s
			out = append(out, &c)
		}
	}
	return out
}

func without(n *syntax.Node, i int) *syntax.Node {
	c := *n
	c.Sub = append(append([]*syntax.Node(nil), n.Sub[:i]...), n.Sub[i+1:]...)
	if n.Op == syntax.OpSeq {
		at := max(i-1, 0)
		c.Joins = append(append([]syntax.Join(nil), n.Joins[:at]...), n.Joins[at+1:]...)
	}
	if len(c.Sub) == 1 && n.Op != syntax.OpGroup {
		return c.Sub[0]
	}
	return &c
}
