package rules

import (
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A View is a view document with what it compiles to.
type View struct {
	Doc      *syntax.View
	Prog     *prog.View
	Revision int // 1 for a view read from a file
}

// rule is the view's window as a rule that raises nothing: what concerns
// streams, keys, profiles and lists is asked of it.
func (v *View) rule() *Rule {
	return &Rule{Doc: v.Prog.Rule.Doc, Prog: v.Prog.Rule, Revision: v.Revision}
}

// View returns the view called name, or nil.
func (s *Set) View(name string) *View {
	i, ok := slices.BinarySearchFunc(s.Views, name, func(v *View, n string) int { return strings.Compare(v.Doc.Name, n) })
	if !ok {
		return nil
	}
	return s.Views[i]
}

// A viewIn is a view with its file.
type viewIn struct {
	doc  *syntax.View
	file *syntax.File
}

// compileViews compiles the views, those over a broken stream excepted; those
// over alerts when the rules of the chain are.
func (c *checker) compileViews(env *prog.Env, tied *chain) {
	for _, v := range c.views {
		switch {
		case slices.ContainsFunc(v.doc.Window.Streams, func(n syntax.Name) bool { return c.broken[n.Name] }):
		case prog.UpstreamOfView(v.doc) == nil:
			c.view(v, env)
		default:
			tied.addView(v.doc, func(env *prog.Env, final bool) *prog.Rule {
				if final {
					c.view(v, env)
				}
				return nil
			})
		}
	}
}

func (c *checker) view(v viewIn, env *prog.Env) {
	compiled, problems := prog.CompileView(v.doc, env)
	for _, p := range problems {
		c.report(v.file, p)
	}
	if compiled != nil {
		c.set.Views = append(c.set.Views, &View{Doc: v.doc, Prog: compiled, Revision: 1})
	}
}

// A viewOver is a compiled view revision, with what it was compiled over
// besides its own text.
type viewOver struct {
	doc    *syntax.View
	over   []*Stream  // by the window's streams; nil where there was none
	read   []string   // shapes of the lists that it reads
	recall []*Profile // the profiles that it reads
	view   *View      // nil before the first
}

func (k *viewOver) stillOver(set *Set) bool {
	for i, n := range k.doc.Window.Streams {
		if set.Stream(n.Name) != k.over[i] {
			return false
		}
	}
	r := k.view.Prog.Rule
	return slices.Equal(k.read, shapesRead(r.Outside.Lists, set)) && slices.Equal(k.recall, profilesRead(r, set))
}

// viewOf returns a view's revision, parsed; nil for a fault of the set.
func (c *compiler) viewOf(set *Set, rev *Revision) *viewOver {
	return parsed(set, rev, c.views, func(d *syntax.View) (*viewOver, []syntax.Problem) {
		return &viewOver{doc: d}, nil
	})
}

// view adds a revision of a view, compiled again only when what it reads is
// another.
func (c *compiler) view(set *Set, env *prog.Env, rev *Revision, known *viewOver) {
	if known.view == nil || !known.stillOver(set) {
		compiled, problems := prog.CompileView(known.doc, env)
		if compiled == nil {
			set.Faults = append(set.Faults, Fault{rev.Ref, problems})
			return
		}
		known.view = &View{Doc: known.doc, Prog: compiled, Revision: rev.Revision}
		known.read, known.recall = shapesRead(compiled.Rule.Outside.Lists, set), profilesRead(compiled.Rule, set)
		known.over = known.over[:0]
		for _, n := range known.doc.Window.Streams {
			known.over = append(known.over, set.Stream(n.Name))
		}
	}
	set.Views = append(set.Views, known.view)
}

// checkView refuses what cannot run live.
func (s *state) checkView(v *View, found *Set, file *syntax.File) error {
	next := *s.set
	next.Streams = found.Streams
	problems := unplaced(v.rule(), &next)
	if s.set.View(v.Doc.Name) == nil && len(s.set.Views) >= DocumentsMax {
		problems = append(problems, full("views", len(s.set.Views), DocumentsMax)...)
	}
	return placed(problems, file)
}

// viewsNeed refuses to take a stream, profile or list from the views that are
// made of it.
func (s *state) viewsNeed(k Kind, name string) error {
	e := &InUseError{}
	switch k {
	case KindStream:
		e.Stream = name
	case KindProfile:
		e.Profile = name
	case KindList:
		e.List = name
	default:
		return nil
	}
	for _, v := range s.set.Views {
		r := v.Prog.Rule
		if slices.ContainsFunc(v.Doc.Window.Streams, func(n syntax.Name) bool { return n.Name == e.Stream }) ||
			slices.Contains(r.Outside.Profiles, e.Profile) || v.rule().reads(e.List) {
			e.Views = append(e.Views, v.Doc.Name)
		}
	}
	if len(e.Views) == 0 {
		return nil
	}
	return e
}
