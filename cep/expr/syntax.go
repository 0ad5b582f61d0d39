package expr

import (
	"regexp"
	"strings"

	"cel.dev/cel-go/common"
)

// syntaxErrors gives the parser's errors byte offsets and plainer words.
func syntaxErrors(text string, base int, faults []*common.Error) []Error {
	if strings.TrimSpace(text) == "" {
		return []Error{{Offset: base, Detail: "an expression is missing here", Hint: "write one, or leave the key out"}}
	}
	var errs []Error
	for _, f := range faults {
		at := 0
		if f.Location != nil && f.Location.Line() > 0 {
			at = lineOffset(text, f.Location.Line(), f.Location.Column())
		}
		hint, sure := syntaxHint(text, at, f.Message)
		errs = append(errs, Error{Offset: base + at, Detail: syntaxWords(f.Message), Hint: hint})
		if sure {
			break
		}
	}
	return tidy(errs)[:1] // after its first error the parser only guesses
}

func lineOffset(text string, line, col int) int {
	at := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	offsets := runeOffsets(text[at:])
	return at + offsets[min(max(col, 0), len(offsets)-1)] // the parser may give −1: it cannot tell
}

// badEscape is what a text ended at because it is no escape.
var badEscape = regexp.MustCompile("(\\\\(?:[^abfnrtv\\\\?\"'`xXuU0-3]|[xX][0-9a-fA-F]?[^0-9a-fA-F]|u[0-9a-fA-F]{0,3}[^0-9a-fA-F]))'$")

func syntaxWords(message string) string {
	message = strings.TrimPrefix(message, "Syntax error: ")
	switch m := badEscape.FindStringSubmatch(message); {
	case m != nil:
		return "in a text there is no escape " + m[1]
	case message == "invalid int literal" || message == "invalid uint literal":
		return "this is too large for a whole number"
	case message == "invalid double literal":
		return "this is too large for a number"
	case strings.HasPrefix(message, "mismatched input '<EOF>'"):
		return "the expression ends too early"
	case strings.HasPrefix(message, "missing ") && strings.HasSuffix(message, " at '<EOF>'"):
		return strings.TrimSuffix(message, " at '<EOF>'") + " at the end"
	case strings.HasPrefix(message, `token recognition error at: '"`), strings.HasPrefix(message, "token recognition error at: ''"):
		return "this text is never closed by a quote"
	case strings.HasPrefix(message, "token recognition error at: "):
		return "this is no part of an expression: " + strings.TrimPrefix(message, "token recognition error at: ")
	case strings.HasPrefix(message, "missing ')' at"):
		return "a ) is missing"
	case strings.HasPrefix(message, "missing ']' at"):
		return "a ] is missing"
	case strings.HasPrefix(message, "mismatched input "), strings.HasPrefix(message, "extraneous input "):
		input := strings.TrimPrefix(strings.TrimPrefix(message, "mismatched input "), "extraneous input ")
		if i := strings.Index(input, " expecting"); i > 0 {
			input = input[:i]
		}
		return "did not expect " + input + " here"
	}
	return message
}
