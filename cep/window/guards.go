package window

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
)

var (
	_ match.Guarded = (*rolling)(nil)
	_ match.Guarded = (*paned)(nil)
	_ match.Guarded = (*session)(nil)
)

// guards returns the condition of the window: nothing else matters to it.
func (w *rule) guards(schema *event.Schema) ([]*expr.Program, bool) {
	i := slices.Index(w.Streams, schema)
	if i < 0 {
		return nil, false
	}
	return w.Window.Where[i : i+1], true
}

// Guards implements match.Guarded.
func (r *rolling) Guards(schema *event.Schema) ([]*expr.Program, bool) { return r.rule.guards(schema) }

// Guards implements match.Guarded.
func (p *paned) Guards(schema *event.Schema) ([]*expr.Program, bool) { return p.rule.guards(schema) }

// Guards implements match.Guarded.
func (s *session) Guards(schema *event.Schema) ([]*expr.Program, bool) { return s.rule.guards(schema) }
