package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// checkRevised refuses a change of a stream that what reads it cannot go along with.
// A field that nothing reads may change in any way; a rule that reads one that
// changes starts anew, as its document says.
func (s *state) checkRevised(c Change, was, now *syntax.Stream, file *syntax.File) error {
	users := s.readsStream(was.Name)
	if len(users) == 0 {
		return nil
	}
	var problems []syntax.Problem
	fixed := func(pointer, what string, same bool) {
		if !same {
			problems = append(problems, syntax.Problem{Line: now.Pos.Line, Col: now.Pos.Col, Pointer: pointer,
				Detail: fmt.Sprintf("the %s of stream %s cannot change while %s read it", what, was.Name, strings.Join(users, ", ")),
				Hint:   "store the stream under another name, or delete them first"})
		}
	}
	fixed("/source/topic", "topic", was.Topic == now.Topic)
	fixed("/format", "format", was.Format == now.Format)
	fixed("/time", "time", slices.Equal(was.TimeField, now.TimeField) && was.TimeUnit == now.TimeUnit)
	fixed("/partition_key", "partition_key", slices.Equal(was.PartitionKey, now.PartitionKey))
	problems = append(problems, s.rekeyed(was, now)...)
	for _, r := range s.set.AtWork() {
		if s.set.staged(r) && slices.ContainsFunc(r.Prog.Streams, func(st *event.Schema) bool { return st.Stream == was.Name }) {
			problems = append(problems, syntax.Problem{Line: now.Pos.Line, Col: now.Pos.Col, Pointer: "/name",
				Detail: fmt.Sprintf("rule %s has hot_keys and runs as two tasks in a row: what it reads cannot change", r.Doc.Name),
				Hint:   "delete the rule first, and store it again afterwards"})
		}
	}
	if err := placed(problems, file); err != nil {
		return err
	}
	return s.compiles(c, now.Pos, file)
}

// rekeyed refuses another type, or another policy on personal data, of a field that
// rules, profiles or views are keyed by: the keys of what they remember would be others.
func (s *state) rekeyed(was, now *syntax.Stream) []syntax.Problem {
	before, after := prog.SchemaOf(was), prog.SchemaOf(now)
	var problems []syntax.Problem
	check := func(kind, name string, key []int, at *Stream) {
		for _, i := range key {
			f := &at.Schema.Fields[i]
			to, from := after.Index(f.Name), before.Index(f.Name)
			if to >= 0 && from >= 0 && !after.Fields[to].Alike(&before.Fields[from]) {
				problems = append(problems, syntax.Problem{Line: now.Pos.Line, Col: now.Pos.Col, Pointer: "/fields/" + f.Name,
					Detail: fmt.Sprintf("%s %s is keyed by field %s, whose type and pii cannot change", kind, name, f.Name),
					Hint:   "add a field under another name, or delete the " + kind + " first"})
			}
		}
	}
	st := s.set.Stream(was.Name)
	for _, r := range s.set.runs() {
		for i, schema := range r.Prog.Streams {
			for _, role := range r.Prog.Keys[i].Roles {
				if schema.Stream == was.Name {
					check(r.kind(), r.Doc.Name, role, st)
				}
			}
		}
	}
	for _, p := range s.set.Profiles {
		if p.Doc.Stream.Name == was.Name {
			check("profile", p.Doc.Name, p.Prog.Key, st)
		}
	}
	return problems
}

// readsStream names the live rules, profiles and views that read a stream.
func (s *state) readsStream(stream string) []string {
	var names []string
	for _, r := range s.set.usersOf(stream) {
		names = append(names, "rule "+r)
	}
	for _, p := range s.set.profilesOver(stream) {
		names = append(names, "profile "+p)
	}
	for _, v := range s.set.Views {
		if slices.ContainsFunc(v.Doc.Window.Streams, func(n syntax.Name) bool { return n.Name == stream }) {
			names = append(names, "view "+v.Doc.Name)
		}
	}
	return names
}

// compiles refuses a change over which a live document would not compile.
func (s *state) compiles(c Change, at syntax.Pos, file *syntax.File) error {
	set, err := s.try(c)
	if err != nil {
		return err
	}
	var problems []syntax.Problem
	for _, f := range set.Faults {
		if slices.ContainsFunc(s.set.Faults, func(old Fault) bool { return old.Ref == f.Ref }) {
			continue
		}
		problems = append(problems, syntax.Problem{Line: at.Line, Col: at.Col, Pointer: "/name",
			Detail: fmt.Sprintf("%s %s, which is live, would not compile: %s", f.Ref.Kind, f.Ref.Name, f.Problems[0].Detail),
			Hint:   "change the " + string(f.Ref.Kind) + " first, or leave what it reads as it is"})
	}
	return placed(problems, file)
}

// try compiles the documents at work with a change among them, and leaves the
// registry as it is. What does not compile is a fault of the set.
func (r *Registry) try(c Change) (*Set, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.mu.heads[headKey(c.Kind, c.Name)]
	next := &Revision{Ref: Ref{c.Kind, c.Name, h.Next}, Text: string(c.Text)}
	refs, states := r.running()
	for i := range refs {
		if refs[i].Kind == c.Kind && refs[i].Name == c.Name {
			refs[i] = next.Ref
		}
	}
	revisions := maps.Clone(r.mu.revisions)
	revisions[next.Ref] = next
	return r.mu.compiler.apart().set(refs, states, revisions, nil)
}

// apart returns a compiler that knows what c does; what it compiles, c does not
// come to know.
func (c *compiler) apart() *compiler {
	own := *c
	own.streams, own.lists, own.alerts, own.schemas = maps.Clone(c.streams), maps.Clone(c.lists), maps.Clone(c.alerts), maps.Clone(c.schemas)
	own.silences, own.sinks, own.parts = maps.Clone(c.silences), maps.Clone(c.sinks), maps.Clone(c.parts)
	own.rules, own.profiles, own.views = copies(c.rules), copies(c.profiles), copies(c.views)
	for _, k := range own.rules {
		k.over = slices.Clone(k.over)
	}
	for _, k := range own.views {
		k.over = slices.Clone(k.over)
	}
	return &own
}

func copies[T any](of map[Ref]*T) map[Ref]*T {
	all := make(map[Ref]*T, len(of))
	for ref, v := range of {
		own := *v
		all[ref] = &own
	}
	return all
}
