package prog

import (
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/syntax"
)

// window compiles a window rule.
func (c *compiler) window() {
	doc := c.doc.Window
	w := &Window{
		Kind:   doc.Kind,
		Size:   doc.Size.Microseconds(),
		Every:  doc.Every.Microseconds(),
		Offset: doc.Offset.Microseconds(),
		Salts:  c.doc.Salts,
	}
	c.rule.Window = w
	for i, schema := range c.rule.Streams {
		c.windowKey(i, doc.Keys[schema.Stream])
		w.Where = append(w.Where, c.windowWhere(schema, doc.Where[schema.Stream]))
	}
	sc := c.windowScope()
	for i := range c.doc.Values {
		v := &c.doc.Values[i]
		p, errs := expr.Compile(v.Text.Src, event.Invalid, sc)
		c.exprErrors(&v.Text, errs)
		w.Values = append(w.Values, Measure{Name: v.Name, Expr: p})
	}
	if c.failed() {
		return
	}
	for _, v := range w.Values {
		sc.Values = append(sc.Values, expr.Named{Name: v.Name, Type: v.Expr.Type, Grows: v.Expr.Grows, Count: v.Expr.Count})
	}
	sc.At = true
	c.having(sc)
	c.texts(sc)
	w.Aggs = *sc.Window
}

func (c *compiler) windowKey(stream int, key *syntax.Key) {
	if key == nil {
		k := c.doc.Key
		if len(k.Fields) > 0 && c.rule.Streams[stream].Index(k.Fields[0]) < 0 {
			k.Pos = c.doc.Window.Pos
		}
		key = &k
	}
	c.role(stream, key, "/window", "give the stream its key under window.keys")
}

func (c *compiler) windowWhere(schema *event.Schema, t *syntax.Text) *expr.Program {
	if t == nil {
		return nil
	}
	p, errs := expr.Compile(t.Src, event.Bool, &expr.Scope{Event: schema, Lists: c.env.Lists, Profiles: c.profiles(), Outside: &c.rule.Outside, CostLists: c.doc.Limits.Evidence})
	c.exprErrors(t, errs)
	return p
}

func (c *compiler) windowScope() *expr.Scope {
	sc := &expr.Scope{Window: &expr.WindowAggs{}, Lists: c.env.Lists, Profiles: c.profiles(), Outside: &c.rule.Outside, CostLists: c.doc.Limits.Evidence}
	if len(c.doc.Window.Streams) > 1 {
		sc.Streams = c.rule.Streams
	} else {
		sc.Event = c.rule.Streams[0]
	}
	return sc
}
