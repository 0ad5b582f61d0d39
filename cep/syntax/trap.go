package syntax

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds on the search for the line that YAML stumbles over.
const (
	maxRepairs    = 20
	maxSearchWork = 8 << 20 // bytes of a file that are parsed again
)

// syntaxError reports what keeps YAML from reading the chunk. It looks for
// values that need quotes, quotes them and reads again, so that all of them
// and what else is wrong are reported; what no quotes mend is reported in
// YAML's terms and leaves the root nil.
func (r *reader) syntaxError(err error) (root *yaml.Node) {
	r.repaired = map[int]bool{}
	lines := strings.Split(strings.TrimSuffix(r.chunk.src, "\n"), "\n")
	tried := map[[2]int]bool{} // by line and offset
	for range maxRepairs {
		at := r.errorLine(lines, err)
		v, found := trapped(lines, at, err)
		if !found {
			r.yamlError(err, at, lines)
			return nil
		}
		place := [2]int{v.line, v.off}
		if tried[place] { // quotes did not help, and each would double those before
			return nil
		}
		tried[place] = true
		detail := v.trap()
		r.refuse(Pos{r.chunk.from + v.line + 1, v.column(lines[v.line])}, "", detail, v.hint())
		lines[v.line] = lines[v.line][:v.off] + quoted(v.text) + lines[v.line][v.off+len(v.text):]
		r.repaired[r.chunk.from+v.line+1] = true
		if root, err = compose(strings.Join(lines, "\n") + "\n"); err == nil {
			return root
		}
	}
	return nil
}

// A placedValue is a value with its line.
type placedValue struct {
	lineValue
	line int
}

// trapped finds the value that needs quotes: on the line of the error, else,
// as YAML names no place for an unknown alias, anywhere.
func trapped(lines []string, at int, err error) (placedValue, bool) {
	from, to := at, at+1
	if strings.Contains(err.Error(), "unknown anchor") {
		from, to = 0, len(lines)
	}
	for i := from; i < min(to, len(lines)); i++ {
		for _, v := range lineValues(lines[i]) {
			if v.text != "" && v.trap() != "" {
				return placedValue{v, i}, true
			}
		}
	}
	return placedValue{}, false
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// errorLine returns the 0-based line that YAML cannot read: the one after the
// longest beginning of the text that it can. Where that search would take too
// long, it is the line that YAML names.
func (r *reader) errorLine(lines []string, err error) int {
	if work := len(r.chunk.src) * len(lines); r.file.searched+work <= maxSearchWork {
		r.file.searched += work
		for n := len(lines) - 1; n > 0; n-- {
			if _, err := compose(strings.Join(lines[:n], "\n") + "\n"); err == nil {
				return skipBlank(lines, n)
			}
		}
		return skipBlank(lines, 0)
	}
	n, _ := strconv.Atoi(yamlLine.FindStringSubmatch(err.Error() + " ")[1])
	return min(max(n-1, 0), len(lines)-1)
}

func skipBlank(lines []string, n int) int {
	for n < len(lines)-1 && strings.TrimSpace(lines[n]) == "" {
		n++
	}
	return n
}

// yamlTerms says YAML's messages in words for an author; opens are the
// characters at which the caret belongs, where it is not the line's first.
var yamlTerms = []struct{ message, detail, hint, opens string }{
	{"mapping values are not allowed", "a key stands where YAML expects none", "check the indentation of this line and the quotes of the value before it", ""},
	{"did not find expected key", "YAML expects a key here", "check the indentation, and the quotes of the value before it", ""},
	{"did not find expected '-'", "YAML expects the next item of the list here", "items start with `- ` in one column", ""},
	{"could not find expected ':'", "a key without `: ` after it", "write `key: value`, with a space after the colon", ""},
	{"cannot start any token", "a value cannot start with this character", "quote the value", ""},
	{"found unexpected end of stream", "a quote that is opened here is never closed", "close it, or leave both quotes out", "'\""},
	{"found unexpected document indicator", "a quote that is opened here is never closed", "close it, or leave both quotes out", "'\""},
	{"did not find expected ',' or '}'", "`{` is not closed, or a value inside it needs quotes", "inside {}, quote values that contain , [ ] { }", "{"},
	{"did not find expected ',' or ']'", "`[` is not closed, or a value inside it needs quotes", "inside [], quote values that contain , [ ] { }", "["},
	{"did not find expected node content", "YAML expects a value here", "write one, or delete the line", ""},
	{"found unknown escape character", "an escape that double quotes do not know", "use single quotes, in which a backslash is itself", ""},
	{"exceeded max depth", fmt.Sprintf("nested deeper than %d", MaxDepth), "no document needs more than a few levels", ""},
	{"block sequence entries are not allowed", "a list item cannot stand here", "start the list on a line of its own, or write [a, b]", ""},
	{"a second document", "a second document without `---` before it", "put `---` on a line between two documents", ""},
	{"did not find expected <document start>", "this line does not belong to the document before it", "put `---` on a line between two documents", ""},
	{"found a tab character", "a tab in the indentation", "YAML allows only spaces there", ""},
}

// opening returns the column of the value that starts with one of some
// characters, else the default.
func opening(line, starts string, def int) int {
	for _, v := range lineValues(line) {
		if v.text != "" && strings.ContainsRune(starts, rune(v.text[0])) {
			return v.column(line)
		}
	}
	return def
}

var badEscape = regexp.MustCompile(`\\([^0abtnvfre "'\\N_LPxuU]|[xuU][^0-9a-fA-F])`)

// yamlError reports a syntax error that is no known trap.
func (r *reader) yamlError(err error, line int, lines []string) {
	text := lines[line]
	indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
	at := Pos{r.chunk.from + line + 1, len(indent) + 1}
	if tab := strings.IndexByte(indent, '\t'); tab >= 0 {
		r.refuse(Pos{at.Line, tab + 1}, "", "a tab in the indentation", "YAML allows only spaces there")
		return
	}
	message := yamlLine.ReplaceAllString(err.Error(), "")
	if loc := badEscape.FindStringIndex(text); loc != nil && strings.Contains(message, "escape character") {
		at.Col = utf8.RuneCountInString(text[:loc[0]]) + 1
	}
	for _, t := range yamlTerms {
		if strings.Contains(message, t.message) {
			if t.opens != "" {
				at.Col = opening(text, t.opens, at.Col)
			}
			r.refuse(at, "", t.detail, t.hint)
			return
		}
	}
	r.refuse(at, "", "YAML cannot read this: "+message, "check the indentation and the quotes here and in the line before")
}

// quotedHint is the quoted form of the value that starts at a place.
func (r *reader) quotedHint(at Pos) string {
	if r.full() {
		return ""
	}
	line := r.file.Line(at.Line)
	for _, v := range lineValues(line) {
		if v.text != "" && v.column(line) == at.Col {
			return v.hint()
		}
	}
	return "put the value in single quotes"
}

// trapHint is the quoted form of a value that YAML read as a mapping or list
// where text is wanted; "" for other values.
func (r *reader) trapHint(v *value, what string) string {
	if what == patternHere || v.node.Kind == yaml.ScalarNode || v.node.Style&yaml.FlowStyle == 0 {
		return ""
	}
	return r.quotedHint(v.at())
}

// cut reports a value inside {} that YAML ended at a comma: what follows it
// looks like a key without a value. It reports whether the i-th entry of the
// mapping is such a rest.
func (r *reader) cut(n *yaml.Node, i int, v *value) bool {
	if n.Style&yaml.FlowStyle == 0 || !r.fragment(n.Content[i], v) {
		return false
	}
	at := r.place(n.Content[i])
	if i == 0 {
		r.refuse(at, v.pointer, fmt.Sprintf("`%s` has no value", shortened(v.key)), "inside {}, write key: value")
		return true
	}
	before := n.Content[i-1]
	if !r.fragment(n.Content[i-2], &value{r: r, node: before}) {
		r.refuse(r.place(before), "", "inside {} YAML ends a value without quotes at `,`", r.quotedHint(r.place(before)))
	}
	return true
}

// fragment reports whether a key of a flow mapping is no key: nothing, not
// even a colon, follows it, or it is not made of a name's characters.
func (r *reader) fragment(key *yaml.Node, v *value) bool {
	if key.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		return false
	}
	rest, ok := strings.CutPrefix(r.source(r.place(key)), key.Value)
	return ok && v.null() && v.node.Value == "" && !strings.HasPrefix(strings.TrimLeft(rest, " \t"), ":")
}
