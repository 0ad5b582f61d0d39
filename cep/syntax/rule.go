package syntax

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Bounds of a rule's parts.
const (
	maxSteps    = 200
	maxValues   = 200
	maxMeasures = 100
	minSalts    = 2
	maxSalts    = 64
)

// What texts are, in messages.
const (
	expressionHere = "an expression"
	patternHere    = "a pattern"
)

func (r *reader) rule(o *object, m Meta) *Rule {
	d := &Rule{Meta: m}
	d.Severity = o.get("severity").word("medium", "info", "low", "medium", "high", "critical")
	d.Score = o.get("score").integer(0, 0, 100)
	if k := o.need("key", "name the field whose events belong together, as in key: card_id").fields(); k != nil {
		d.Key = *k
	}
	d.Having = o.get("having").text(expressionHere)
	if v := o.get("timing"); v != nil {
		d.Timing, d.TimingPos = v.word("", "early", "final"), v.at()
	}
	d.State = "warm"
	if v := o.get("state"); v != nil {
		d.State, d.StatePos = v.word("warm", "warm", "reset", "carry"), v.at()
	}
	r.body(o, d)
	r.alert(o.get("alert").object("`alert`"), d)
	d.Limits = r.limits(o.get("limits"), d)
	r.hotKeys(o.get("hot_keys"), d)
	d.Tests = r.tests(o.get("tests"), d)
	r.problems = append(r.problems, Check(d)...)
	return d
}

// body reads what only pattern rules or only window rules have.
func (r *reader) body(o *object, d *Rule) {
	pattern, window := o.get("pattern"), o.get("window")
	switch {
	case pattern != nil && window != nil:
		window.refuse("a rule has either `pattern` or `window`, not both", "make two rules of it")
	case pattern == nil && window == nil:
		o.need("pattern", "as in pattern: probe{3,} -> hit; a rule of counts has window: {stream: payment, rolling: 5m} instead")
	}
	if pattern == nil && window != nil {
		r.windowBody(o, d, window)
		return
	}
	r.patternBody(o, d, pattern)
	if v := o.get("values"); v != nil {
		v.refuse("`values` belongs to a window; a pattern has none", "aggregates over a step go into `having` or `measures`")
	}
}

func (r *reader) patternBody(o *object, d *Rule, pattern *value) {
	if v := o.get("within"); v != nil {
		d.Within, d.WithinPos = v.duration(0, time.Millisecond), v.at()
	}
	if t := pattern.text(patternHere); t != nil {
		d.PatternText = *t
		node, problems := ParsePattern(*t)
		d.Pattern = node
		r.problems = append(r.problems, problems...)
		r.steps(o.need("steps", stepsHint), d)
	} else {
		r.steps(o.get("steps"), d)
	}
	if v := o.get("emit"); v != nil {
		d.EmitPos = v.at()
	}
	d.Emit = o.get("emit").word("first", "first", "all")
	r.afterMatch(o.get("after_match"), d)
}

func (r *reader) windowBody(o *object, d *Rule, window *value) {
	d.Emit = "first"
	d.AfterMatch.Kind = "skip_past_last"
	d.Window = r.window(window)
	d.Values = r.namedTexts(o.need("values", "name what having compares: values: {n: count()}"), "`values`", maxValues, true)
	if d.Having == nil && o.get("having") == nil {
		o.need("having", "say when to raise the alert: having: n >= 10")
	}
	for _, key := range []string{"within", "steps", "emit", "after_match"} {
		if v := o.get(key); v != nil {
			v.refuse(fmt.Sprintf("`%s` belongs to a pattern; a window has none", key), windowHint(key))
		}
	}
}

// windowHint says what a window has instead of a pattern's key.
func windowHint(key string) string {
	if key == "within" {
		return "a window has its length: rolling: 5m"
	}
	return "delete it"
}

const stepsHint = "every step named in the pattern: steps: {probe: {stream: payment}}"

// steps reads the steps of a pattern.
func (r *reader) steps(v *value, d *Rule) {
	entries := v.entries("`steps`", fieldName, fieldNameRule)
	if v.empty() {
		v.refuse("`steps` defines no step", stepsHint)
	}
	if len(entries) > maxSteps {
		v.refuse(fmt.Sprintf("%d steps; the limit is %d", len(entries), maxSteps), "split the rule")
		return
	}
	for _, e := range entries {
		r.reserved(e, "rename the step")
		if e.key.Name == "until" {
			r.refuse(e.key.Pos, e.val.pointer, "`until` is a word of the pattern grammar", "rename the step")
		}
		d.Steps = append(d.Steps, r.step(e))
	}
}

func (r *reader) step(e entry) *Step {
	s := &Step{Name: e.key.Name, Pos: e.key.Pos}
	if e.val.node.Kind != yaml.MappingNode {
		e.val.wrong("a mapping", fmt.Sprintf("write it as %s: {stream: payment, where: amount < 5}", s.Name))
		return s
	}
	o := e.val.object("step `" + s.Name + "`")
	if v := o.need("stream", "name the stream whose events it takes"); v != nil {
		stream := v.oneStream("a step")
		s.Stream, s.StrPos = stream.Name, stream.Pos
	}
	s.Where = o.get("where").text(expressionHere)
	if g := o.get("gap"); g != nil {
		s.Gap, s.GapPos = g.duration(0, time.Millisecond), g.at()
	}
	s.Key = o.get("key").fields()
	o.done()
	return s
}

// oneStream reads the name of a stream where a list is a likely mistake.
func (v *value) oneStream(reader string) Name {
	if v.node.Kind == yaml.SequenceNode {
		v.refuse(fmt.Sprintf("%s reads one stream, not a list", reader), "only a window reads several; write one step a stream and join them with `|`")
		return Name{Pos: v.at()}
	}
	return v.name(documentName, documentNameRule)
}

func (r *reader) afterMatch(v *value, d *Rule) {
	d.AfterMatch.Kind = "skip_past_last"
	if d.Emit == "all" {
		d.AfterMatch.Kind = "no_skip"
	}
	if v == nil {
		return
	}
	d.AfterMatch.Set, d.AfterMatch.Pos = true, v.at()
	if v.node.Kind != yaml.MappingNode {
		if to := v.node.Value; v.scalar() && (to == "skip_to_first" || to == "skip_to_last") {
			v.refuse(fmt.Sprintf("`%s` needs a step", to), fmt.Sprintf("write it as after_match: {%s: STEP}", to))
			return
		}
		d.AfterMatch.Kind = v.word(d.AfterMatch.Kind, "skip_past_last", "no_skip", "skip_to_next")
		return
	}
	o := v.object("`after_match`")
	for _, kind := range []string{"skip_to_first", "skip_to_last"} {
		if s := o.get(kind); s != nil {
			n := s.name(fieldName, fieldNameRule)
			d.AfterMatch = AfterMatch{Kind: kind, Step: n.Name, Set: true, Pos: n.Pos}
		}
	}
	if len(o.entries) != 1 {
		o.refuse("`after_match` takes one of skip_to_first and skip_to_last here", "as in after_match: {skip_to_first: hit}")
	}
	o.done()
}

func (r *reader) alert(o *object, d *Rule) {
	if o == nil {
		return
	}
	d.Alert.Summary = o.get("summary").template()
	d.Alert.Measures = r.namedTexts(o.get("measures"), "`measures`", maxMeasures, false)
	if v := o.get("suppress"); v != nil {
		d.Alert.Suppress, d.Alert.SuppressPos = v.duration(0, time.Millisecond), v.at()
	}
	o.done()
}

// namedTexts reads a mapping of names to expressions, in the order of the
// text.
func (r *reader) namedTexts(v *value, what string, most int, read bool) []NamedText {
	entries := v.entries(what, fieldName, fieldNameRule)
	if len(entries) > most {
		v.refuse(fmt.Sprintf("%d entries in %s; the limit is %d", len(entries), what, most), "keep what is read")
		return nil
	}
	if read && v.empty() {
		v.refuse(what+" names no value", "as in values: {n: count(), total: sum(amount)}")
	}
	var list []NamedText
	for _, e := range entries {
		if read {
			r.reserved(e, "name the value otherwise")
		}
		if t := e.val.text(expressionHere); t != nil {
			list = append(list, NamedText{Name: e.key.Name, Text: *t})
		}
	}
	return list
}

func (r *reader) hotKeys(v *value, d *Rule) {
	o := v.object("`hot_keys`")
	if o == nil {
		return
	}
	d.SaltsPos = v.at()
	d.Salts = o.need("salts", "as in hot_keys: {salts: 8}").integer(0, minSalts, maxSalts)
	o.done()
	if d.Window == nil || d.Window.Kind == "rolling" || d.Window.Kind == "session" {
		v.refuse("`hot_keys` is for tumbling and sliding windows only", "sequences, rolling and session windows cannot be split by salt")
	}
}

func joined(list []string) string { return strings.Join(list, ", ") }

// step returns the step of a name, nil when there is none.
func (d *Rule) step(name string) *Step {
	if i := slices.IndexFunc(d.Steps, func(s *Step) bool { return s.Name == name }); i >= 0 {
		return d.Steps[i]
	}
	return nil
}
