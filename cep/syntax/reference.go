package syntax

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	defaultPane       = 24 * time.Hour
	defaultViewEvery  = time.Second
	maxListEntries    = 100_000
	maxListAttributes = 100
	maxPanes          = 1000 // of a profile: keep / pane
	viewTargetsHint   = "as in to: [kafka, redis]"
)

func (r *reader) profile(o *object, m Meta) *Profile {
	d := &Profile{Meta: m}
	if k := o.need("key", "name the field whose events belong together, as in key: card_id").fields(); k != nil {
		d.Key = *k
	}
	if v := o.need("stream", "name the stream it reads"); v != nil {
		d.Stream = v.oneStream("a profile")
	}
	d.Where = o.get("where").text(expressionHere)
	d.Pane = o.get("pane").duration(defaultPane, time.Millisecond)
	if keep := o.need("keep", "how long the history reaches back: keep: 30d"); keep != nil {
		d.Keep = keep.duration(0, time.Millisecond)
		if d.Pane > 0 && d.Keep%d.Pane != 0 {
			keep.refuse(fmt.Sprintf("`keep: %s` is not a multiple of the pane, %s", keep.node.Value, FormatDuration(d.Pane)), "the oldest pane is dropped whole; make keep some whole number of panes")
		} else if d.Pane > 0 && d.Keep/d.Pane > maxPanes {
			keep.refuse(fmt.Sprintf("`keep: %s` is %d panes of %s; the limit is %d", keep.node.Value, d.Keep/d.Pane, FormatDuration(d.Pane), maxPanes), "make the pane longer")
		}
	}
	d.Values = r.namedTexts(o.need("values", "name what rules read: values: {total: sum(amount)}"), "`values`", maxValues, true)
	d.Limits = r.limits(o.get("limits"), nil)
	return d
}

func (r *reader) view(o *object, m Meta) *View {
	d := &View{Meta: m}
	if k := o.need("key", "name the field whose events belong together, as in key: card_id").fields(); k != nil {
		d.Key = *k
	}
	d.Window = r.window(o.need("window", "as in window: {stream: login, session: 30m}"))
	d.Values = r.namedTexts(o.need("values", "name what is published: values: {n: count()}"), "`values`", maxValues, true)
	to := o.need("to", viewTargetsHint)
	for _, item := range to.items() {
		if s := item.word("", "kafka", "redis", "cassandra"); s != "" {
			d.To = append(d.To, s)
		}
	}
	if to != nil && to.node.Kind == yaml.SequenceNode && len(to.node.Content) == 0 {
		to.refuse("`to` is empty: the view would go nowhere", viewTargetsHint)
	}
	r.repeated(to, d.To)
	d.Every = o.get("every").duration(defaultViewEvery, time.Millisecond)
	return d
}

func (r *reader) list(o *object, m Meta) *List {
	d := &List{Meta: m, Key: o.get("key").word("string", "string", "int")}
	attributes := o.get("attributes")
	for _, e := range attributes.entries("`attributes`", fieldName, fieldNameRule) {
		f := FieldDecl{Name: e.key.Name, Pos: e.key.Pos, Path: []string{e.key.Name}}
		f.Type, f.Scale = e.val.fieldType()
		d.Attributes = append(d.Attributes, f)
	}
	if len(d.Attributes) > maxListAttributes {
		attributes.refuse(fmt.Sprintf("%d attributes; the limit is %d", len(d.Attributes), maxListAttributes), "keep what rules read")
	}
	entries, topic := o.get("entries"), o.get("topic")
	d.Topic = topic.str()
	switch {
	case entries != nil && topic != nil:
		topic.refuse("a list has either `entries` or `topic`, not both", "delete one of them")
	case entries == nil && topic == nil:
		o.refuse("the list needs `entries` or `topic`", "entries: [a, b] writes the values here, topic: NAME reads them from Kafka")
	case entries != nil:
		d.Entries = r.listEntries(entries, d)
	}
	return d
}

// listEntries reads `[value]` or `value -> {attributes}`.
func (r *reader) listEntries(v *value, d *List) []ListEntry {
	if n := len(v.node.Content); n > 2*maxListEntries {
		v.refuse(fmt.Sprintf("the list is too long; the limit is %d entries", maxListEntries), "feed it from a topic")
		return nil
	}
	var list []ListEntry
	if v.node.Kind != yaml.MappingNode {
		for _, i := range v.items() {
			if s, ok := i.listValue(d.Key); ok {
				list = append(list, ListEntry{Value: s, Pos: i.at()})
			}
		}
		return list
	}
	for _, e := range v.object("`entries`").entries {
		item := ListEntry{Value: e.key.Name, Pos: e.key.Pos, Attributes: map[string]any{}}
		o := e.val.object("entry `" + shortened(e.key.Name) + "`")
		if o == nil {
			continue
		}
		for _, a := range d.Attributes {
			if av := o.get(a.Name); av != nil {
				item.Attributes[a.Name] = av.any()
			}
		}
		o.done()
		list = append(list, item)
	}
	return list
}

func (v *value) listValue(key string) (string, bool) {
	if !v.scalar() || (key == "int" && v.node.Tag != "!!int") {
		v.wrong("a list of "+key+" values", "as in entries: [411111, 522222]")
		return "", false
	}
	return v.node.Value, true
}
