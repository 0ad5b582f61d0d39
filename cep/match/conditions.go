package match

import (
	"math/bits"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
)

// conditions are the distinct conditions of a pattern, of which none reads
// more than the event, each with a bit. They are evaluated when they are asked
// for, once an event.
type conditions struct {
	list   []condition
	ofPred []uint64 // by pred: its bit
	schema []*event.Schema
	known  uint64
	yes    uint64
	ev     *event.Event
	stream int
	roles  uint64
	frame  expr.Frame
	out    *Output
}

type condition struct {
	stream, role int
	cond         *expr.Program // nil: always
	shared       sharedCondition
}

// conditionsMax is how many distinct conditions have a bit.
const conditionsMax = 64

// conditionsOf lists the conditions; false when there are too many.
func conditionsOf(r *prog.Rule) (*conditions, bool) {
	c := &conditions{schema: r.Streams}
	for i := range r.Pattern.Preds {
		p := &r.Pattern.Preds[i]
		at := slices.IndexFunc(c.list, func(o condition) bool {
			return o.stream == p.Stream && o.role == p.Role && sameCondition(o.cond, p.Cond)
		})
		if at < 0 {
			at = len(c.list)
			c.list = append(c.list, condition{stream: p.Stream, role: p.Role, cond: p.Cond})
		}
		c.ofPred = append(c.ofPred, 1<<(at%conditionsMax))
	}
	return c, len(c.list) <= conditionsMax
}

func sameCondition(a, b *expr.Program) bool {
	return a == b || a != nil && b != nil && a.Text != "" && a.Text == b.Text
}

// begin makes ev the event that is asked about, and reports whether it is of
// one of the rule's streams.
func (c *conditions) begin(ev *event.Event, roles uint64, out *Output) bool {
	c.ev, c.roles, c.out, c.known, c.yes = ev, roles, out, 0, 0
	c.stream = slices.Index(c.schema, ev.Schema)
	return c.stream >= 0
}

// of returns which of the asked conditions hold.
func (c *conditions) of(asked uint64) uint64 {
	for left := asked &^ c.known; left != 0; left &= left - 1 {
		c.evaluate(bits.TrailingZeros64(left))
	}
	return c.yes & asked
}

// any reports whether any condition holds.
func (c *conditions) any() bool {
	for i := range c.list {
		if c.of(1<<i) != 0 {
			return true
		}
	}
	return false
}

// all returns which conditions hold.
func (c *conditions) all() uint64 { return c.of(1<<len(c.list) - 1) }

func (c *conditions) evaluate(i int) {
	k := &c.list[i]
	c.known |= 1 << i
	if k.stream == c.stream && c.roles>>k.role&1 != 0 && (k.cond == nil || !misses(c.ev, k.cond.Needs) && c.holds(k)) {
		c.yes |= 1 << i
	}
}

// misses reports whether the event is known to lie outside of what a condition
// needs.
func misses(ev *event.Event, needs []expr.Need) bool {
	for i := range needs {
		n := &needs[i]
		v := &ev.Values[n.Field]
		if !v.Present() {
			return false
		}
		switch n.Op {
		case expr.Is:
			if v.Str() != n.Text {
				return true
			}
		case expr.AtMost:
			if v.Double() > n.Limit {
				return true
			}
		case expr.AtLeast:
			if v.Double() < n.Limit {
				return true
			}
		}
	}
	return false
}

func (c *conditions) holds(k *condition) bool {
	var truth, ok bool
	if s := k.shared.sheet; s != nil && s.frame.Event == c.ev {
		truth, ok = s.holds(k.shared.place)
	} else {
		c.frame.Event, c.frame.Time = c.ev, c.ev.Time
		truth, ok = k.cond.Holds(&c.frame)
	}
	if !ok {
		c.out.Stats.ConditionErrors++
	}
	return truth && ok
}

// share asks the conditions on events of a schema of a sheet.
func (c *conditions) share(schema *event.Schema, s *Sheet) {
	for i := range c.list {
		k := &c.list[i]
		if c.schema[k.stream] != schema {
			continue
		}
		if at := s.place(k.cond); at != notShared {
			k.shared = sharedCondition{s, at}
		}
	}
}
