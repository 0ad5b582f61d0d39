package prog

import (
	"fmt"
	"strings"

	"github.com/caltrop/caltrop/cep/syntax"
)

// A View is a compiled view: a window whose values are published by key. It is
// immutable and safe for concurrent use.
type View struct {
	Name string
	Doc  *syntax.View
	// Rule is the view's window as that of a rule without `having`, alert or
	// limits of its own. Its Doc names what the view's document does, at the same
	// places.
	Rule  *Rule
	Every int64 // µs of event time between two updates of a key that do not end a window
}

// RuleOf is a view's window as a rule that raises nothing.
func RuleOf(doc *syntax.View) *syntax.Rule {
	return &syntax.Rule{Meta: doc.Meta, Key: doc.Key, Window: doc.Window, Values: doc.Values, Limits: syntax.DefaultLimits(),
		Emit: "first", Timing: "final"}
}

// UpstreamOfView returns whose alerts a view reads; nil when it does not read
// AlertsStream. A rule of the view's name is a rule as any other.
func UpstreamOfView(doc *syntax.View) *Upstream {
	u := UpstreamOf(RuleOf(doc))
	if u != nil {
		u.self = ""
	}
	return u
}

// CompileView checks and compiles one view. The view is nil when a problem was
// found; problems are as those of Compile.
func CompileView(doc *syntax.View, env *Env) (*View, []syntax.Problem) {
	compiled, problems := Compile(RuleOf(doc), env)
	if compiled == nil {
		return nil, problems
	}
	compiled.Shown, compiled.Upstream = true, UpstreamOfView(doc)
	return &View{Name: doc.Name, Doc: doc, Rule: compiled, Every: doc.Every.Microseconds()}, problems
}

// Dump prints the program, for `caltrop rules explain`.
func (v *View) Dump() string {
	return v.Rule.Dump() + fmt.Sprintf("to %s every %s\n", strings.Join(v.Doc.To, " "), micros(v.Every))
}
