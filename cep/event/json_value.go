package event

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// timeLayout is RFC 3339 in UTC with six decimals.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// AppendTime appends a time in µs since the Unix epoch as RFC 3339 UTC with
// six decimals, unquoted.
func AppendTime(dst []byte, us int64) []byte {
	t := time.UnixMicro(us).UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(dst, timeLayout)
	}
	hour, minute, second := t.Clock()
	dst = append(appendDigits(dst, year, 4), '-')
	dst = append(appendDigits(dst, int(month), 2), '-')
	dst = append(appendDigits(dst, day, 2), 'T')
	dst = append(appendDigits(dst, hour, 2), ':')
	dst = append(appendDigits(dst, minute, 2), ':')
	dst = append(appendDigits(dst, second, 2), '.')
	return append(appendDigits(dst, t.Nanosecond()/1000, 6), 'Z')
}

// appendDigits appends n, which is not negative, in so many digits, six at most.
func appendDigits(dst []byte, n, digits int) []byte {
	dst = append(dst, "000000"[:digits]...)
	for i := len(dst) - 1; n > 0; i, n = i-1, n/10 {
		dst[i] = byte('0' + n%10)
	}
	return dst
}

// AppendText appends the value as bare text: strings as they are, doubles in
// their shortest form, decimals with exactly their digits, times as RFC 3339,
// durations in seconds with an s, lists as JSON. An absent value adds nothing.
func (v Value) AppendText(dst []byte) []byte {
	switch v.typ {
	case String:
		return append(dst, v.str...)
	case Int:
		return strconv.AppendInt(dst, v.num, 10)
	case Double:
		return appendDouble(dst, v.Double())
	case Bool:
		return strconv.AppendBool(dst, v.num != 0)
	case Timestamp:
		return AppendTime(dst, v.num)
	case Decimal:
		return appendDecimal(dst, v.num, v.scale)
	case Duration:
		return append(appendSeconds(dst, v.num), 's')
	case StringList:
		return v.AppendJSON(dst)
	}
	return dst
}

// AppendJSON appends the value as JSON: strings, times and durations quoted,
// numbers and bools bare, a list as an array. An absent value, and a double
// that JSON cannot say, is null.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.typ {
	case String:
		return AppendQuoted(dst, v.str)
	case Timestamp, Duration:
		dst = append(dst, '"')
		dst = v.AppendText(dst)
		return append(dst, '"')
	case Double:
		if f := v.Double(); math.IsNaN(f) || math.IsInf(f, 0) {
			return append(dst, "null"...)
		}
		return v.AppendText(dst)
	case StringList:
		dst = append(dst, '[')
		for i, s := range v.List() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendQuoted(dst, s)
		}
		return append(dst, ']')
	case Int, Bool, Decimal:
		return v.AppendText(dst)
	}
	return append(dst, "null"...)
}

// AppendKeyJSON appends a key as JSON: the value of a plain key of one field, or
// else an array.
func AppendKeyJSON(dst []byte, key []Value, list bool) []byte {
	if !list && len(key) == 1 {
		return key[0].AppendJSON(dst)
	}
	dst = append(dst, '[')
	for i, v := range key {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = v.AppendJSON(dst)
	}
	return append(dst, ']')
}

// KeyText returns a key as topics and histories use it: the text of the one value
// of a plain key, or else the JSON array.
func KeyText(key []Value, list bool) string {
	if !list && len(key) == 1 {
		return string(key[0].AppendText(nil))
	}
	return string(AppendKeyJSON(nil, key, list))
}

// Outside these bounds the shortest double is written with an exponent, as
// JavaScript does.
const (
	plainMin = 1e-6
	plainMax = 1e21
)

func appendDouble(dst []byte, f float64) []byte {
	if a := math.Abs(f); a != 0 && (a < plainMin || a >= plainMax) {
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-2] == '0' { // e-07 to e-7
			dst = append(dst[:n-2], dst[n-1])
		}
		return dst
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// appendDecimal writes unscaled / 10^scale with exactly scale decimals.
func appendDecimal(dst []byte, unscaled int64, scale uint8) []byte {
	var tmp [20]byte
	n := uint64(unscaled)
	if unscaled < 0 {
		dst, n = append(dst, '-'), -n
	}
	digits := strconv.AppendUint(tmp[:0], n, 10)
	whole := len(digits) - int(scale)
	if whole > 0 {
		dst = append(dst, digits[:whole]...)
		digits = digits[whole:]
	} else {
		dst = append(dst, '0')
	}
	if scale == 0 {
		return dst
	}
	dst = append(dst, '.')
	for ; whole < 0; whole++ {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// appendSeconds writes µs as seconds without trailing zeros.
func appendSeconds(dst []byte, us int64) []byte {
	dst = appendDecimal(dst, us, 6)
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	if dst[len(dst)-1] == '.' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// AppendQuoted appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func AppendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			dst = appendEscape(append(dst, s[from:i]...), c)
			from = i + 1
		}
		i++
	}
	return append(append(dst, s[from:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\t':
		return append(dst, '\\', 't')
	case '\r':
		return append(dst, '\\', 'r')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// reserved are the members every event has in evidence. A declared field of
// one of these names is written with an underscore before it, which no field
// name can have.
func reserved(name string) bool {
	switch name {
	case "id", "stream", "time", "partition", "offset":
		return true
	}
	return false
}

// AppendJSON appends the event as evidence carries it: id, stream, time,
// partition, offset, then every declared field that is present, in the order
// of the schema.
func (e *Event) AppendJSON(dst []byte) []byte {
	dst = AppendQuoted(append(dst, `{"id":`...), e.ID)
	dst = AppendQuoted(append(dst, `,"stream":`...), e.Schema.Stream)
	dst = AppendTime(append(dst, `,"time":"`...), e.Time)
	dst = strconv.AppendInt(append(dst, `","partition":`...), int64(e.Partition), 10)
	dst = strconv.AppendInt(append(dst, `,"offset":`...), e.Offset, 10)
	for i := range e.Values {
		if !e.Values[i].Present() {
			continue
		}
		name := e.Schema.Fields[i].Name
		dst = append(dst, ',', '"')
		if reserved(name) {
			dst = append(dst, '_')
		}
		dst = append(append(dst, name...), '"', ':')
		dst = e.Values[i].AppendJSON(dst)
	}
	return append(dst, '}')
}
