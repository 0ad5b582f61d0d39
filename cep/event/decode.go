package event

import (
	"fmt"
	"strings"
)

// A Decoder turns records of one stream into events. It reads the declared
// fields and nothing else; of the rest only the JSON structure is checked. It
// keeps scratch space and belongs to one goroutine.
type Decoder struct {
	view   view
	reader reader
}

// NewDecoder returns the decoder of a stream.
func NewDecoder(d Decl) *Decoder {
	r := &Decoder{reader: reader{scanner: scanner{plan: newPlan()}}}
	r.view = viewOf(&d, &r.reader.scanner.plan)
	return r
}

// Decode reads value into ev: its schema, time, id and values. The id is ""
// when the stream declares none; cluster, partition and offset are left as
// they are. Space of ev.Values is reused, value is not kept. The texts of some
// events share memory: whoever keeps one event for long calls its Own. The
// error is a *Fault and leaves ev undefined.
func (d *Decoder) Decode(value []byte, ev *Event) error {
	fault := d.reader.parse(value, d.view.decl.maxBytes())
	if fault == nil {
		fault = d.reader.project(&d.view, ev)
	}
	d.reader.release()
	if fault != nil {
		return fault
	}
	return nil
}

// A LineDecoder reads events of several streams, each record naming its
// stream: {"stream":"payment", …}. It belongs to one goroutine.
type LineDecoder struct {
	views    map[string]*view
	last     *view // of the line before, which the next one is often like
	stream   int   // leaf of the stream's name
	maxBytes int
	reader   reader
}

// NewLineDecoder returns the decoder of lines of the given streams.
func NewLineDecoder(decls []Decl) *LineDecoder {
	d := &LineDecoder{views: make(map[string]*view, len(decls)), maxBytes: DefaultMaxBytes,
		reader: reader{scanner: scanner{plan: newPlan()}}}
	d.stream = d.reader.scanner.plan.want([]string{"stream"})
	for i := range decls {
		v := viewOf(&decls[i], &d.reader.scanner.plan)
		d.views[v.decl.Schema.Stream] = &v
		d.maxBytes = max(d.maxBytes, v.decl.maxBytes())
	}
	return d
}

// Decode reads one line into ev as Decoder.Decode does; ev.Schema tells the
// stream.
func (d *LineDecoder) Decode(line []byte, ev *Event) error {
	fault := d.decode(line, ev)
	d.reader.release()
	if fault != nil {
		return fault
	}
	return nil
}

func (d *LineDecoder) decode(line []byte, ev *Event) *Fault {
	if fault := d.reader.parse(line, d.maxBytes); fault != nil {
		return fault
	}
	var name []byte
	if t := &d.reader.scanner.tokens[d.stream]; t.kind == isString {
		name = d.reader.plain(t)
	}
	v := d.last
	if v == nil || v.decl.Schema.Stream != string(name) {
		v = d.views[string(name)]
	}
	d.last = v
	switch {
	case v == nil:
		return unknownStream(name)
	case len(line) > v.decl.maxBytes():
		return tooLarge(len(line), v.decl.maxBytes())
	}
	return d.reader.project(v, ev)
}

// A view is a stream's declaration with the leaves where a scan leaves its
// values.
type view struct {
	decl     *Decl
	time, id int        // leaves; id is noLeaf when the stream declares none
	leaves   []int      // by position in the schema
	keys     []bool     // by position in the schema
	pii      *treatment // nil: there is nothing to treat
}

func viewOf(d *Decl, p *plan) view {
	v := view{decl: d, id: noLeaf, time: p.want(d.Time), keys: make([]bool, len(d.Schema.Fields)), pii: newTreatment(d)}
	if d.ID != nil {
		v.id = p.want(d.ID)
	}
	for _, i := range d.Keys {
		v.keys[i] = true
	}
	for i := range d.Schema.Fields {
		v.leaves = append(v.leaves, p.want(d.Schema.Fields[i].Path))
	}
	return v
}

func unknownStream(name []byte) *Fault {
	if name == nil {
		return &Fault{UnknownStream, "stream", "missing: a line names its stream"}
	}
	return &Fault{UnknownStream, "stream", fmt.Sprintf("%q is not declared", name)}
}

func tooLarge(got, limit int) *Fault {
	return &Fault{TooLarge, "", fmt.Sprintf("%d bytes, the limit is %d", got, limit)}
}

// A reader holds what decoding needs between records.
type reader struct {
	scanner scanner
	texts   strings.Builder // of this event and of those before it
	scratch []byte          // a text without its escapes
}

const (
	// textsBytes is how much text events share one piece of memory for.
	textsBytes = 16 << 10
	// keptBytes is the largest scratch space that is kept for the next record.
	keptBytes = 64 << 10
)

// release lets go of the record, and of the space that a large one took.
func (r *reader) release() {
	r.scanner.b = nil
	if cap(r.scratch) > keptBytes {
		r.scratch = nil
	}
	if cap(r.scanner.name) > keptBytes {
		r.scanner.name = nil
	}
	if r.texts.Cap() > keptBytes {
		r.texts.Reset()
	}
}

func (r *reader) parse(value []byte, limit int) *Fault {
	switch {
	case value == nil:
		return &Fault{NullValue, "", "the record has no value"}
	case len(value) > limit:
		return tooLarge(len(value), limit)
	case !validUTF8(value):
		return &Fault{InvalidUTF8, "", "the record is not UTF-8"}
	}
	kind, ok := r.scanner.scan(value)
	switch {
	case !ok:
		return badJSON(value)
	case kind != isObject:
		return &Fault{NotObject, "", "the record is " + kind.String() + ", not an object"}
	case r.scanner.members > FieldsMax:
		return &Fault{TooManyFields, "", fmt.Sprintf("%d members, the limit is %d", r.scanner.members, FieldsMax)}
	}
	return nil
}

// raw is a token as the record has it.
func (r *reader) raw(t *token) []byte { return r.scanner.b[t.from:t.to] }

// plain is what a text token says, until the next call.
func (r *reader) plain(t *token) []byte {
	if !t.escaped {
		return r.raw(t)
	}
	r.scratch = unescape(r.scratch[:0], r.raw(t))
	return r.scratch
}

// badJSON tells nesting past the parser's limit from any other bad text. The
// parser's own message quotes the payload, so it is not passed on.
func badJSON(value []byte) *Fault {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	if deepest > DepthMax {
		return &Fault{TooDeep, "", fmt.Sprintf("nested %d deep, the limit is %d", deepest, DepthMax)}
	}
	return &Fault{BadJSON, "", "the record is not one JSON value"}
}

func (r *reader) project(v *view, ev *Event) *Fault {
	ev.Schema, ev.ID = v.decl.Schema, ""
	if r.texts.Cap()-r.texts.Len() < r.scanner.texts {
		r.texts.Reset()
		r.texts.Grow(max(r.scanner.texts, textsBytes))
	}
	if fault := r.time(v.decl, &r.scanner.tokens[v.time], ev); fault != nil {
		return fault
	}
	if v.id != noLeaf {
		if fault := r.id(v.decl, &r.scanner.tokens[v.id], ev); fault != nil {
			return fault
		}
	}
	n := len(v.leaves)
	if cap(ev.Values) < n {
		ev.Values = make([]Value, n)
	}
	ev.Values = ev.Values[:n]
	if fault := r.fields(v, ev); fault != nil {
		return fault
	}
	v.pii.apply(ev)
	return nil
}

// fields reads the declared fields, in the order of the schema.
func (r *reader) fields(v *view, ev *Event) *Fault {
	keyless := false
	for i, leaf := range v.leaves {
		t, out := &r.scanner.tokens[leaf], &ev.Values[i]
		switch f := &v.decl.Schema.Fields[i]; {
		case t.kind == isString && f.Type == String && !t.escaped && t.to-t.from <= FieldBytesMax:
			*out = Value{typ: String, str: r.keep(r.raw(t))}
		case t.kind != absent:
			if fault := r.value(v.decl, f, t, out); fault != nil {
				return fault
			}
		case v.keys[i]:
			keyless = true
		case !f.Optional:
			return &Fault{MissingField, f.Name, "missing or null, and not declared optional"}
		default:
			*out = Value{}
		}
	}
	if keyless {
		return r.missingKey(v)
	}
	return nil
}

func (r *reader) missingKey(v *view) *Fault {
	for _, i := range v.decl.Keys {
		if r.scanner.tokens[v.leaves[i]].kind == absent {
			return &Fault{MissingKey, v.decl.Schema.Fields[i].Name, "missing or null, but part of the stream's partition key"}
		}
	}
	panic("event: a key was missing and is there")
}
