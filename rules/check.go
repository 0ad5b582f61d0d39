package rules

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/syntax"
)

// holds checks the writer's condition.
func (s *state) holds(c Change) error {
	live := s.live()
	switch {
	case c.If.Absent && live:
		return fmt.Errorf("%s %s exists, at revision %d: %w", c.Kind, c.Name, s.head.Revision, ErrStale)
	case (c.If.Present || c.If.Revision > 0) && !live:
		return fmt.Errorf("%s %s does not exist: %w", c.Kind, c.Name, ErrStale)
	case live && s.head.Trial != nil && c.If.Revision == s.head.Trial.Revision:
		return nil
	case c.If.Revision > 0 && c.If.Revision < s.head.Revision: // numbers only grow
		return settled{fmt.Errorf("%s %s is at revision %d, not %d: %w", c.Kind, c.Name, s.head.Revision, c.If.Revision, ErrStale)}
	case c.If.Revision > 0 && c.If.Revision > s.head.Revision:
		return fmt.Errorf("%s %s is at revision %d, not %d: %w", c.Kind, c.Name, s.head.Revision, c.If.Revision, ErrStale)
	}
	return nil
}

// check refuses a document that must not go live beside the current set.
func (s *state) check(c Change) error {
	if len(c.Text) > TextBytesMax {
		return settled{invalid(syntax.Problem{Detail: fmt.Sprintf("the document has %d bytes, the limit is %d", len(c.Text), TextBytesMax)})}
	}
	file, err := theOne(c)
	if err != nil {
		return settled{err}
	}
	found, problems := Check(s.set, Source{Name: headKey(c.Kind, c.Name), Text: c.Text})
	if syntax.Failed(problems) {
		return &InvalidError{problems}
	}
	switch c.Kind {
	case KindRule:
		return s.checkRule(found.Rule(c.Name), found, file)
	case KindList:
		return s.checkList(found.List(c.Name), file)
	case KindProfile:
		return s.checkProfile(c, found.Profile(c.Name), file)
	case KindView:
		return s.checkView(found.View(c.Name), found, file)
	case KindSilence:
		return s.checkSilence(c.Name, file)
	case KindSink:
		return s.checkSink(c.Name, file)
	}
	return s.checkStream(c, found.Stream(c.Name), file)
}

// theOne checks that a change is one document of its kind and name.
func theOne(c Change) (*syntax.File, error) {
	file, problems := syntax.Parse(headKey(c.Kind, c.Name), c.Text)
	if syntax.Failed(problems) {
		return nil, &InvalidError{problems}
	}
	if n := len(file.Documents); n != 1 {
		return nil, invalid(syntax.Problem{File: file.Name, Detail: fmt.Sprintf("the body holds %d documents, want one", n)})
	}
	m := file.Documents[0].Header()
	wrong := func(pointer, detail string) error {
		return invalid(file.Place([]syntax.Problem{{Line: m.Pos.Line, Col: m.Pos.Col, Pointer: pointer, Detail: detail}})...)
	}
	if m.Kind != c.Kind.title() {
		return nil, wrong("/kind", fmt.Sprintf("the document is a %s, want a %s", m.Kind, c.Kind.title()))
	}
	if m.Name != c.Name {
		return nil, wrong("/name", fmt.Sprintf("the document is called %s, the address says %s", m.Name, c.Name))
	}
	return file, nil
}

func invalid(p ...syntax.Problem) error { return &InvalidError{p} }

// checkRule refuses what cannot run live.
func (s *state) checkRule(rule *Rule, found *Set, file *syntax.File) error {
	next := s.set.beside(rule)
	next.Streams = found.Streams
	problems := append(unplaced(rule, next), syntax.Saved(rule.Doc)...)
	problems = append(problems, displaced(rule, next)...)
	problems = append(problems, uncarried(rule, s.set)...)
	if !s.live() && s.rules >= DocumentsMax {
		problems = append(problems, full("rules", s.rules, DocumentsMax)...)
	}
	return placed(problems, file)
}

// checkStream refuses a stream that cannot be served, that reads the topic of
// another one, or whose change live documents cannot go along with.
func (s *state) checkStream(c Change, st *Stream, file *syntax.File) error {
	problems := append(unservable(st.Doc), keyless(st.Doc, s.set.key)...)
	for _, other := range s.set.Streams {
		if other.Doc.Topic == st.Doc.Topic && other.Doc.Name != st.Doc.Name {
			problems = append(problems, syntax.Problem{Line: st.Doc.SourcePos.Line, Col: st.Doc.SourcePos.Col, Pointer: "/source/topic",
				Detail: fmt.Sprintf("topic %s is read by stream %s already: a second stream over one topic is not supported yet", st.Doc.Topic, other.Doc.Name)})
		}
	}
	if by := s.set.writerOf(st.Doc.Topic); by != "" {
		problems = append(problems, syntax.Problem{Line: st.Doc.SourcePos.Line, Col: st.Doc.SourcePos.Col, Pointer: "/source/topic",
			Detail: fmt.Sprintf("topic %s is written by sink %s: its alerts would be events", st.Doc.Topic, by)})
	}
	was := s.set.Stream(st.Doc.Name)
	if was == nil && len(s.set.Streams) >= DocumentsMax {
		problems = append(problems, full("streams", len(s.set.Streams), DocumentsMax)...)
	}
	if err := placed(problems, file); err != nil {
		return err
	}
	if was == nil {
		return nil
	}
	return s.checkRevised(c, was.Doc, st.Doc, file)
}

// checkList refuses a list whose values or attributes would no longer be of
// the types that live rules were compiled against.
func (s *state) checkList(l *List, file *syntax.File) error {
	was := s.set.List(l.Doc.Name)
	if was == nil && len(s.set.Lists) >= DocumentsMax {
		return placed(full("lists", len(s.set.Lists), DocumentsMax), file)
	}
	if users := s.set.readersOf(l.Doc.Name); was != nil && len(users) > 0 && was.shape() != l.shape() {
		return &InUseError{List: l.Doc.Name, Rules: users, Change: true}
	}
	if made := s.set.profilesReading(l.Doc.Name); was != nil && len(made) > 0 && was.shape() != l.shape() {
		return &InUseError{List: l.Doc.Name, Profiles: made, Change: true}
	}
	if was != nil && was.shape() != l.shape() {
		return s.viewsNeed(KindList, l.Doc.Name)
	}
	return nil
}

// full is the problem of one document too many.
func full(documents string, n, limit int) []syntax.Problem {
	return []syntax.Problem{{Detail: fmt.Sprintf("there are %d %s, the limit is %d", n, documents, limit)}}
}

// placed makes an error of problems, or nil of none.
func placed(problems []syntax.Problem, file *syntax.File) error {
	if len(problems) == 0 {
		return nil
	}
	return &InvalidError{file.Place(problems)}
}

// with adds a name unless it is there.
func with(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

// readersOf names the rules that read a list.
func (s *Set) readersOf(list string) []string {
	var names []string
	for _, r := range s.AtWork() {
		if slices.Contains(r.Prog.Outside.Lists, list) {
			names = with(names, r.Doc.Name)
		}
	}
	return names
}

// usersOf names the rules that read a stream.
func (s *Set) usersOf(stream string) []string {
	var names []string
	for _, r := range s.AtWork() {
		for _, u := range usesOf(r.Doc) {
			if u.stream == stream {
				names = with(names, r.Doc.Name)
				break
			}
		}
	}
	return names
}
