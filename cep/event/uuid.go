package event

// packUUID returns the 16 bytes of a lower-case UUID in its usual form; false
// for any other text.
func packUUID(s string) (packed [uuidBytes]byte, ok bool) {
	if len(s) != uuidText || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return packed, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			continue
		}
		d, ok := hexDigit(s[i])
		if !ok {
			return packed, false
		}
		packed[n/2] = packed[n/2]<<4 | d
		n++
	}
	return packed, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c-'0' <= 9:
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// unpackUUID is the inverse of packUUID.
func unpackUUID(packed string) (text [uuidText]byte) {
	at := 0
	for i := range len(packed) {
		if at == 8 || at == 13 || at == 18 || at == 23 {
			text[at] = '-'
			at++
		}
		text[at], text[at+1] = hexDigits[packed[i]>>4], hexDigits[packed[i]&15]
		at += 2
	}
	return text
}
