package prog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/agg"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A Profile is a compiled profile. It is immutable and safe for concurrent
// use.
type Profile struct {
	Name     string
	Doc      *syntax.Profile
	Stream   *event.Schema
	Key      []int // positions in the stream's schema
	KeyTypes []event.Type
	Where    *expr.Program   // nil: true
	Pane     int64           // µs
	Panes    int64           // keep, in panes
	Aggs     expr.WindowAggs // of Values
	Sets     []*expr.Program // what each set() takes of an event
	SetMax   int             // values that a set keeps
	Values   []ProfileValue  // in the order of the document
	Outside  expr.Outside    // lists that expressions read
}

// A ProfileValue is one value of a profile.
type ProfileValue struct {
	Name string
	Expr *expr.Program // over Profile.Aggs; nil for a set
	Set  int           // position in Profile.Sets when Expr is nil
}

// Decl returns what rules that read the profile are compiled against.
func (p *Profile) Decl() *expr.ProfileDecl {
	d := &expr.ProfileDecl{Name: p.Name}
	for _, v := range p.Values {
		if v.Expr == nil {
			d.Values = append(d.Values, expr.ProfileValue{Name: v.Name, Type: p.Sets[v.Set].Type, List: true})
		} else {
			d.Values = append(d.Values, expr.ProfileValue{Name: v.Name, Type: v.Expr.Type, Grows: v.Expr.Grows})
		}
	}
	return d
}

// CompileProfile checks and compiles one profile. The profile is nil when a
// problem was found; problems are as those of Compile.
func CompileProfile(doc *syntax.Profile, env *Env) (*Profile, []syntax.Problem) {
	c := &compiler{doc: &syntax.Rule{}, env: env, rule: &Rule{}}
	p := &Profile{Name: doc.Name, Doc: doc, Stream: env.Schemas[doc.Stream.Name], SetMax: doc.Limits.Set,
		Pane: doc.Pane.Microseconds(), Panes: int64(doc.Keep / doc.Pane)}
	if p.Stream == nil {
		c.unknownStream(doc.Stream.Name, mention{doc.Stream.Pos, "/stream"})
		return nil, c.problems
	}
	c.profileKey(p)
	if doc.Where != nil {
		var errs []expr.Error
		sc := p.scope(env)
		p.Where, errs = expr.Compile(doc.Where.Src, event.Bool, sc)
		c.exprErrors(doc.Where, errs)
	}
	c.profileValues(p)
	if c.failed() {
		return nil, c.problems
	}
	return p, c.problems
}

// scope is what the profile's expressions see: its own events only.
func (p *Profile) scope(env *Env) *expr.Scope {
	return &expr.Scope{Event: p.Stream, Lists: env.Lists, Outside: &p.Outside,
		Hidden: map[string]string{"profile": "a profile is made of the events of its stream"}}
}

func (c *compiler) profileKey(p *Profile) {
	key := p.Doc.Key
	for _, f := range key.Fields {
		at, detail, better := keyField(p.Stream, f, "profile")
		if at < 0 {
			c.errorf(key.Pos, "/key", cmp.Or(better, "name a field of that stream"), "%s", detail)
			continue
		}
		p.Key, p.KeyTypes = append(p.Key, at), append(p.KeyTypes, p.Stream.Fields[at].Type)
	}
}

func (c *compiler) profileValues(p *Profile) {
	sc := p.scope(c.env)
	sc.Window = &p.Aggs
	for i := range p.Doc.Values {
		v := &p.Doc.Values[i]
		calls := len(p.Aggs.List)
		program, set, errs := expr.CompileProfileValue(v.Text.Src, sc)
		c.exprErrors(&v.Text, errs)
		if slices.ContainsFunc(p.Aggs.List[calls:], func(a expr.WindowAgg) bool { return a.Spec.Func == agg.Percentile }) {
			c.errorf(v.Text.Pos, v.Text.Pointer, "avg(…) + 2 * stddev(…) tells what is unusual", "percentile() is for windows only: a profile keeps sums, not every event")
		}
		if set {
			p.Sets = append(p.Sets, program)
			p.Values = append(p.Values, ProfileValue{Name: v.Name, Set: len(p.Sets) - 1})
		} else {
			p.Values = append(p.Values, ProfileValue{Name: v.Name, Expr: program})
		}
	}
}

// profiles are the profiles as the rule's expressions may name them. Its key
// types must be known.
func (c *compiler) profiles() expr.Profiles {
	if c.decls != nil {
		return c.decls
	}
	c.decls = make(expr.Profiles, len(c.env.Profiles))
	for name, p := range c.env.Profiles {
		if p == nil {
			c.decls[name] = &expr.ProfileDecl{Name: name, Refused: fmt.Sprintf("profile %s has problems of its own", name), Hint: "mend the profile first"}
			continue
		}
		d := p.Decl()
		d.Refused, d.Hint = c.otherKey(p)
		c.decls[name] = d
	}
	return c.decls
}

// otherKey says why the rule's key is not the profile's, or "".
func (c *compiler) otherKey(p *Profile) (why, hint string) {
	theirs, ours := strings.Join(p.Doc.Key.Fields, ", "), strings.Join(c.doc.Key.Fields, ", ")
	switch {
	case theirs != ours:
		return fmt.Sprintf("profile %s is kept by %s, and this %s's key is %s", p.Name, theirs, c.what(), ours),
			"a " + c.what() + " reads profiles of its own key: declare one with key: " + ours
	case c.rule.KeyTypes != nil && !slices.Equal(c.rule.KeyTypes, p.KeyTypes):
		return fmt.Sprintf("the key %s of profile %s differs in type from the %s's", theirs, p.Name, c.what()), "declare the field with one type in all streams"
	case c.hashed != nil && !slices.Equal(c.hashed, hashedOf(p.Stream, p.Key)):
		return fmt.Sprintf("the key %s is hashed in one of profile %s and this %s, and not in the other", theirs, p.Name, c.what()), hashedKeyHint
	}
	return "", ""
}

// useProfiles notes the profiles that the rule reads, and warns of one that
// forgets what the rule still looks at.
func (c *compiler) useProfiles() {
	for _, name := range c.rule.Outside.Profiles {
		p := c.env.Profiles[name]
		c.rule.Profiles = append(c.rule.Profiles, p)
		pos, pointer, span := c.doc.WithinPos, "/within", c.doc.Within
		if w := c.doc.Window; w != nil {
			pos, pointer, span = w.Pos, "/window", w.Size
		}
		if span > p.Doc.Keep {
			c.errorf(pos, pointer, "give the profile a longer keep", "the %s looks back %s, profile %s only %s",
				c.what(), syntax.FormatDuration(span), name, syntax.FormatDuration(p.Doc.Keep))
			c.problems[len(c.problems)-1].Warning = true
		}
	}
}

func (p *Profile) dump(b *strings.Builder) {
	fmt.Fprintf(b, "profile %s by %s on %s keep %s panes of %s\n", p.Name, strings.Join(p.Doc.Key.Fields, "+"), p.Stream.Stream,
		syntax.FormatDuration(p.Doc.Keep), syntax.FormatDuration(p.Doc.Pane))
}
