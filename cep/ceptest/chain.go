package ceptest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A Linked rule of a chain: its alerts may be events of rules after it.
type Linked struct {
	Rule  *syntax.Rule
	Reads []string       // rules whose alerts it reads; each stands before it
	Lists []*syntax.List // that the rule may read
}

// Chain judges rules that build on rules (language §1): each rule sees the
// events of its streams and, as the stream alerts, the sent alerts of the rules
// that it reads. schemas are those of the other streams. name gives an alert
// its id. The result is the sent alerts by rule; Covered is as for
// Oracle.Alerts.
func Chain(rules []Linked, schemas map[string]*event.Schema, events []*event.Event, covered int64, name func(*syntax.Rule, *Alert) string) (map[string][]Alert, error) {
	c := &chain{schemas: map[string]*event.Schema{}, oracles: map[string]*Oracle{}, sent: map[string][]Alert{}, level: map[string]int{}, name: name}
	for stream, s := range schemas {
		c.schemas[stream] = s
	}
	c.schemas["alerts"] = event.NewSchema("alerts", alertFields(nil))
	for _, l := range rules { // once for the types of measures, once over all of them
		if err := c.compile(l); err != nil {
			return nil, err
		}
	}
	c.schemas["alerts"] = event.NewSchema("alerts", alertFields(c.oracles))
	for _, l := range rules {
		if err := c.compile(l); err != nil {
			return nil, err
		}
		c.judge(l, events, covered)
	}
	return c.sent, nil
}

type chain struct {
	schemas map[string]*event.Schema
	oracles map[string]*Oracle
	sent    map[string][]Alert
	level   map[string]int // how many rules stand below, one on the other
	name    func(*syntax.Rule, *Alert) string
}

func (c *chain) compile(l Linked) error {
	lists, tables := tablesOf(l.Lists)
	o, err := newOracle(l.Rule, c.schemas, nil, lists, tables)
	if err != nil {
		return fmt.Errorf("rule %s: %w", l.Rule.Name, err)
	}
	c.oracles[l.Rule.Name] = o
	c.schemas["alerts"] = event.NewSchema("alerts", alertFields(c.oracles))
	return nil
}

// alertFields are rule, severity, score, key, and the measures of rules by
// name, of one type in all that have them.
func alertFields(oracles map[string]*Oracle) []event.Field {
	fields := []event.Field{{Name: "rule", Type: event.String}, {Name: "severity", Type: event.String},
		{Name: "score", Type: event.Int}, {Name: "key", Type: event.String}}
	types := map[string]event.Type{}
	for _, o := range oracles {
		for _, m := range o.measures {
			types[m.name] = m.expr.Type
		}
	}
	var names []string
	for n := range types {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fields = append(fields, event.Field{Name: n, Type: types[n], Optional: true})
	}
	return fields
}

// judge finds the sent alerts of one rule.
func (c *chain) judge(l Linked, events []*event.Event, covered int64) {
	var below []*event.Event
	var levels []int
	for _, r := range l.Reads {
		c.level[l.Rule.Name] = max(c.level[l.Rule.Name], c.level[r]+1)
		for i := range c.sent[r] {
			below = append(below, c.event(r, &c.sent[r][i]))
			levels = append(levels, c.level[r])
		}
	}
	c.order(below, levels)
	o := c.oracles[l.Rule.Name]
	c.sent[l.Rule.Name] = sentOf(l.Rule, o.Alerts(slices.Concat(events, below), covered))
}

// order gives the alerts of one time their places: those of lower levels
// first, then by rule, key and id.
func (c *chain) order(below []*event.Event, levels []int) {
	at := make([]int, len(below))
	for i := range at {
		at[i] = i
	}
	slices.SortFunc(at, func(i, j int) int {
		a, b := below[i], below[j]
		return cmp.Or(cmp.Compare(levels[i], levels[j]), strings.Compare(a.Values[0].Str(), b.Values[0].Str()),
			strings.Compare(a.Values[3].Str(), b.Values[3].Str()), strings.Compare(a.ID, b.ID))
	})
	for place, i := range at {
		below[i].Offset = int64(place)
	}
}

// event is an alert as an event: its time is the alert's, its id too.
func (c *chain) event(rule string, a *Alert) *event.Event {
	o, schema := c.oracles[rule], c.schemas["alerts"]
	ev := &event.Event{Schema: schema, Time: a.At, ID: c.name(o.rule, a), Values: make([]event.Value, len(schema.Fields))}
	ev.Values[0], ev.Values[1] = event.StringOf(rule), event.StringOf(o.rule.Severity)
	ev.Values[2], ev.Values[3] = event.IntOf(int64(o.rule.Score)), event.StringOf(KeyText(a.Key))
	for _, m := range a.Measures {
		i := schema.Index(m.Name)
		if ev.Values[i] = m.Value; schema.Fields[i].Type == event.Double {
			ev.Values[i] = event.DoubleOf(m.Value.Double())
		}
	}
	return ev
}

// KeyText is a key as text: the value's own, or a JSON array of several.
func KeyText(key []event.Value) string {
	if len(key) == 1 {
		return string(key[0].AppendText(nil))
	}
	text := []byte{'['}
	for i, v := range key {
		if i > 0 {
			text = append(text, ',')
		}
		text = v.AppendJSON(text)
	}
	return string(append(text, ']'))
}

// sentOf leaves out the alerts that a rule's own suppression holds back.
func sentOf(rule *syntax.Rule, alerts []Alert) []Alert {
	until := map[string]int64{}
	return slices.DeleteFunc(alerts, func(a Alert) bool {
		key := KeyText(a.Key)
		if end, ok := until[key]; ok && a.At < end {
			return true
		}
		if d := rule.Alert.Suppress.Microseconds(); d > 0 {
			until[key] = a.At + d
		}
		return false
	})
}
