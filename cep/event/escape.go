package event

import (
	"unicode/utf16"
	"unicode/utf8"
)

// unescape appends what a JSON text with backslashes means. An escape that
// JSON does not know stands for itself, as does half of a surrogate pair.
func unescape(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c != '\\' || i+1 == len(s) {
			dst = append(dst, c)
			i++
			continue
		}
		if s[i+1] == 'u' {
			var n int
			dst, n = appendUnicode(dst, s[i:])
			i += n
			continue
		}
		if short := shortEscape(s[i+1]); short != 0 {
			dst = append(dst, short)
		} else {
			dst = append(dst, c, s[i+1])
		}
		i += 2
	}
	return dst
}

func shortEscape(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

const escapeBytes = 6 // of \uXXXX

// appendUnicode appends what the escape at the start of s means, and returns
// how much of s it took.
func appendUnicode(dst, s []byte) ([]byte, int) {
	r, ok := unicodeEscape(s)
	switch {
	case !ok:
		return append(dst, s[:2]...), 2
	case !utf16.IsSurrogate(r):
		return utf8.AppendRune(dst, r), escapeBytes
	}
	second, ok := unicodeEscape(s[escapeBytes:])
	if !ok {
		return append(dst, s[:escapeBytes]...), escapeBytes
	}
	return utf8.AppendRune(dst, utf16.DecodeRune(r, second)), 2 * escapeBytes
}

// unicodeEscape reads \uXXXX at the start of s.
func unicodeEscape(s []byte) (r rune, ok bool) {
	if len(s) < escapeBytes || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range s[2:escapeBytes] {
		if c >= 'A' && c <= 'F' {
			c |= 'a' - 'A'
		}
		d, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}
