package syntax

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// MaxName bounds the length of every name.
const MaxName = 100

const (
	documentNameRule = "names of documents are [a-z][a-z0-9-]*, at most 100 long"
	fieldNameRule    = "names of fields, steps and values are [a-z][a-z0-9_]*, at most 100 long"
)

func documentName(s string) bool { return named(s, '-') }

func fieldName(s string) bool { return named(s, '_') }

func named(s string, joiner byte) bool {
	if s == "" || len(s) > MaxName || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || isDigit(c) || c == joiner) {
			return false
		}
	}
	return true
}

var capital = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// nameHint suggests a name like s that the rule allows.
func nameHint(s string, ok func(string) bool, rule string) string {
	for _, joiner := range []string{"-", "_"} {
		parts := strings.FieldsFunc(capital.ReplaceAllString(s, "${1}_$2"), func(r rune) bool { return strings.ContainsRune("-_. ", r) })
		mended := strings.ToLower(strings.Join(parts, joiner))
		if ok(mended) {
			return fmt.Sprintf("did you mean `%s`? %s", mended, rule)
		}
	}
	return rule
}

// reservedWords are those that expressions cannot use as names: CEL's own and
// ours.
var reservedWords = []string{
	"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
	"let", "loop", "package", "namespace", "return", "var", "void", "while", "time", "prev", "profile",
}

// reserved refuses a field, step or value with a name that expressions could
// not read.
func (r *reader) reserved(e entry, hint string) {
	if slices.Contains(reservedWords, e.key.Name) {
		r.refuse(e.key.Pos, e.val.pointer, fmt.Sprintf("`%s` is a reserved word of expressions", e.key.Name), hint)
	}
}
