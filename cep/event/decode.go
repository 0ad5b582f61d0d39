package event

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// A Decoder turns records of one stream into events. It reads the declared
// fields and nothing else; of the rest only the JSON structure is checked. It
// keeps scratch space and belongs to one goroutine.
type Decoder struct {
	decl   Decl
	reader reader
}

// NewDecoder returns the decoder of a stream.
func NewDecoder(d Decl) *Decoder { return &Decoder{decl: d} }

// Decode reads value into ev: its schema, time, id and values. The id is ""
// when the stream declares none; cluster, partition and offset are left as
// they are. Space of ev.Values is reused, texts are fresh memory, value is not
// kept. The error is a *Fault and leaves ev undefined.
func (d *Decoder) Decode(value []byte, ev *Event) error {
	defer d.reader.release(len(value))
	root, fault := d.reader.parse(value, d.decl.maxBytes())
	if fault == nil {
		fault = d.reader.project(&d.decl, root, ev)
	}
	if fault != nil {
		return fault
	}
	return nil
}

// A LineDecoder reads events of several streams, each record naming its
// stream: {"stream":"payment", …}. It belongs to one goroutine.
type LineDecoder struct {
	decls    map[string]*Decl
	maxBytes int
	reader   reader
}

// NewLineDecoder returns the decoder of lines of the given streams.
func NewLineDecoder(decls []Decl) *LineDecoder {
	d := &LineDecoder{decls: make(map[string]*Decl, len(decls)), maxBytes: DefaultMaxBytes}
	for i := range decls {
		d.decls[decls[i].Schema.Stream] = &decls[i]
		d.maxBytes = max(d.maxBytes, decls[i].maxBytes())
	}
	return d
}

// Decode reads one line into ev as Decoder.Decode does; ev.Schema tells the
// stream.
func (d *LineDecoder) Decode(line []byte, ev *Event) error {
	defer d.reader.release(len(line))
	root, fault := d.reader.parse(line, d.maxBytes)
	if fault != nil {
		return fault
	}
	decl := d.decls[string(root.GetStringBytes("stream"))]
	if decl == nil {
		return unknownStream(root.GetStringBytes("stream"))
	}
	if len(line) > decl.maxBytes() {
		return tooLarge(len(line), decl.maxBytes())
	}
	if fault := d.reader.project(decl, root, ev); fault != nil {
		return fault
	}
	return nil
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
	json  fastjson.Parser
	text  []byte // texts of the event being read, made one string at its end
	spans []span
	num   []byte
}

// A span is a text value still in reader.text.
type span struct{ pos, from, to int }

// keptBytes is the largest record whose scratch space is kept for the next: a
// parsed tree takes up to 40 times the record.
const keptBytes = 64 << 10

// release lets go of the scratch space of a large record.
func (r *reader) release(size int) {
	if size > keptBytes {
		*r = reader{}
	}
}

// idPos is the span position of the event's id.
const idPos = -1

func (r *reader) parse(value []byte, limit int) (*fastjson.Value, *Fault) {
	switch {
	case value == nil:
		return nil, &Fault{NullValue, "", "the record has no value"}
	case len(value) > limit:
		return nil, tooLarge(len(value), limit)
	case !utf8.Valid(value):
		return nil, &Fault{InvalidUTF8, "", "the record is not UTF-8"}
	}
	root, err := r.json.ParseBytes(value)
	if err != nil {
		return nil, badJSON(value)
	}
	if root.Type() != fastjson.TypeObject {
		return nil, &Fault{NotObject, "", "the record is " + jsonType(root) + ", not an object"}
	}
	if n := root.GetObject().Len(); n > FieldsMax {
		return nil, &Fault{TooManyFields, "", fmt.Sprintf("%d members, the limit is %d", n, FieldsMax)}
	}
	return root, nil
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

func (r *reader) project(d *Decl, root *fastjson.Value, ev *Event) *Fault {
	ev.Schema, ev.ID = d.Schema, ""
	r.text, r.spans = r.text[:0], r.spans[:0]
	if fault := r.time(d, root, ev); fault != nil {
		return fault
	}
	if fault := r.id(d, root); fault != nil {
		return fault
	}
	if fault := r.fields(d, root, ev); fault != nil {
		return fault
	}
	for _, i := range d.Keys {
		if !ev.Values[i].Present() {
			return &Fault{MissingKey, d.Schema.Fields[i].Name, "missing or null, but part of the stream's partition key"}
		}
	}
	r.settle(ev)
	return nil
}

func (r *reader) fields(d *Decl, root *fastjson.Value, ev *Event) *Fault {
	n := len(d.Schema.Fields)
	if cap(ev.Values) < n {
		ev.Values = make([]Value, n)
	}
	ev.Values = ev.Values[:n]
	clear(ev.Values)
	for i := range d.Schema.Fields {
		f := &d.Schema.Fields[i]
		v := root.Get(f.Path...)
		if v == nil || v.Type() == fastjson.TypeNull {
			if f.Optional || d.isKey(i) {
				continue
			}
			return &Fault{MissingField, f.Name, "missing or null, and not declared optional"}
		}
		if fault := r.value(d, i, v, &ev.Values[i]); fault != nil {
			return fault
		}
	}
	return nil
}

func (d *Decl) isKey(pos int) bool {
	for _, k := range d.Keys {
		if k == pos {
			return true
		}
	}
	return false
}

// value reads one declared field that is there.
func (r *reader) value(d *Decl, pos int, v *fastjson.Value, out *Value) *Fault {
	f := &d.Schema.Fields[pos]
	switch f.Type {
	case String:
		return r.str(f, pos, v, out)
	case Bool:
		if t := v.Type(); t != fastjson.TypeTrue && t != fastjson.TypeFalse {
			return wrongType(f, v)
		}
		*out = BoolOf(v.Type() == fastjson.TypeTrue)
	case StringList:
		return r.list(f, v, out)
	case Timestamp:
		return r.timestamp(d, f, v, out)
	default:
		return r.number(f, v, out)
	}
	return nil
}

func (r *reader) str(f *Field, pos int, v *fastjson.Value, out *Value) *Fault {
	b, err := v.StringBytes()
	if err != nil {
		return wrongType(f, v)
	}
	if len(b) > FieldBytesMax {
		return fieldTooLarge(f.Name, len(b))
	}
	*out = StringOf("")
	r.keep(pos, b)
	return nil
}

func (r *reader) list(f *Field, v *fastjson.Value, out *Value) *Fault {
	items, err := v.Array()
	if err != nil {
		return wrongType(f, v)
	}
	texts, size := make([]string, len(items)), 0
	for i, item := range items {
		b, err := item.StringBytes()
		if err != nil {
			return &Fault{WrongType, f.Name, fmt.Sprintf("item %d is %s, want string", i, jsonType(item))}
		}
		texts[i] = string(b)
		size += len(b)
	}
	if size > FieldBytesMax {
		return fieldTooLarge(f.Name, size)
	}
	*out = ListOf(texts)
	return nil
}

func (r *reader) number(f *Field, v *fastjson.Value, out *Value) *Fault {
	text, ok := r.digits(v, f.Type == Decimal)
	if !ok {
		return wrongType(f, v)
	}
	var reason Reason
	switch f.Type {
	case Double:
		*out, reason = doubleOf(text)
	case Int:
		var n int64
		n, reason = exact(text, 0, false)
		*out = IntOf(n)
	case Decimal:
		var n int64
		n, reason = exact(text, int(f.Scale), false)
		*out = DecimalOf(n, f.Scale)
	}
	return numberFault(f, reason)
}

func numberFault(f *Field, reason Reason) *Fault {
	switch {
	case reason == "":
		return nil
	case reason == DecimalDigits && f.Type == Int:
		return &Fault{NotInteger, f.Name, "a number with a fraction, want int"}
	case reason == DecimalDigits:
		return &Fault{reason, f.Name, fmt.Sprintf("more than %d digits after the point", f.Scale)}
	case reason == NumberRange:
		return &Fault{reason, f.Name, "out of the range of " + f.describe()}
	}
	return &Fault{reason, f.Name, "no number, want " + f.describe()}
}

func doubleOf(text []byte) (Value, Reason) {
	if _, ok := scanNumber(text); !ok {
		return Value{}, WrongType
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsInf(x, 0) {
		return Value{}, NumberRange
	}
	return DoubleOf(x), ""
}

// digits returns the text of a JSON number, or of a string where numbers may
// come as text, in scratch space.
func (r *reader) digits(v *fastjson.Value, quoted bool) ([]byte, bool) {
	switch {
	case v.Type() == fastjson.TypeNumber:
		r.num = v.MarshalTo(r.num[:0])
		return r.num, true
	case quoted && v.Type() == fastjson.TypeString:
		return v.GetStringBytes(), true
	}
	return nil, false
}

func (r *reader) timestamp(d *Decl, f *Field, v *fastjson.Value, out *Value) *Fault {
	us, reason := r.instant(d.Unit, v)
	switch reason {
	case "":
		*out = TimestampOf(us)
		return nil
	case NumberRange:
		return &Fault{reason, f.Name, "out of the range of timestamp"}
	}
	return &Fault{WrongType, f.Name, "no time, want RFC 3339 text or a number in the stream's time unit"}
}

func (r *reader) instant(u TimeUnit, v *fastjson.Value) (int64, Reason) {
	if v.Type() == fastjson.TypeString {
		if us, ok := instantOfText(string(v.GetStringBytes())); ok {
			return us, ""
		}
		return 0, WrongType
	}
	text, ok := r.digits(v, false)
	if !ok || u == RFC3339 {
		return 0, WrongType
	}
	return instantOf(text, u)
}

func (r *reader) time(d *Decl, root *fastjson.Value, ev *Event) *Fault {
	v := root.Get(d.Time...)
	if v == nil || v.Type() == fastjson.TypeNull {
		return &Fault{BadTime, strings.Join(d.Time, "."), "missing or null"}
	}
	if isText := v.Type() == fastjson.TypeString; isText != (d.Unit == RFC3339) {
		return &Fault{BadTime, strings.Join(d.Time, "."), jsonType(v) + " does not fit the stream's time unit"}
	}
	us, reason := r.instant(d.Unit, v)
	switch {
	case reason == NumberRange || reason == "" && us > instantMax:
		return &Fault{BadTime, strings.Join(d.Time, "."), "after the year 9999: is time.unit right?"}
	case reason != "":
		return &Fault{BadTime, strings.Join(d.Time, "."), "no time in the stream's time unit"}
	case us < eventTimeMin:
		return &Fault{BadTime, strings.Join(d.Time, "."), "before the year 1971: is time.unit right?"}
	}
	ev.Time = us
	return nil
}

// id reads the event's id: text, or a number as it is written.
func (r *reader) id(d *Decl, root *fastjson.Value) *Fault {
	if d.ID == nil {
		return nil
	}
	v := root.Get(d.ID...)
	if v == nil || v.Type() == fastjson.TypeNull {
		return &Fault{MissingField, strings.Join(d.ID, "."), "missing or null, but the stream's id"}
	}
	text, ok := r.digits(v, true)
	switch {
	case !ok:
		return &Fault{WrongType, strings.Join(d.ID, "."), jsonType(v) + ", want string or number as the id"}
	case len(text) == 0:
		return &Fault{MissingField, strings.Join(d.ID, "."), "empty, but the stream's id"}
	case len(text) > FieldBytesMax:
		return fieldTooLarge(strings.Join(d.ID, "."), len(text))
	}
	r.keep(idPos, text)
	return nil
}

func (r *reader) keep(pos int, b []byte) {
	from := len(r.text)
	r.text = append(r.text, b...)
	r.spans = append(r.spans, span{pos, from, len(r.text)})
}

// settle gives the texts of an event one piece of memory.
func (r *reader) settle(ev *Event) {
	all := string(r.text)
	for _, s := range r.spans {
		if s.pos == idPos {
			ev.ID = all[s.from:s.to]
		} else {
			ev.Values[s.pos] = StringOf(all[s.from:s.to])
		}
	}
}

func wrongType(f *Field, v *fastjson.Value) *Fault {
	return &Fault{WrongType, f.Name, jsonType(v) + ", want " + f.describe()}
}

func fieldTooLarge(name string, got int) *Fault {
	return &Fault{FieldTooLarge, name, fmt.Sprintf("%d bytes, the limit is %d", got, FieldBytesMax)}
}

func (f *Field) describe() string {
	if f.Type == Decimal {
		return fmt.Sprintf("decimal(%d)", f.Scale)
	}
	return f.Type.String()
}

func jsonType(v *fastjson.Value) string {
	switch t := v.Type(); t {
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return "bool"
	default:
		return t.String()
	}
}
