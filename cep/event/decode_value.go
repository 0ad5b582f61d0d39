package event

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// value reads one declared field that is there.
func (r *reader) value(d *Decl, f *Field, t *token, out *Value) *Fault {
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

func (r *reader) str(f *Field, t *token, out *Value) *Fault {
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

func (r *reader) list(f *Field, t *token, out *Value) *Fault {
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
		texts = append(texts, string(r.plain(&item)))
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

func (r *reader) number(f *Field, t *token, out *Value) *Fault {
	if f.Type == Decimal {
		n, digits, ok := r.short(t)
		if more := int(f.Scale) - digits; ok && more >= 0 && more <= plainDigitsMax-wordBytes {
			*out = DecimalOf(n*powers[more], f.Scale)
			return nil
		}
	}
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

// short reads a number of few characters from the record.
func (r *reader) short(t *token) (n int64, fraction int, ok bool) {
	b, length := r.scanner.b, t.to-t.from
	if t.kind != isNumber || length > wordBytes || t.from+wordBytes > len(b) {
		return 0, 0, false
	}
	return shortNumber(wordAt(b, t.from), length)
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
func (r *reader) digits(t *token, quoted bool) ([]byte, bool) {
	switch {
	case t.kind == isNumber:
		return r.raw(t), true
	case quoted && t.kind == isString:
		return r.plain(t), true
	}
	return nil, false
}

func (r *reader) timestamp(d *Decl, f *Field, t *token, out *Value) *Fault {
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

func (r *reader) instant(u TimeUnit, t *token) (int64, Reason) {
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

func (r *reader) time(d *Decl, t *token, ev *Event) *Fault {
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
func (r *reader) id(d *Decl, t *token, ev *Event) *Fault {
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

func wrongType(f *Field, t *token) *Fault {
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
