package event

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// A reference decodes with the tree that a library makes of the whole record,
// and reads every number the long way: what the scanner and the readers of
// plain numbers must agree with.
// A span is a text value that lies in reference.text.
type span struct{ pos, from, to int }

const idPos = -1

type reference struct {
	json  fastjson.Parser
	text  []byte
	spans []span
	num   []byte
}

func (r *reference) decode(d *Decl, value []byte, ev *Event) *Fault {
	root, fault := r.parse(value, d.maxBytes())
	if fault != nil {
		return fault
	}
	unescapeNames(root)
	return r.project(d, root, ev)
}

// unescapeNames makes every name of an object read as it is meant: the library
// does so only once a name was not found.
func unescapeNames(v *fastjson.Value) {
	switch v.Type() {
	case fastjson.TypeObject:
		v.GetObject().Visit(func(_ []byte, v *fastjson.Value) { unescapeNames(v) })
	case fastjson.TypeArray:
		for _, v := range v.GetArray() {
			unescapeNames(v)
		}
	}
}

func (r *reference) parse(value []byte, limit int) (*fastjson.Value, *Fault) {
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

func (r *reference) project(d *Decl, root *fastjson.Value, ev *Event) *Fault {
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

func (r *reference) fields(d *Decl, root *fastjson.Value, ev *Event) *Fault {
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
			if f.Optional || slices.Contains(d.Keys, i) {
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

// value reads one declared field that is there.
func (r *reference) value(d *Decl, pos int, v *fastjson.Value, out *Value) *Fault {
	f := &d.Schema.Fields[pos]
	switch f.Type {
	case String:
		return r.str(f, pos, v, out)
	case Bool:
		if t := v.Type(); t != fastjson.TypeTrue && t != fastjson.TypeFalse {
			return refWrongType(f, v)
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

func (r *reference) str(f *Field, pos int, v *fastjson.Value, out *Value) *Fault {
	b, err := v.StringBytes()
	if err != nil {
		return refWrongType(f, v)
	}
	if len(b) > FieldBytesMax {
		return fieldTooLarge(f.Name, len(b))
	}
	*out = StringOf("")
	r.keep(pos, b)
	return nil
}

func (r *reference) list(f *Field, v *fastjson.Value, out *Value) *Fault {
	items, err := v.Array()
	if err != nil {
		return refWrongType(f, v)
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

func (r *reference) number(f *Field, v *fastjson.Value, out *Value) *Fault {
	text, ok := r.digits(v, f.Type == Decimal)
	if !ok {
		return refWrongType(f, v)
	}
	var reason Reason
	switch f.Type {
	case Double:
		*out, reason = doubleSlow(text)
	case Int:
		var n int64
		n, reason = exactSlow(text, 0, false)
		*out = IntOf(n)
	case Decimal:
		var n int64
		n, reason = exactSlow(text, int(f.Scale), false)
		*out = DecimalOf(n, f.Scale)
	}
	return numberFault(f, reason)
}

// digits returns the text of a JSON number, or of a string where numbers may
// come as text, in scratch space.
func (r *reference) digits(v *fastjson.Value, quoted bool) ([]byte, bool) {
	switch {
	case v.Type() == fastjson.TypeNumber:
		r.num = v.MarshalTo(r.num[:0])
		return r.num, true
	case quoted && v.Type() == fastjson.TypeString:
		return v.GetStringBytes(), true
	}
	return nil, false
}

func (r *reference) timestamp(d *Decl, f *Field, v *fastjson.Value, out *Value) *Fault {
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

func (r *reference) instant(u TimeUnit, v *fastjson.Value) (int64, Reason) {
	if v.Type() == fastjson.TypeString {
		if us, ok := refInstantText(string(v.GetStringBytes())); ok {
			return us, ""
		}
		return 0, WrongType
	}
	text, ok := r.digits(v, false)
	if !ok || u == RFC3339 {
		return 0, WrongType
	}
	return refInstant(text, u)
}

func (r *reference) time(d *Decl, root *fastjson.Value, ev *Event) *Fault {
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
func (r *reference) id(d *Decl, root *fastjson.Value) *Fault {
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

func (r *reference) keep(pos int, b []byte) {
	from := len(r.text)
	r.text = append(r.text, b...)
	r.spans = append(r.spans, span{pos, from, len(r.text)})
}

// settle gives the texts of an event one piece of memory.
func (r *reference) settle(ev *Event) {
	all := string(r.text)
	for _, s := range r.spans {
		if s.pos == idPos {
			ev.ID = all[s.from:s.to]
		} else {
			ev.Values[s.pos] = StringOf(all[s.from:s.to])
		}
	}
}

func refWrongType(f *Field, v *fastjson.Value) *Fault {
	return &Fault{WrongType, f.Name, jsonType(v) + ", want " + f.describe()}
}

func jsonType(v *fastjson.Value) string {
	switch t := v.Type(); t {
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return "bool"
	default:
		return t.String()
	}
}

func exactSlow(text []byte, scale int, floor bool) (int64, Reason) {
	n, ok := scanNumber(text)
	switch {
	case !ok:
		return 0, WrongType
	case n.zero():
		return 0, ""
	case n.exp > numberDigitsMax || len(n.whole)+len(n.frac) > numberDigitsMax:
		return 0, NumberRange
	}
	return n.scaled(scale, floor)
}

func doubleSlow(text []byte) (Value, Reason) {
	if _, ok := scanNumber(text); !ok {
		return Value{}, WrongType
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsInf(x, 0) {
		return Value{}, NumberRange
	}
	return DoubleOf(x), ""
}

func refInstant(text []byte, u TimeUnit) (int64, Reason) {
	us, reason := exactSlow(text, digitsToMicros(u), true)
	if reason == "" && (us < instantMin || us > instantMax) {
		return 0, NumberRange
	}
	return us, reason
}

func refInstantText(s string) (int64, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, false
	}
	us := t.UnixMicro()
	return us, us >= instantMin && us <= instantMax
}
