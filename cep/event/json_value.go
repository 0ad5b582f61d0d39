package event

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// timeLayout is RFC 3339 in UTC with six decimals.
const (
	timeLayout = "2006-01-02T15:04:05.000000Z"
	timeZeros  = "0000-00-00T00:00:00.000000Z"
)

// AppendTime appends a time in µs since the Unix epoch as RFC 3339 UTC with
// six decimals, unquoted.
func AppendTime(dst []byte, us int64) []byte {
	t := time.UnixMicro(us).UTC()
	if us < instantMin || us > instantMax {
		return t.AppendFormat(dst, timeLayout)
	}
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(dst, timeZeros...)
	b := dst[len(dst)-len(timeZeros):]
	putDigits(b[:4], year)
	putDigits(b[5:7], int(month))
	putDigits(b[8:10], day)
	putDigits(b[11:13], hour)
	putDigits(b[14:16], minute)
	putDigits(b[17:19], second)
	putDigits(b[20:26], t.Nanosecond()/1000)
	return dst
}

// putDigits fills b with n, which is not negative and has no more digits.
func putDigits(b []byte, n int) {
	for i, rest := len(b)-1, uint32(n); i >= 0; i, rest = i-1, rest/10 {
		b[i] = byte('0' + rest%10)
	}
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
		return v.appendList(dst)
	}
	return dst
}

func (v Value) appendList(dst []byte) []byte {
	dst = append(dst, '[')
	for i, s := range v.List() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendQuoted(dst, s)
	}
	return append(dst, ']')
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
	case Int, Bool, Decimal, StringList:
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
	from, i := 0, plain(s)
	for i < len(s) {
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
