package prog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// Compile checks and compiles one rule. The rule is nil when a problem that
// is not a warning was found; problems carry line, column and pointer but
// neither file nor source line, which the caller fills in.
func Compile(doc *syntax.Rule, env *Env) (*Rule, []syntax.Problem) {
	c := &compiler{doc: doc, env: env, rule: &Rule{
		Name:     doc.Name,
		Doc:      doc,
		KeyList:  doc.Key.List,
		Within:   doc.Within.Microseconds(),
		Suppress: doc.Alert.Suppress.Microseconds(),
		First:    doc.Emit != "all",
		NoSkip:   doc.AfterMatch.Kind == "no_skip",
		Limits:   doc.Limits,
		Upstream: UpstreamOf(doc),
	}}
	c.streams()
	if c.failed() {
		c.inspect()
		return nil, c.problems
	}
	if doc.Window != nil {
		c.window()
	} else {
		c.pattern()
	}
	if c.failed() {
		return nil, c.problems
	}
	c.useProfiles()
	c.timing()
	if c.failed() {
		return nil, c.problems
	}
	c.warnings()
	return c.rule, c.problems
}

// A compiler holds one rule while it is compiled.
type compiler struct {
	doc      *syntax.Rule
	env      *Env
	rule     *Rule
	problems []syntax.Problem
	preds    map[string]int // Pattern.Preds by step and scope
	aggs     expr.Aggs      // of a pattern's conditions and having
	counts   map[string]expr.Count
	decls    expr.Profiles // as the rule may name them
	hashed   []bool        // of the key, as KeyTypes
}

// what is compiled, in a word: a rule, or the window of a view.
func (c *compiler) what() string {
	if c.doc.Kind == "View" {
		return "view"
	}
	return "rule"
}

func (c *compiler) failed() bool {
	return slices.ContainsFunc(c.problems, func(p syntax.Problem) bool { return !p.Warning })
}

func (c *compiler) errorf(pos syntax.Pos, pointer, hint, format string, args ...any) {
	p := syntax.Problem{Line: pos.Line, Col: pos.Col, Pointer: pointer, Hint: hint, Detail: fmt.Sprintf(format, args...)}
	if !slices.Contains(c.problems, p) {
		c.problems = append(c.problems, p)
	}
}

// exprErrors adds the errors of an expression at their places in the file.
func (c *compiler) exprErrors(t *syntax.Text, errs []expr.Error) {
	for _, e := range errs {
		c.errorf(t.PosAt(e.Offset), t.Pointer, e.Hint, "%s", e.Detail)
	}
}

// streams resolves the rule's streams and the ways its events are keyed.
func (c *compiler) streams() {
	used := c.usedStreams()
	names := make([]string, 0, len(used))
	for n := range used {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		schema := c.env.Schemas[n]
		if schema == nil {
			c.unknownStream(n, used[n])
			continue
		}
		c.rule.Streams = append(c.rule.Streams, schema)
		c.rule.Keys = append(c.rule.Keys, KeyOf{})
	}
}

func (c *compiler) unknownStream(name string, at mention) {
	hint := "declare it with kind: Stream"
	if near := syntax.Closest(name, slices.Sorted(maps.Keys(c.env.Schemas))); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	c.errorf(at.pos, at.pointer, hint, "unknown stream %s", name)
}

// A mention is the first place where a rule names a stream.
type mention struct {
	pos     syntax.Pos
	pointer string
}

func (c *compiler) usedStreams() map[string]mention {
	used := make(map[string]mention)
	for _, s := range c.doc.Steps {
		if _, ok := used[s.Stream]; !ok {
			used[s.Stream] = mention{s.StrPos, "/steps/" + s.Name + "/stream"}
		}
	}
	if w := c.doc.Window; w != nil {
		for _, n := range w.Streams {
			used[n.Name] = mention{n.Pos, "/window/stream"}
		}
	}
	return used
}

func (c *compiler) streamIndex(name string) int {
	return slices.IndexFunc(c.rule.Streams, func(s *event.Schema) bool { return s.Stream == name })
}

// rolesMax bounds the keys under which one rule reads one stream; evaluators
// keep them as the bits of a byte.
const rolesMax = 8

// role returns the index of a key projection of a stream, adding it when it
// is new, or -1 after reporting a problem.
func (c *compiler) role(stream int, key *syntax.Key, pointer, hint string) int {
	schema := c.rule.Streams[stream]
	cols := make([]int, len(key.Fields))
	types := make([]event.Type, len(key.Fields))
	for i, f := range key.Fields {
		at, detail, better := keyField(schema, f, c.what())
		if at < 0 {
			c.errorf(key.Pos, pointer, cmp.Or(better, hint), "%s", detail)
			return -1
		}
		cols[i], types[i] = at, schema.Fields[at].Type
	}
	hashed := hashedOf(schema, cols)
	switch {
	case c.rule.KeyTypes == nil:
		c.rule.KeyTypes, c.hashed = types, hashed
	case !slices.Equal(c.rule.KeyTypes, types):
		c.errorf(key.Pos, pointer, "all streams of a "+c.what()+" need keys of the same types, in the same order",
			"the key %s of stream %s differs in length or type from the %s's other keys", strings.Join(key.Fields, ", "), schema.Stream, c.what())
		return -1
	case !slices.Equal(c.hashed, hashed):
		c.errorf(key.Pos, pointer, hashedKeyHint, "the key %s of stream %s and the %s's other keys never meet: only one side is hashed", strings.Join(key.Fields, ", "), schema.Stream, c.what())
		return -1
	}
	roles := &c.rule.Keys[stream].Roles
	for i, r := range *roles {
		if slices.Equal(r, cols) {
			return i
		}
	}
	if len(*roles) == rolesMax {
		c.errorf(key.Pos, pointer, "use fewer keys", "stream %s is read under more than %d keys", schema.Stream, rolesMax)
		return -1
	}
	*roles = append(*roles, cols)
	return len(*roles) - 1
}

// texts compiles the summary and the measures, which see what having sees.
func (c *compiler) texts(sc *expr.Scope) {
	alert := c.doc.Alert
	summary := alert.Summary
	if summary == nil {
		c.rule.Summary = expr.Verbatim(c.doc.Title)
	} else {
		t, errs := expr.CompileTemplate(summary.Src, sc)
		c.exprErrors(summary, errs)
		c.rule.Summary = t
	}
	for i := range alert.Measures {
		m := &alert.Measures[i]
		p, errs := expr.Compile(m.Text.Src, event.Invalid, sc)
		c.exprErrors(&m.Text, errs)
		c.rule.Measures = append(c.rule.Measures, Measure{Name: m.Name, Expr: p})
	}
}

func (c *compiler) having(sc *expr.Scope) {
	h := c.doc.Having
	if h == nil {
		return
	}
	p, errs := expr.Compile(h.Src, event.Bool, sc)
	c.exprErrors(h, errs)
	c.rule.Having = p
}
