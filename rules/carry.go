package rules

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// Uncarried says what keeps a new revision of a rule from going on with the runs of
// the one before it: the first difference of the automaton or its conditions. It is "" where
// there is none. What an alert says, and how it is suppressed, may differ.
func Uncarried(was, now *prog.Rule) string {
	before, after := machineOf(was.Doc), machineOf(now.Doc)
	for i := range before {
		if i >= len(after) || before[i] != after[i] {
			return differs(before[i], at(after, i))
		}
	}
	if len(after) > len(before) {
		return differs(part{}, after[len(before)])
	}
	if was.Early != now.Early {
		return differs(part{"timing", timingOf(was)}, part{"timing", timingOf(now)})
	}
	if was.Dump() != now.Dump() {
		return "the automaton differs, as what it reads does"
	}
	return ""
}

func timingOf(r *prog.Rule) string {
	if r.Early {
		return "early"
	}
	return "final"
}

func at(parts []part, i int) part {
	if i < len(parts) {
		return parts[i]
	}
	return part{}
}

func differs(was, now part) string {
	switch {
	case was.name == now.name:
		return fmt.Sprintf("%s was %s, is %s", was.name, was.text, now.text)
	case now.name == "":
		return fmt.Sprintf("%s was %s, is gone", was.name, was.text)
	}
	return fmt.Sprintf("%s is new: %s", now.name, now.text)
}

// A part is a named piece of what makes a rule's automaton and conditions.
type part struct{ name, text string }

// machineOf lists what a rule's runs depend on, in the order of the document.
func machineOf(d *syntax.Rule) []part {
	var parts []part
	add := func(name, format string, args ...any) {
		parts = append(parts, part{name, fmt.Sprintf(format, args...)})
	}
	text := func(name string, t *syntax.Text) {
		if t != nil {
			add(name, "`%s`", t.Src)
		}
	}
	add("key", "%v", d.Key.Fields)
	if d.Window != nil {
		windowParts(d, add, text)
	} else {
		add("within", "%s", d.Within)
		add("pattern", "`%s`", d.PatternText.Src)
		for _, s := range d.Steps {
			add("the stream of step "+s.Name, "%s", s.Stream)
			text("where of step "+s.Name, s.Where)
			add("gap of step "+s.Name, "%s", s.Gap)
			if s.Key != nil {
				add("key of step "+s.Name, "%v", s.Key.Fields)
			}
		}
		add("after_match", "%s %s", d.AfterMatch.Kind, d.AfterMatch.Step)
		add("emit", "%s", d.Emit)
	}
	text("having", d.Having)
	limits := d.Limits
	limits.Pos = syntax.Pos{}
	add("limits", "%+v", limits)
	return parts
}

func windowParts(d *syntax.Rule, add func(name, format string, args ...any), text func(string, *syntax.Text)) {
	w := d.Window
	add("window", "%s %s", w.Kind, w.Size)
	add("every", "%s", w.Every)
	add("offset", "%s", w.Offset)
	for _, s := range w.Streams {
		add("a stream of the window", "%s", s.Name)
		text("where of stream "+s.Name, w.Where[s.Name])
		if k := w.Keys[s.Name]; k != nil {
			add("key of stream "+s.Name, "%v", k.Fields)
		}
	}
	values := slices.Clone(d.Values)
	for i := range values {
		text("value "+values[i].Name, &values[i].Text)
	}
}

// uncarried refuses a rule that is to go on with runs that are not its own.
func uncarried(r *Rule, set *Set) []syntax.Problem {
	if r.Doc.State != "carry" {
		return nil
	}
	detail, was := "there is no live revision to carry on from", set.Rule(r.Doc.Name)
	if was != nil {
		if detail = Uncarried(was.Prog, r.Prog); detail == "" {
			return nil
		}
	}
	return []syntax.Problem{{Line: r.Doc.StatePos.Line, Col: r.Doc.StatePos.Col, Pointer: "/state",
		Detail: "`state: carry` cannot be kept: " + detail, Hint: "`state: warm` reads the past again"}}
}
