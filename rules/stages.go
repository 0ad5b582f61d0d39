package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/cep/window"
	"github.com/caltrop/caltrop/engine/task"
)

// A rule with hot_keys runs as two tasks in a row: the first on its key and salt,
// the second on its key. Between them is a stream of parts, one a revision of the
// rule, which nothing but a keyed log carries.

// partsPrefix begins the names of streams of parts. No stream has such a name.
const partsPrefix = "parts."

// IsParts reports whether a stream is that of what the first stage of a rule hands
// over to the second.
func IsParts(stream string) bool { return strings.HasPrefix(stream, partsPrefix) }

// stages are what a rule in two stages has besides its program.
type stages struct {
	parts  *Stream
	second *prog.Rule
}

// stagesOf divides a rule into stages; nil for one without hot_keys, and for one
// that needs all of a key in one place: it reads a profile, or alerts, or the first
// or last value of a salt over a stream with ids. Events with ids are spread by
// them, or a second event of an id would not be known as one.
func stagesOf(r *Rule, set *Set, schema func(name string) *event.Schema) *stages {
	if r.Doc.Salts == 0 || len(r.Prog.Profiles) > 0 || r.Prog.Upstream != nil || ordered(r.Prog.Window) && named(r.Prog, set) {
		return nil
	}
	name := fmt.Sprintf("%s%s.r%d", partsPrefix, r.Doc.Name, r.Revision)
	parts := partsOf(name, schema(name))
	for _, s := range r.Prog.Streams {
		if st := set.Stream(s.Stream); st != nil {
			parts.Doc.Lateness = max(parts.Doc.Lateness, st.Doc.Lateness)
		}
	}
	second, merged := *r.Prog, *r.Prog.Window
	merged.Where = []*expr.Program{nil}
	second.Whole, second.Window = r.Prog, &merged
	second.Streams, second.Keys = []*event.Schema{parts.Schema}, []prog.KeyOf{{Roles: [][]int{{window.PartKey}}}}
	return &stages{parts: parts, second: &second}
}

// ordered reports whether the order of events within a salt matters.
func ordered(w *prog.Window) bool {
	return slices.ContainsFunc(w.Aggs.List, func(a expr.WindowAgg) bool { return a.Spec.Func == agg.First || a.Spec.Func == agg.Last })
}

// named reports whether a stream of the rule has ids.
func named(r *prog.Rule, set *Set) bool {
	return slices.ContainsFunc(r.Streams, func(s *event.Schema) bool {
		st := set.Stream(s.Stream)
		return st == nil || st.Doc.ID != nil
	})
}

func newPartsSchema(name string) *event.Schema { return event.NewSchema(name, window.PartFields()) }

func partsOf(name string, schema *event.Schema) *Stream {
	return &Stream{Doc: &syntax.Stream{Meta: syntax.Meta{Name: name}}, Schema: schema, Revision: 1}
}

// partsStream finds a stream of parts.
func (s *Set) partsStream(name string) *Stream {
	for _, r := range s.AtWork() {
		if r.stages != nil && r.stages.parts.Doc.Name == name {
			return r.stages.parts
		}
	}
	for _, st := range s.loose {
		if st.Doc.Name == name {
			return st
		}
	}
	return nil
}

// addLoose gives a set the streams of parts that are asked for without their
// rules, as those of frames and of held events are.
func (r *Registry) addLoose(set *Set, names task.Set) {
	for _, ref := range names.Streams {
		if IsParts(ref.Name) && set.Stream(ref.Name) == nil {
			r.mu.Lock()
			set.loose = append(set.loose, partsOf(ref.Name, r.mu.compiler.partsSchema(ref.Name)))
			r.mu.Unlock()
		}
	}
}

// staged reports whether tasks of the set run a rule in two stages.
func (s *Set) staged(r *Rule) bool { return r.stages != nil && !s.single }

// stageOf is what of a rule the tasks of the set's input run.
func (s *Set) stageOf(r *Rule) task.Stage {
	switch {
	case s.input == "" || !s.staged(r):
		return task.Whole
	case s.input == saltedInput(r):
		return task.First
	}
	return task.Second
}

// at is a stage of a rule, for a task.
func (r *Rule) at(stage task.Stage) (task.Rule, error) {
	run := task.Rule{Rule: r.Prog, Revision: r.Revision, Stage: stage}
	switch {
	case stage == task.Whole:
		return run, nil
	case r.stages == nil:
		return run, fmt.Errorf("rule %s/%d does not run in stages", r.Doc.Name, r.Revision)
	case stage == task.Second:
		run.Rule = r.stages.second
	}
	run.Parts = r.stages.parts.Schema
	return run, nil
}

// saltedInput names the keyed log of a rule's key and salt. A dot cannot begin or
// end a field, so no key has such a name.
func saltedInput(r *Rule) string {
	return keyedInput(slices.Concat(r.Doc.Key.Fields, []string{"", "salts" + strconv.Itoa(r.Doc.Salts)}))
}

// Relays lists the rules whose first stage the tasks of an input run: the stream
// of their parts, and the input of the second.
func (s *Set) Relays(input string) []Relay {
	var all []Relay
	for _, r := range s.AtWork() {
		if p := s.PathOf(r); p.First == input && input != "" {
			all = append(all, Relay{Parts: r.stages.parts, Input: p.Input})
		}
	}
	return all
}

// A Relay is the way from the first stage of a rule to its second.
type Relay struct {
	Parts *Stream
	Input string
}
