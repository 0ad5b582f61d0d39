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

// CompileView checks and compiles one view. The view is nil when a problem was
// found; problems are as those of Compile.
func CompileView(doc *syntax.View, env *Env) (*View, []syntax.Problem) {
	rule := &syntax.Rule{Meta: doc.Meta, Key: doc.Key, Window: doc.Window, Values: doc.Values, Limits: syntax.DefaultLimits(),
		Emit: "first", Timing: "final"}
	if up := UpstreamOf(rule); up != nil {
		at := doc.Window.Streams[0].Pos
		return nil, []syntax.Problem{{Line: at.Line, Col: at.Col, Pointer: "/window/stream",
			Detail: "a view over the stream alerts is not supported yet", Hint: "a rule with the same window can read alerts"}}
	}
	compiled, problems := Compile(rule, env)
	if compiled == nil {
		return nil, problems
	}
	compiled.Shown = true
	return &View{Name: doc.Name, Doc: doc, Rule: compiled, Every: doc.Every.Microseconds()}, problems
}

// Dump prints the program, for `caltrop rules explain`.
func (v *View) Dump() string {
	return v.Rule.Dump() + fmt.Sprintf("to %s every %s\n", strings.Join(v.Doc.To, " "), micros(v.Every))
}
