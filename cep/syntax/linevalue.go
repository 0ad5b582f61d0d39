package syntax

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// A lineValue is a value as its author meant it, on one line of the source:
// up to where the next key begins, whatever YAML makes of the characters in
// between.
type lineValue struct {
	key  string // "" in a list
	text string
	off  int  // bytes from the start of the line
	flow bool // inside {}
}

var (
	blockKey = regexp.MustCompile(`^\s*(?:- +)*(?:"([^"]*)"|([A-Za-z_][A-Za-z0-9_-]*)) *:[ \t]+`)
	listItem = regexp.MustCompile(`^\s*(?:- +)+`)
	flowKey  = regexp.MustCompile(`^\s*(?:"([^"]*)"|([A-Za-z_][A-Za-z0-9_-]*)) *:\s`)
	nextKey  = regexp.MustCompile(`,\s*(?:"[^"]*"|[A-Za-z_][A-Za-z0-9_-]*) *:\s`)
)

// lineValues returns the values that stand on a line: the one of a block key
// or list item, and those inside its braces.
func lineValues(line string) []lineValue {
	var v lineValue
	if m := blockKey.FindStringSubmatchIndex(line); m != nil {
		v.key, v.off = submatch(line, m), m[1]
	} else if loc := listItem.FindStringIndex(line); loc != nil {
		v.off = loc[1]
	} else {
		v.off = len(line) - len(strings.TrimLeft(line, " \t"))
		if !strings.HasPrefix(line[v.off:], "{") {
			return nil
		}
	}
	v.text = strings.TrimRight(uncommented(line[v.off:]), " \t")
	if v.text == "" {
		return nil
	}
	return append([]lineValue{v}, flowValues(v.text, v.off)...)
}

func submatch(s string, m []int) string {
	if m[2] >= 0 {
		return s[m[2]:m[3]]
	}
	return s[m[4]:m[5]]
}

// uncommented cuts a trailing comment, which starts with " #" outside quotes.
func uncommented(s string) string {
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case i == 0 && (c == '"' || c == '\''):
			quote = c
		case c == '#' && i > 0 && (s[i-1] == ' ' || s[i-1] == '\t'):
			return s[:i]
		}
	}
	return s
}

// flowValues returns the values inside {…}, nested ones too.
func flowValues(text string, off int) []lineValue {
	if !strings.HasPrefix(text, "{") || strings.HasPrefix(text, "{{") {
		return nil
	}
	var list []lineValue
	body := strings.TrimSuffix(text, "}")
	for at := 1; at < len(body); {
		m := flowKey.FindStringSubmatchIndex(body[at:])
		if m == nil {
			return list
		}
		key := submatch(body[at:], m)
		at += m[1]
		at += len(body[at:]) - len(strings.TrimLeft(body[at:], " "))
		end := at + flowEnd(body[at:])
		v := lineValue{key: key, text: strings.TrimRight(body[at:end], " \t"), off: off + at, flow: true}
		list = append(list, v)
		list = append(list, flowValues(v.text, v.off)...)
		at = end + 1
	}
	return list
}

// flowEnd returns where the value at the start of s ends: a quoted or
// bracketed one at its end, another before the comma of the next key.
func flowEnd(s string) int {
	from := 0
	if s != "" && strings.IndexByte(`"'{[`, s[0]) >= 0 && !strings.HasPrefix(s, "{{") {
		from = closing(s)
	}
	if loc := nextKey.FindStringIndex(s[from:]); loc != nil {
		return from + loc[0]
	}
	return len(s)
}

// closing returns the length of the quoted or bracketed text at the start of
// s, 0 when it does not end.
func closing(s string) int {
	depth := 0
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote == '"' && c == '\\':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if quote == 0 && depth == 0 {
			return i + 1
		}
	}
	return 0
}

// trap says why YAML does not read the value as its text; "" when it does.
func (v lineValue) trap() string {
	switch c := v.text[0]; {
	case c == '"' || c == '\'':
		if n := closing(v.text); n > 0 && n < len(v.text) {
			return fmt.Sprintf("YAML takes a value that starts with %c to end at the next %c", c, c)
		}
		return ""
	case c == '!', c == '&', c == '*', c == '@', c == '%', c == '`':
		return fmt.Sprintf("YAML does not read a value that starts with `%c` as text", c)
	case strings.HasPrefix(v.text, "{{"):
		return "YAML reads a value that starts with `{` as a mapping"
	case c == '{' || c == '[':
		return ""
	case (c == '|' || c == '>') && !blockHeader.MatchString(v.text):
		return fmt.Sprintf("YAML reads a value that starts with `%c` as a block of lines", c)
	}
	if strings.Contains(v.text, ": ") || strings.HasSuffix(v.text, ":") {
		return "YAML ends a value without quotes at `: `"
	}
	if i := strings.IndexAny(v.text, ",[]{}"); v.flow && i >= 0 {
		return fmt.Sprintf("inside {} YAML ends a value without quotes at `%c`", v.text[i])
	}
	return ""
}

var blockHeader = regexp.MustCompile(`^[|>][-+0-9]{0,2}$`)

const maxHint = 200 // bytes of a value worth repeating

// hint is the quoted form of the value.
func (v lineValue) hint() string {
	if len(v.text) > maxHint {
		return "put the value in single quotes"
	}
	if v.key == "" {
		return "quote the value: " + quoted(v.text)
	}
	return fmt.Sprintf("quote the value: %s: %s", v.key, quoted(v.text))
}

// quoted writes text as a YAML scalar in quotes.
func quoted(s string) string {
	if strings.Contains(s, "'") && !strings.ContainsAny(s, `"\`) {
		return `"` + s + `"`
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// column returns the 1-based column of the value, in runes.
func (v lineValue) column(line string) int { return utf8.RuneCountInString(line[:v.off]) + 1 }
