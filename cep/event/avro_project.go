package event

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// project makes the event of what the walk found. What is wrong first is told,
// in the order of the schema, as for JSON.
func (a *AvroDecoder) project(ev *Event) *Fault {
	v := &a.view
	ev.Schema, ev.ID = v.decl.Schema, ""
	if fault := a.time(ev); fault != nil {
		return fault
	}
	if v.id != noLeaf {
		if fault := a.id(ev); fault != nil {
			return fault
		}
	}
	n := len(v.leaves)
	if cap(ev.Values) < n {
		ev.Values = make([]Value, n)
	}
	ev.Values = ev.Values[:n]
	clear(ev.Values)
	for i, leaf := range v.leaves {
		f, found := &v.decl.Schema.Fields[i], &a.values[leaf]
		switch {
		case found.node != nil:
			if fault := a.value(f, found, &ev.Values[i]); fault != nil {
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
	v.pii.apply(ev)
	return nil
}

// value converts one declared field that is there.
func (a *AvroDecoder) value(f *Field, v *avroValue, out *Value) *Fault {
	kind := v.node.schema.Kind
	switch f.Type {
	case String:
		text, ok := v.text()
		if !ok {
			return avroType(f, kind)
		}
		return a.str(f, text, out)
	case Bool:
		if kind != AvroBoolean {
			return avroType(f, kind)
		}
		*out = BoolOf(v.n == 1)
	case StringList:
		return a.list(f, v, out)
	case Timestamp:
		us, reason := a.instant(*v)
		switch {
		case reason == NumberRange:
			return &Fault{reason, f.Name, "out of the range of timestamp"}
		case reason != "":
			return avroType(f, kind)
		}
		*out = TimestampOf(us)
	default:
		return a.number(f, v, out)
	}
	return nil
}

// text returns a string or a symbol.
func (v *avroValue) text() ([]byte, bool) {
	switch v.node.schema.Kind {
	case AvroString:
		return v.b, true
	case AvroEnum:
		return []byte(v.node.schema.Symbols[v.n]), true
	}
	return nil, false
}

func (a *AvroDecoder) str(f *Field, text []byte, out *Value) *Fault {
	switch {
	case len(text) > FieldBytesMax:
		return fieldTooLarge(f.Name, len(text))
	case !utf8.Valid(text):
		return &Fault{InvalidUTF8, f.Name, "the text is not UTF-8"}
	}
	*out = StringOf(a.keep(text))
	return nil
}

// list reads an array of texts, which the walk has been through.
func (a *AvroDecoder) list(f *Field, v *avroValue, out *Value) *Fault {
	if v.node.schema.Kind != AvroArray {
		return avroType(f, v.node.schema.Kind)
	}
	texts, size := []string(nil), 0
	a.at = int(v.n)
	for {
		count, _, fault := a.block()
		if fault != nil || count == 0 {
			break
		}
		for range count {
			text, fault := a.item(f, v.node.parts[0], len(texts))
			if fault != nil {
				return fault
			}
			texts = append(texts, text)
			size += len(text)
		}
	}
	if size > FieldBytesMax {
		return fieldTooLarge(f.Name, size)
	}
	*out = ListOf(texts)
	return nil
}

func (a *AvroDecoder) item(f *Field, n *avroNode, i int) (string, *Fault) {
	for n.schema.Kind == AvroUnion {
		branch, _ := a.long() // the walk has been here: it is well formed
		n = n.parts[branch]
	}
	v := avroValue{node: n}
	if kind := n.schema.Kind; kind != AvroString && kind != AvroEnum {
		return "", &Fault{WrongType, f.Name, fmt.Sprintf("item %d is %s, want string", i, kind)}
	}
	if fault := a.scalar(n.schema, &v); fault != nil {
		return "", fault
	}
	text, _ := v.text()
	if !utf8.Valid(text) {
		return "", &Fault{InvalidUTF8, f.Name, "an item is not UTF-8"}
	}
	return string(text), nil
}

// number converts to int, double or decimal. Numbers pass as text, so that
// nothing is rounded that need not be.
func (a *AvroDecoder) number(f *Field, v *avroValue, out *Value) *Fault {
	kind := v.node.schema.Kind
	text, ok := a.digits(v, f.Type == Decimal)
	if !ok || f.Type == Int && kind != AvroInt && kind != AvroLong {
		return avroType(f, kind)
	}
	var reason Reason
	switch f.Type {
	case Double:
		switch {
		case kind != AvroFloat && kind != AvroDouble:
			*out, reason = doubleOf(text)
		case math.IsInf(v.x, 0) || math.IsNaN(v.x):
			reason = NumberRange
		default:
			*out = DoubleOf(v.x)
		}
	case Int:
		*out = IntOf(v.n)
	case Decimal:
		var n int64
		n, reason = exact(text, int(f.Scale), false)
		*out = DecimalOf(n, f.Scale)
	}
	return numberFault(f, reason)
}

// digits returns a number as the text of a JSON number, or a text where numbers
// may come as text.
func (a *AvroDecoder) digits(v *avroValue, quoted bool) ([]byte, bool) {
	s := v.node.schema
	switch s.Kind {
	case AvroInt, AvroLong:
		a.scratch = strconv.AppendInt(a.scratch[:0], v.n, 10)
	case AvroFloat:
		a.scratch = strconv.AppendFloat(a.scratch[:0], v.x, 'e', -1, 32)
	case AvroDouble:
		a.scratch = strconv.AppendFloat(a.scratch[:0], v.x, 'e', -1, 64)
	case AvroBytes, AvroFixed:
		if s.Logical != AvroDecimal {
			return nil, false
		}
		a.scratch = appendUnscaled(a.scratch[:0], v.b)
		a.scratch = strconv.AppendInt(append(a.scratch, 'e'), -int64(s.Scale), 10)
	case AvroString:
		return v.b, quoted
	default:
		return nil, false
	}
	return a.scratch, true
}

// unscaledMax bounds the bytes of a decimal: past it it is out of any range.
const unscaledMax = 64

// appendUnscaled writes a big-endian number in two's complement as text.
func appendUnscaled(to, b []byte) []byte {
	if len(b) > unscaledMax {
		return append(to, "1e9999"...)
	}
	if len(b) <= 8 {
		var n int64
		if len(b) > 0 {
			n = int64(int8(b[0]))
			for _, c := range b[1:] {
				n = n<<8 | int64(c)
			}
		}
		return strconv.AppendInt(to, n, 10)
	}
	n := new(big.Int).SetBytes(b)
	if b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n.Append(to, 10)
}

// instant returns a time in µs, rounded down. A logical type says its unit; a
// plain number is in the stream's, a text is RFC 3339.
func (a *AvroDecoder) instant(v avroValue) (int64, Reason) {
	unit, scale := a.view.decl.Unit, int64(1)
	switch s := v.node.schema; s.Logical {
	case AvroMillis:
		unit = Millis
	case AvroMicros:
		unit = Micros
	case AvroNanos:
		unit = Nanos
	case AvroDate:
		unit, scale = Seconds, 24*60*60
	default:
		if s.Kind == AvroString {
			if us, ok := instantOfText(v.b); ok {
				return us, ""
			}
			return 0, WrongType
		}
		if unit == RFC3339 {
			return 0, WrongType
		}
	}
	if v.node.schema.Kind == AvroString {
		return 0, WrongType
	}
	v.n *= scale // a date has 32 bits: it fits
	text, ok := a.digits(&v, false)
	if !ok {
		return 0, WrongType
	}
	return instantOf(text, unit)
}

func (a *AvroDecoder) time(ev *Event) *Fault {
	v := &a.values[a.view.time]
	bad := func(what string) *Fault { return &Fault{BadTime, strings.Join(a.view.decl.Time, "."), what} }
	if v.node == nil {
		return bad("missing or null")
	}
	if s := v.node.schema; s.Logical < AvroDate && (s.Kind == AvroString) != (a.view.decl.Unit == RFC3339) {
		return bad(s.Kind.String() + " does not fit the stream's time unit")
	}
	us, reason := a.instant(*v)
	switch {
	case reason == NumberRange || reason == "" && us > instantMax:
		return bad("after the year 9999: is time.unit right?")
	case reason != "":
		return bad("no time in the stream's time unit")
	case us < eventTimeMin:
		return bad("before the year 1971: is time.unit right?")
	}
	ev.Time = us
	return nil
}

// id reads the event's id: text, a symbol, or an integer.
func (a *AvroDecoder) id(ev *Event) *Fault {
	v := &a.values[a.view.id]
	bad := func(r Reason, what string) *Fault { return &Fault{r, strings.Join(a.view.decl.ID, "."), what} }
	if v.node == nil {
		return bad(MissingField, "missing or null, but the stream's id")
	}
	text, ok := v.text()
	if kind := v.node.schema.Kind; kind == AvroInt || kind == AvroLong {
		text, ok = a.digits(v, false)
	}
	switch {
	case !ok:
		return bad(WrongType, v.node.schema.Kind.String()+", want string or integer as the id")
	case len(text) == 0:
		return bad(MissingField, "empty, but the stream's id")
	case len(text) > FieldBytesMax:
		return fieldTooLarge(strings.Join(a.view.decl.ID, "."), len(text))
	case !utf8.Valid(text):
		return bad(InvalidUTF8, "the id is not UTF-8")
	}
	ev.ID = a.keep(text)
	return nil
}

// keep returns a text as memory of the event.
func (a *AvroDecoder) keep(b []byte) string {
	if a.texts.Cap()-a.texts.Len() < len(b) {
		a.texts.Reset()
		a.texts.Grow(max(len(b), textsBytes))
	}
	from := a.texts.Len()
	a.texts.Write(b)
	return a.texts.String()[from:]
}

func avroType(f *Field, k AvroKind) *Fault {
	return &Fault{WrongType, f.Name, k.String() + ", want " + f.describe()}
}
