package rules

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A Source is one text of documents: a file, or the body of a request.
type Source struct {
	Name string // shown in problems
	Text []byte
}

// Load reads files and checks their documents together. The error is a file
// that cannot be read; what is wrong inside is in the problems. The set holds
// what is sound; it is not to be run when a problem is not a warning.
func Load(paths ...string) (*Set, []syntax.Problem, error) { return Override{}.Load(paths...) }

// An Override replaces parts of all rules of the files that are loaded. The
// zero value replaces nothing.
type Override struct {
	Timing string // final, instead of the rules' own
	// HashKey is the key of fields with pii: hash; empty: that of the set that
	// documents are checked beside, without one event.DevelopmentKey.
	HashKey []byte
}

// Load does what the function Load does, with the rules changed.
func (o Override) Load(paths ...string) (*Set, []syntax.Problem, error) {
	sources := make([]Source, 0, len(paths))
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			return nil, nil, fmt.Errorf("reading documents: %w", err)
		}
		sources = append(sources, Source{Name: p, Text: text})
	}
	set, problems := o.check(nil, sources)
	return set, problems, nil
}

// Check parses, compiles and cross-checks the documents of all sources at
// once and returns all problems in the order of the text. base adds the
// streams, lists and profiles of a running set, for documents that do not bring their own; nil
// adds none. A rule of base is not part of the result.
func Check(base *Set, sources ...Source) (*Set, []syntax.Problem) {
	return Override{}.check(base, sources)
}

func (o Override) check(base *Set, sources []Source) (*Set, []syntax.Problem) {
	c := checker{timing: o.Timing, set: &Set{key: o.keyBeside(base)}, seen: map[nameOf]place{}, broken: map[string]bool{}}
	for i := range sources {
		c.parse(&sources[i])
	}
	c.borrow(base)
	c.addSinks()
	c.set.sort()
	c.compile(base)
	c.set.sort()
	return c.set, c.sorted(sources)
}

// keyBeside is the key of hashes for documents that are checked beside base.
func (o Override) keyBeside(base *Set) []byte {
	switch {
	case len(o.HashKey) > 0:
		return o.HashKey
	case base != nil && len(base.key) > 0:
		return base.key
	}
	return []byte(event.DevelopmentKey)
}

// A checker gathers the documents of several sources into one set.
type checker struct {
	timing   string // instead of the rules' own; "" leaves them
	set      *Set
	profiles []profileIn
	views    []viewIn
	sinks    []sinkIn
	rules    []sourced
	inspect  []sourced // rules that are written, but wrong
	seen     map[nameOf]place
	broken   map[string]bool // streams that are written, but wrong
	unsound  []string        // profiles that are written, but wrong
	problems []syntax.Problem
}

// A nameOf is the identity of a document.
type nameOf struct{ kind, name string }

// A place is where a document stands.
type place struct {
	file *syntax.File
	line int
}

// A sourced rule remembers its file.
type sourced struct {
	doc  *syntax.Rule
	file *syntax.File
}

// A profileIn is a profile with its file.
type profileIn struct {
	doc  *syntax.Profile
	file *syntax.File
}

func (c *checker) parse(src *Source) {
	file, problems := syntax.Parse(src.Name, src.Text)
	c.problems = append(c.problems, problems...)
	for _, doc := range file.Broken {
		switch m := doc.Header(); m.Kind {
		case KindStream.title():
			c.broken[m.Name] = true
		case KindList.title():
			c.seen[nameOf{m.Kind, m.Name}] = place{file, m.Pos.Line}
			if d, ok := doc.(*syntax.List); ok {
				c.declare(d)
			}
		case KindProfile.title():
			c.seen[nameOf{m.Kind, m.Name}] = place{file, m.Pos.Line}
			c.unsound = append(c.unsound, m.Name)
		}
		if d, ok := doc.(*syntax.Rule); ok {
			c.inspect = append(c.inspect, sourced{doc: d, file: file})
		}
	}
	for _, doc := range file.Documents {
		if !c.first(doc.Header(), file) {
			continue
		}
		switch d := doc.(type) {
		case *syntax.Stream:
			c.stream(d, file)
		case *syntax.List:
			c.list(d, file)
		case *syntax.Profile:
			c.profiles = append(c.profiles, profileIn{doc: d, file: file})
		case *syntax.View:
			c.views = append(c.views, viewIn{doc: d, file: file})
		case *syntax.Silence:
			c.set.Silences = append(c.set.Silences, silence(d, time.Time{}, 1))
		case *syntax.Sink:
			c.sinks = append(c.sinks, sinkIn{doc: d, file: file})
		case *syntax.Rule:
			if c.timing != "" {
				d.Timing = c.timing
			}
			c.rules = append(c.rules, sourced{doc: d, file: file})
		}
	}
}

// first reports whether this is the first document of its kind and name, and
// reports a problem when it is not. Within one file the parser has done so.
func (c *checker) first(m *syntax.Meta, file *syntax.File) bool {
	id := nameOf{m.Kind, m.Name}
	was, ok := c.seen[id]
	if !ok {
		c.seen[id] = place{file, m.Pos.Line}
		return true
	}
	c.report(file, syntax.Problem{Line: m.Pos.Line, Col: m.Pos.Col, Pointer: "/name",
		Detail: fmt.Sprintf("second %s with the same name: %s is already defined at %s:%d", strings.ToLower(m.Kind), m.Name, was.file.Name, was.line)})
	return false
}

func (c *checker) stream(d *syntax.Stream, file *syntax.File) {
	c.set.Streams = append(c.set.Streams, &Stream{Doc: d, Schema: prog.SchemaOf(d), Revision: 1, key: c.set.key})
}

// list adds a list. One whose entries are wrong is still declared, so that
// rules that read it are judged by what they say.
func (c *checker) list(d *syntax.List, file *syntax.File) {
	l := c.declare(d)
	var problems []syntax.Problem
	if d.Topic == "" {
		l.Table, problems = prog.TableOf(d, l.Decl, l.Revision)
	}
	for _, p := range problems {
		c.report(file, p)
	}
}

func (c *checker) declare(d *syntax.List) *List {
	l := &List{Doc: d, Decl: prog.ListDeclOf(d), Revision: 1}
	c.set.Lists = append(c.set.Lists, l)
	return l
}

// borrow adds the streams, lists and profiles of base that the sources do not define.
func (c *checker) borrow(base *Set) {
	if base == nil {
		return
	}
	for _, st := range base.Streams {
		if _, own := c.seen[nameOf{KindStream.title(), st.Doc.Name}]; !own {
			c.set.Streams = append(c.set.Streams, st)
		}
	}
	for _, l := range base.Lists {
		if _, own := c.seen[nameOf{KindList.title(), l.Doc.Name}]; !own {
			c.set.Lists = append(c.set.Lists, l)
		}
	}
	for _, p := range base.Profiles {
		if _, own := c.seen[nameOf{KindProfile.title(), p.Doc.Name}]; !own {
			c.set.Profiles = append(c.set.Profiles, p)
		}
	}
}

// compileProfiles compiles the profiles, those over a broken stream excepted.
func (c *checker) compileProfiles(env *prog.Env) {
	for i, p := range c.set.Profiles { // borrowed ones, whose stream the sources may bring anew
		if p.Prog.Stream == env.Schemas[p.Doc.Stream.Name] {
			continue
		}
		again, _ := prog.CompileProfile(p.Doc, env)
		env.Profiles[p.Doc.Name] = again
		if again != nil {
			c.set.Profiles[i] = &Profile{Doc: p.Doc, Prog: again, Revision: p.Revision}
		}
	}
	for _, p := range c.profiles {
		name := p.doc.Name
		if c.broken[p.doc.Stream.Name] {
			c.unsound = append(c.unsound, name)
			continue
		}
		compiled, problems := prog.CompileProfile(p.doc, env)
		for _, problem := range problems {
			c.report(p.file, problem)
		}
		if compiled == nil {
			c.unsound = append(c.unsound, name)
			continue
		}
		c.set.Profiles = append(c.set.Profiles, &Profile{Doc: p.doc, Prog: compiled, Revision: 1})
		env.Profiles[name] = compiled
	}
	for _, name := range c.unsound {
		env.Profiles[name] = nil
	}
}

// compile compiles the rules. A rule over a broken stream waits until the
// stream is mended: what could be said of it now would mislead.
func (c *checker) compile(base *Set) {
	env := c.set.env()
	c.compileProfiles(env)
	for _, r := range c.inspect {
		if c.clear(r) && prog.UpstreamOf(r.doc) == nil {
			for _, p := range prog.Inspect(r.doc, env) {
				if p.Line > 0 && !c.reported(r.file, p.Line) {
					c.report(r.file, p)
				}
			}
		}
	}
	tied := &chain{final: func(s *Stream) { c.set.Alerts = s }, stream: func(fields string) *Stream {
		if base != nil && base.Alerts != nil && base.Alerts.fields == fields {
			return base.Alerts
		}
		return alertsStream(fields)
	}}
	c.compileViews(env, tied)
	for _, r := range c.rules {
		switch {
		case !c.clear(r):
		case prog.UpstreamOf(r.doc) == nil:
			tied.add(r.doc, c.rule(r, env), nil)
		default:
			tied.add(r.doc, nil, func(env *prog.Env, final bool) *prog.Rule {
				if final {
					return c.rule(r, env)
				}
				p, _ := prog.Compile(r.doc, env)
				return p
			})
		}
	}
	c.addRunning(tied, base)
	tied.tie()
	readers, circles := tied.order()
	for _, circle := range circles {
		c.reportCircle(circle)
	}
	if len(readers) > 0 && len(circles) == 0 {
		c.explainConflicts(tied.compileReaders(readers, env))
	}
}

// rule compiles one rule into the set; nil when it is refused.
func (c *checker) rule(r sourced, env *prog.Env) *prog.Rule {
	compiled, problems := prog.Compile(r.doc, env)
	for _, p := range problems {
		c.report(r.file, p)
	}
	if compiled == nil {
		return nil
	}
	for _, p := range misnamed(r.doc, c.set) {
		c.report(r.file, p)
	}
	rule := &Rule{Doc: r.doc, Prog: compiled, Revision: 1}
	rule.stages = stagesOf(rule, c.set, newPartsSchema)
	c.set.Rules = append(c.set.Rules, rule)
	return compiled
}

// clear reports whether no stream of the rule is broken.
func (c *checker) clear(r sourced) bool {
	return !slices.ContainsFunc(usesOf(r.doc), func(u use) bool { return c.broken[u.stream] })
}

// reported reports whether a line has a problem already, of which another may
// be a mere consequence.
func (c *checker) reported(file *syntax.File, line int) bool {
	return slices.ContainsFunc(c.problems, func(p syntax.Problem) bool { return p.File == file.Name && p.Line == line })
}

// report adds a problem with its file and source line.
func (c *checker) report(file *syntax.File, p syntax.Problem) {
	p.File, p.Source = file.Name, file.Line(p.Line)
	c.problems = append(c.problems, p)
}

// sorted returns the problems in the order of the sources and their lines.
func (c *checker) sorted(sources []Source) []syntax.Problem {
	order := make(map[string]int, len(sources))
	for i := range sources {
		order[sources[i].Name] = i
	}
	slices.SortStableFunc(c.problems, func(a, b syntax.Problem) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return c.problems
}
