package event

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
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
	if t := d.reader.scanner.tokens[d.stream]; t.kind == isString {
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
	time, id int     // leaves; id is noLeaf when the stream declares none
	leaves   []int   // by position in the schema
	fields   [][]int // positions in the schema, by leaf
	required []int   // positions in the schema
	keys     []bool
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
		leaf := p.want(d.Schema.Fields[i].Path)
		v.leaves = append(v.leaves, leaf)
		v.fields = append(v.fields, make([][]int, max(0, p.leaves-len(v.fields)))...)
		v.fields[leaf] = append(v.fields[leaf], i)
		if !d.Schema.Fields[i].Optional || v.keys[i] {
			v.required = append(v.required, i)
		}
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
	case !utf8.Valid(value):
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
func (r *reader) raw(t token) []byte { return r.scanner.b[t.from:t.to] }

// plain is what a text token says, until the next call.
func (r *reader) plain(t token) []byte {
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
	if fault := r.time(v.decl, r.scanner.tokens[v.time], ev); fault != nil {
		return fault
	}
	if v.id != noLeaf {
		if fault := r.id(v.decl, r.scanner.tokens[v.id], ev); fault != nil {
			return fault
		}
	}
	n := len(v.leaves)
	if cap(ev.Values) < n {
		ev.Values = make([]Value, n)
	}
	ev.Values = ev.Values[:n]
	clear(ev.Values)
	if !r.fields(v, ev) {
		return r.refuse(v, ev)
	}
	v.pii.apply(ev)
	return nil
}

// fields reads the declared fields that are there; false when one of them, or
// one that is not, makes the record no event.
func (r *reader) fields(v *view, ev *Event) bool {
	for _, leaf := range r.scanner.found {
		if leaf >= len(v.fields) {
			continue // of another stream
		}
		for _, i := range v.fields[leaf] {
			if r.value(v.decl, i, r.scanner.tokens[leaf], &ev.Values[i]) != nil {
				return false
			}
		}
	}
	for _, i := range v.required {
		if !ev.Values[i].Present() {
			return false
		}
	}
	return true
}

// refuse finds what is wrong first, in the order of the schema.
func (r *reader) refuse(v *view, ev *Event) *Fault {
	for i, leaf := range v.leaves {
		f, t := &v.decl.Schema.Fields[i], r.scanner.tokens[leaf]
		switch {
		case t.kind != absent:
			if fault := r.value(v.decl, i, t, &ev.Values[i]); fault != nil {
				return fault
			}
		case !f.Optional && !v.keys[i]:
			return &Fault{MissingField, f.Name, "missing or null, and not declared optional"}
		}
	}
	for _, i := range v.decl.Keys {
		if !ev.Values[i].Present() {
			return &Fault{MissingKey, v.decl.Schema.Fields[i].Name, "missing or null, but part of the stream's partition key"}
		}
	}
	panic("event: a record was refused for no reason")
}

// value reads one declared field that is there.
func (r *reader) value(d *Decl, pos int, t token, out *Value) *Fault {
	f := &d.Schema.Fields[pos]
	switch f.Type {
	case String:
		return r.str(f, t, out)
	case Bool:
		if t.kind != isTrue && t.kind != isFalse {
			return wrongType(f, t)
		}
		*out = BoolOf(t.kind == isTrue)
	case StringList:
		return r.list(f, t, out)
	case Timestamp:
		return r.timestamp(d, f, t, out)
	default:
		return r.number(f, t, out)
	}
	return nil
}

func (r *reader) str(f *Field, t token, out *Value) *Fault {
	if t.kind != isString {
		return wrongType(f, t)
	}
	b := r.plain(t)
	if len(b) > FieldBytesMax {
		return fieldTooLarge(f.Name, len(b))
	}
	*out = StringOf(r.keep(b))
	return nil
}

func (r *reader) list(f *Field, t token, out *Value) *Fault {
	if t.kind != isArray {
		return wrongType(f, t)
	}
	var texts []string
	size, b := 0, r.scanner.b
	for i := space(b, t.from+1); b[i] != ']'; {
		var item token
		i = space(b, r.scanner.value(&item, i, 0)) // the scan has been here: it is well formed
		if item.kind != isString {
			return &Fault{WrongType, f.Name, fmt.Sprintf("item %d is %s, want string", len(texts), item.kind)}
		}
		texts = append(texts, string(r.plain(item)))
		size += len(texts[len(texts)-1])
		if b[i] == ',' {
			i = space(b, i+1)
		}
	}
	if size > FieldBytesMax {
		return fieldTooLarge(f.Name, size)
	}
	*out = ListOf(texts)
	return nil
}

func (r *reader) number(f *Field, t token, out *Value) *Fault {
	text, ok := r.digits(t, f.Type == Decimal)
	if !ok {
		return wrongType(f, t)
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
	if n, digits, ok := plainNumber(text); ok && n != 0 && n > -doubleExact && n < doubleExact {
		return DoubleOf(float64(n) / doublePowers[digits]), ""
	}
	if _, ok := scanNumber(text); !ok {
		return Value{}, WrongType
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsInf(x, 0) {
		return Value{}, NumberRange
	}
	return DoubleOf(x), ""
}

// doublePowers are the powers of ten that doubles hold exactly, as far as they
// are asked for.
var doublePowers = [plainDigitsMax]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17}

// doubleExact bounds the integers that doubles hold exactly. The quotient of
// two such numbers is rounded once, so it is the nearest double. (W. Clinger,
// "How to read floating point numbers accurately", PLDI 1990.)
const doubleExact = 1 << 53

// digits returns the text of a JSON number, or of a string where numbers may
// come as text.
func (r *reader) digits(t token, quoted bool) ([]byte, bool) {
	switch {
	case t.kind == isNumber:
		return r.raw(t), true
	case quoted && t.kind == isString:
		return r.plain(t), true
	}
	return nil, false
}

func (r *reader) timestamp(d *Decl, f *Field, t token, out *Value) *Fault {
	us, reason := r.instant(d.Unit, t)
	switch reason {
	case "":
		*out = TimestampOf(us)
		return nil
	case NumberRange:
		return &Fault{reason, f.Name, "out of the range of timestamp"}
	}
	return &Fault{WrongType, f.Name, "no time, want RFC 3339 text or a number in the stream's time unit"}
}

func (r *reader) instant(u TimeUnit, t token) (int64, Reason) {
	if t.kind == isString {
		if us, ok := instantOfText(r.plain(t)); ok {
			return us, ""
		}
		return 0, WrongType
	}
	text, ok := r.digits(t, false)
	if !ok || u == RFC3339 {
		return 0, WrongType
	}
	return instantOf(text, u)
}

func (r *reader) time(d *Decl, t token, ev *Event) *Fault {
	if t.kind == absent {
		return &Fault{BadTime, strings.Join(d.Time, "."), "missing or null"}
	}
	if isText := t.kind == isString; isText != (d.Unit == RFC3339) {
		return &Fault{BadTime, strings.Join(d.Time, "."), t.kind.String() + " does not fit the stream's time unit"}
	}
	us, reason := r.instant(d.Unit, t)
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
func (r *reader) id(d *Decl, t token, ev *Event) *Fault {
	if t.kind == absent {
		return &Fault{MissingField, strings.Join(d.ID, "."), "missing or null, but the stream's id"}
	}
	text, ok := r.digits(t, true)
	switch {
	case !ok:
		return &Fault{WrongType, strings.Join(d.ID, "."), t.kind.String() + ", want string or number as the id"}
	case len(text) == 0:
		return &Fault{MissingField, strings.Join(d.ID, "."), "empty, but the stream's id"}
	case len(text) > FieldBytesMax:
		return fieldTooLarge(strings.Join(d.ID, "."), len(text))
	}
	ev.ID = r.keep(text)
	return nil
}

// keep returns a text as memory of the event.
func (r *reader) keep(b []byte) string {
	from := r.texts.Len()
	r.texts.Write(b)
	return r.texts.String()[from:]
}

func wrongType(f *Field, t token) *Fault {
	return &Fault{WrongType, f.Name, t.kind.String() + ", want " + f.describe()}
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
