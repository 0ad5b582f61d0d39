package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
	"unicode/utf8"
)

const (
	// HashDigits is the length of a hashed text: the first half of the
	// HMAC-SHA-256, in hex.
	HashDigits = 32
	// maskShown is how many characters of a masked text stay, and maskedMin how
	// many it must have for that.
	maskShown = 4
	maskedMin = 8
	maskRune  = "*"
)

// DevelopmentKey is the key of hashes where nothing is secret: `match`, the
// tests of rules, the oracle. It is public, so what is hashed with it can be
// guessed.
const DevelopmentKey = "caltrop development key"

// Mask is a text as PIIMask leaves it: * for each character but the last four;
// for all of a text of less than eight. To mask it again changes nothing.
func Mask(s string) string {
	n := utf8.RuneCountInString(s)
	if n < maskedMin {
		return strings.Repeat(maskRune, n)
	}
	end := len(s)
	for range maskShown {
		_, size := utf8.DecodeLastRuneInString(s[:end])
		end -= size
	}
	return strings.Repeat(maskRune, n-maskShown) + s[end:]
}

// Leaves reports whether a text can be what the policy leaves of some text.
func (p PII) Leaves(text string) bool {
	switch p {
	case PIIHash:
		return len(text) == HashDigits && strings.Trim(text, "0123456789abcdef") == ""
	case PIIMask:
		return Mask(text) == text
	}
	return true
}

// Takes reports whether fields of a type can have the policy.
func (p PII) Takes(t Type) bool {
	return p == PIINone || p == PIIDrop || t == String || t == StringList
}

// Telling reports whether a field of the policy tells different values apart,
// as keys and ids must.
func (p PII) Telling() bool { return p == PIINone || p == PIIHash }

// A treatment applies a stream's policies to the events that a decoder makes.
// A nil one does nothing. It belongs to the decoder's goroutine.
type treatment struct {
	mac    hash.Hash
	fields []int // positions in the schema, of those that are hashed or masked
	id     bool  // the event's id is hashed
	sum    []byte
}

func newTreatment(d *Decl) *treatment {
	t := &treatment{id: d.HashID}
	hashed := d.HashID
	for i := range d.Schema.Fields {
		switch d.Schema.Fields[i].PII {
		case PIIHash:
			hashed = true
			t.fields = append(t.fields, i)
		case PIIMask:
			t.fields = append(t.fields, i)
		}
	}
	switch {
	case hashed && len(d.HashKey) == 0:
		panic("event: stream " + d.Schema.Stream + " hashes personal data, and its decoder has no key")
	case hashed:
		t.mac = hmac.New(sha256.New, d.HashKey)
	case len(t.fields) == 0:
		return nil
	}
	return t
}

func (t *treatment) apply(ev *Event) {
	if t == nil {
		return
	}
	if t.id {
		ev.ID = t.hash(ev.ID)
	}
	for _, i := range t.fields {
		v := &ev.Values[i]
		do := Mask
		if ev.Schema.Fields[i].PII == PIIHash {
			do = t.hash
		}
		switch v.Type() {
		case String:
			*v = StringOf(do(v.Str()))
		case StringList:
			items := v.List()
			for j := range items {
				items[j] = do(items[j])
			}
			*v = ListOf(items)
		}
	}
}

func (t *treatment) hash(text string) string {
	t.mac.Reset()
	t.mac.Write([]byte(text))
	t.sum = t.mac.Sum(t.sum[:0])
	return hex.EncodeToString(t.sum[:HashDigits/2])
}
