package syntax

import (
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

const maxWindowStreams = 32

// MaxWindowSteps bounds the steps of a sliding window: each is a pane that a
// key keeps and that every evaluation reads.
const MaxWindowSteps = 2500

var windowKinds = []string{"rolling", "tumbling", "sliding", "session"}

// window reads the window of a rule or view; nil when it is no mapping.
func (r *reader) window(v *value) *Window {
	o := v.object("`window`")
	if o == nil {
		return nil
	}
	w := &Window{Pos: v.at(), Where: map[string]*Text{}, Keys: map[string]*Key{}}
	stream := o.need("stream", "name the stream it reads, or a list of them")
	w.Streams = stream.streams()
	r.windowWhere(o.get("where"), w, stream)
	r.windowKeys(o.get("keys"), w)
	r.windowKind(o, w)
	r.windowSteps(o, w)
	o.done()
	return w
}

// streams reads one stream or a list of them.
func (v *value) streams() []Name {
	if v == nil {
		return nil
	}
	parts := []*value{v}
	if v.node.Kind == yaml.SequenceNode {
		parts = v.items()
	}
	if len(parts) == 0 || len(parts) > maxWindowStreams {
		v.refuse(fmt.Sprintf("a window reads 1 to %d streams", maxWindowStreams), "as in stream: [payment, refund]")
		return nil
	}
	var list []Name
	var names []string
	for _, p := range parts {
		if n := p.name(documentName, documentNameRule); n.Name != "" {
			list = append(list, n)
			names = append(names, n.Name)
		}
	}
	v.r.repeated(v, names)
	return list
}

// windowWhere reads one condition, or with a list of streams one a stream.
func (r *reader) windowWhere(v *value, w *Window, stream *value) {
	list := stream != nil && stream.node.Kind == yaml.SequenceNode
	switch {
	case v == nil || stream == nil:
	case v.node.Kind != yaml.MappingNode && list:
		v.wrong("a mapping of streams to conditions", "write one condition a stream: where: {payment: amount > 1, refund: amount > 1}")
	case v.node.Kind != yaml.MappingNode:
		if t := v.text(expressionHere); t != nil && len(w.Streams) == 1 {
			w.Where[w.Streams[0].Name] = t
		}
	case !list:
		v.wrong(expressionHere, "a mapping of streams to conditions goes with a list of streams")
	default:
		for _, e := range r.byStream(v, w, "`where`") {
			w.Where[e.key.Name] = e.val.text(expressionHere)
		}
	}
}

func (r *reader) windowKeys(v *value, w *Window) {
	if v != nil && v.node.Kind != yaml.MappingNode {
		v.wrong("a mapping of streams to key fields", "write it as keys: {refund: payer_id}")
		return
	}
	for _, e := range r.byStream(v, w, "`keys`") {
		w.Keys[e.key.Name] = e.val.fields()
	}
}

// byStream reads a mapping whose keys must be streams of the window.
func (r *reader) byStream(v *value, w *Window, what string) []entry {
	o := v.object(what)
	if o == nil {
		return nil
	}
	var names []string
	for _, s := range w.Streams {
		names = append(names, s.Name)
	}
	var known []entry
	for _, e := range o.entries {
		if slices.Contains(names, e.key.Name) {
			known = append(known, e)
			continue
		}
		hint := "its streams are " + joined(names)
		if s := Closest(e.key.Name, names); s != "" {
			hint = fmt.Sprintf("did you mean `%s`?", s)
		}
		r.refuse(e.key.Pos, e.val.pointer, fmt.Sprintf("%s names `%s`, which is no stream of the window", what, shortened(e.key.Name)), hint)
	}
	return known
}

// windowKind reads exactly one of rolling, tumbling, sliding and session.
func (r *reader) windowKind(o *object, w *Window) {
	for _, kind := range windowKinds {
		v := o.get(kind)
		if v == nil {
			continue
		}
		size := v.duration(0, time.Millisecond)
		if w.Kind != "" {
			v.refuse(fmt.Sprintf("a window is either %s or %s, not both", w.Kind, kind), "delete one of them, or make two rules")
			continue
		}
		w.Kind, w.Size = kind, size
	}
	if w.Kind == "" {
		o.refuse("the window has no length", "give exactly one of rolling: 5m, tumbling: 5m, sliding: 5m with every: 30s, session: 30m")
	}
}

// windowSteps reads how the windows of a sliding or tumbling one are laid out.
func (r *reader) windowSteps(o *object, w *Window) {
	every, offset := o.get("every"), o.get("offset")
	w.Every = every.duration(0, time.Millisecond)
	w.Offset = offset.duration(0, 0)
	switch {
	case w.Kind == "sliding" && every == nil:
		o.need("every", "how often a window starts: every: 30s")
	case w.Kind == "sliding" && w.Every > 0 && w.Size > 0 && w.Size%w.Every != 0:
		every.refuse(fmt.Sprintf("`every: %s` does not divide `sliding: %s`", every.node.Value, o.get("sliding").node.Value), "the window's length must be a whole number of steps")
	case w.Kind == "sliding" && w.Every > 0 && w.Size/w.Every > MaxWindowSteps:
		every.refuse(fmt.Sprintf("`every: %s` makes %d steps of a window; the limit is %d", every.node.Value, w.Size/w.Every, MaxWindowSteps), "let windows start less often")
	case w.Kind != "" && w.Kind != "sliding" && every != nil:
		every.refuse(fmt.Sprintf("`every` is for sliding windows; this one is %s", w.Kind), "delete it, or write sliding: … in place of "+w.Kind)
	}
	if offset != nil && w.Kind != "" && w.Kind != "sliding" && w.Kind != "tumbling" {
		offset.refuse(fmt.Sprintf("`offset` is for tumbling and sliding windows; this one is %s", w.Kind), "delete it")
	}
}
