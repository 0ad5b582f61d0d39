package match

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
)

var _ Guarded = (*Machine)(nil)

// Guards implements Guarded: an event for which no condition of the rule may
// hold changes nothing, unless something asks for the very next event.
func (m *Machine) Guards(schema *event.Schema) (conditions []*expr.Program, ok bool) {
	return guardsOf(m.rule, schema)
}

func guardsOf(r *prog.Rule, schema *event.Schema) (conditions []*expr.Program, ok bool) {
	stream := slices.Index(r.Streams, schema)
	if stream < 0 || r.Pattern.Adjacent {
		return nil, false
	}
	for i := range r.Pattern.Preds {
		if p := &r.Pattern.Preds[i]; p.Stream == stream {
			conditions = append(conditions, p.Cond)
		}
	}
	return conditions, true
}
