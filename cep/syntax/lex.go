package syntax

import (
	"strconv"
	"unicode/utf8"
)

// A token is one lexeme of the pattern grammar; kind is its text for
// punctuation, or one of the token kinds below.
type token struct {
	kind string
	text string
	off  int // bytes from the start of the pattern
	num  int // of a number; saturates at numberMax
}

// Token kinds that are not punctuation.
const (
	tokenEnd    = "end of the pattern"
	tokenName   = "name"
	tokenNumber = "number"
	tokenBad    = "bad"
)

const numberMax = 1 << 30 // larger than every bound of the language

// A lexer splits a pattern into tokens.
type lexer struct {
	src string
	off int
}

// mistaken maps operators of other languages to what they are here.
var mistaken = []struct{ text, hint string }{
	{"-->", "the next event is written `->`"},
	{"=>", "the next event is written `->`"},
	{"~>", "the next event is written `->`"},
	{">>", "any later event is written `->>`"},
	{"||", "alternatives are written with one `|`"},
	{"&&", "steps in any order are written with one `&`"},
	{"..", "a number of times is written {n,m}"},
	{";", "the very next event is written `,`"},
	{"-", "the next event is written `->`"},
	{">", "a later event is written `->`; conditions belong in `where` of a step"},
	{"=", "conditions belong in `where` of a step, not in the pattern"},
	{"<", "conditions belong in `where` of a step, not in the pattern"},
	{"[", "a number of times is written {n,m}, a group (…)"},
	{".", "a pattern has only step names and operators; a group is written (…)"},
	{"\"", "step names are written without quotes"},
	{"'", "step names are written without quotes"},
}

func (l *lexer) next() token {
	for l.off < len(l.src) && isSpace(l.src[l.off]) {
		l.off++
	}
	start := l.off
	if start == len(l.src) {
		return token{kind: tokenEnd, off: start}
	}
	switch c := l.src[start]; {
	case isLetter(c):
		return l.run(tokenName, func(c byte) bool { return isLetter(c) || isDigit(c) })
	case isDigit(c):
		t := l.run(tokenNumber, isDigit)
		t.num = saturated(t.text)
		return t
	}
	if n := punctuation(l.src[start:]); n > 0 {
		l.off += n
		return token{kind: l.src[start:l.off], text: l.src[start:l.off], off: start}
	}
	_, n := utf8.DecodeRuneInString(l.src[start:])
	l.off += n
	return token{kind: tokenBad, text: l.src[start:l.off], off: start}
}

func (l *lexer) run(kind string, in func(byte) bool) token {
	start := l.off
	for l.off < len(l.src) && in(l.src[l.off]) {
		l.off++
	}
	return token{kind: kind, text: l.src[start:l.off], off: start}
}

// punctuation returns the length of the operator that s begins with, or 0.
func punctuation(s string) int {
	for _, m := range mistaken {
		if hasPrefix(s, m.text) && len(m.text) > 1 {
			return 0
		}
	}
	for _, op := range []string{"->>", "->"} {
		if hasPrefix(s, op) {
			return len(op)
		}
	}
	switch s[0] {
	case ',', '|', '&', '(', ')', '?', '*', '+', '{', '}', ':', '!':
		return 1
	}
	return 0
}

func hasPrefix(s, p string) bool { return len(s) >= len(p) && s[:len(p)] == p }

func saturated(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil || n > numberMax {
		return numberMax
	}
	return n
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
