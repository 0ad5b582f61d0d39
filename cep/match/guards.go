package match

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
)

var _ Guarded = (*Machine)(nil)

// Guards implements Guarded: an event for which no condition of the rule may
// hold changes nothing, unless something asks for the very next event.
func (m *Machine) Guards(schema *event.Schema) (conditions []*expr.Program, ok bool) {
	stream := slices.Index(m.rule.Streams, schema)
	if stream < 0 || m.pat.Adjacent {
		return nil, false
	}
	for i := range m.pat.Preds {
		if p := &m.pat.Preds[i]; p.Stream == stream {
			conditions = append(conditions, p.Cond)
		}
	}
	return conditions, true
}
