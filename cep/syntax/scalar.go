package syntax

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A scalarWalk follows the source of a YAML scalar and its decoded value side
// by side and notes where they stop advancing together: at escapes, folded
// lines and indentation.
type scalarWalk struct {
	lines []string
	line  int // of the source, 0-based
	off   int // bytes in the line
	value string
	at    int // bytes in the value
	marks []mark
	seen  cursor // the last place marked
}

// scalarText returns the value of a scalar that starts at a place of the
// file. When the walk loses its way the marks are left out, and places are
// those of the scalar's first line.
func scalarText(lines []string, at Pos, n *yaml.Node) Text {
	w := &scalarWalk{lines: lines, line: at.Line - 1, value: n.Value}
	if w.line < 0 || w.line >= len(lines) {
		return Text{Src: n.Value, Pos: at}
	}
	w.off = byteOffset(lines[w.line], at.Col)
	ok := false
	switch n.Style &^ (yaml.TaggedStyle | yaml.FlowStyle) {
	case yaml.LiteralStyle, yaml.FoldedStyle:
		ok = w.block()
	case yaml.SingleQuotedStyle:
		ok = w.inline('\'')
	case yaml.DoubleQuotedStyle:
		ok = w.inline('"')
	default:
		ok = w.inline(0)
	}
	if !ok || len(w.marks) == 0 {
		return Text{Src: n.Value, Pos: at, marks: []mark{{0, at}}}
	}
	return Text{Src: n.Value, Pos: w.marks[0].at, marks: w.marks}
}

func byteOffset(line string, col int) int {
	off := 0
	for ; col > 1 && off < len(line); col-- {
		_, n := utf8.DecodeRuneInString(line[off:])
		off += n
	}
	return off
}

// mark notes that the value at w.at stands at the current place.
func (w *scalarWalk) mark() {
	if w.seen.line != w.line+1 || w.off < w.seen.off {
		w.seen = cursor{line: w.line + 1, col: 1}
	}
	w.seen.col += utf8.RuneCountInString(w.lines[w.line][w.seen.off:w.off])
	w.seen.off = w.off
	w.marks = append(w.marks, mark{w.at, Pos{Line: w.line + 1, Col: w.seen.col}})
}

// inline walks a plain (quote 0) or quoted scalar.
func (w *scalarWalk) inline(quote byte) bool {
	if quote != 0 {
		w.off++
	}
	if w.off > len(w.lines[w.line]) {
		return false
	}
	w.mark()
	for w.at < len(w.value) {
		rest := w.lines[w.line][w.off:]
		var ok bool
		switch {
		case strings.Trim(rest, " \t") == "":
			ok = w.fold(false)
		case quote == '"' && rest == `\`:
			ok = w.fold(true)
		case quote == '\'' && strings.HasPrefix(rest, "''"):
			ok = w.skip(1, 2)
		case quote == '"' && rest[0] == '\\':
			_, n := utf8.DecodeRuneInString(w.value[w.at:])
			ok = w.skip(n, escapeBytes(rest, n))
		default:
			ok = rest[0] == w.value[w.at]
			w.at++
			w.off++
		}
		if !ok {
			return false
		}
	}
	return true
}

// escapeBytes returns the length of the escape at the start of s, whose
// meaning is n bytes long.
func escapeBytes(s string, n int) int {
	if len(s) < 2 {
		return 1
	}
	switch s[1] {
	case 'x':
		return 4
	case 'u':
		if n == utf8.UTFMax {
			return 12 // a surrogate pair of JSON
		}
		return 6
	case 'U':
		return 10
	}
	_, width := utf8.DecodeRuneInString(s[1:])
	return 1 + width
}

// skip moves over value bytes that are written with another number of source
// bytes.
func (w *scalarWalk) skip(value, source int) bool {
	w.at += value
	w.off += source
	if w.at > len(w.value) || w.off > len(w.lines[w.line]) {
		return false
	}
	w.mark()
	return true
}

// fold moves over a line break: one is a space, n are n-1 line feeds; an
// escaped one is nothing.
func (w *scalarWalk) fold(escaped bool) bool {
	breaks := 0
	for breaks == 0 || strings.Trim(w.lines[w.line], " \t") == "" {
		w.line++
		breaks++
		if w.line == len(w.lines) {
			return false
		}
	}
	w.off = len(w.lines[w.line]) - len(strings.TrimLeft(w.lines[w.line], " \t"))
	if !escaped && breaks == 1 {
		w.at++
	} else {
		w.at += breaks - 1
	}
	if w.at > len(w.value) {
		return false
	}
	w.mark()
	return true
}

// block walks a literal or folded scalar line by line.
func (w *scalarWalk) block() bool {
	for strings.Trim(w.value[w.at:], " \n") != "" {
		w.line++
		if w.line >= len(w.lines) {
			return false
		}
		content := strings.TrimLeft(w.lines[w.line], " ")
		if content == "" {
			continue
		}
		if !w.blockLine(content) {
			return false
		}
	}
	return true
}

func (w *scalarWalk) blockLine(content string) bool {
	start := w.at
	for start < len(w.value) && (w.value[start] == ' ' || w.value[start] == '\n') {
		start++
	}
	if !strings.HasPrefix(w.value[start:], content) {
		return false
	}
	indent := len(w.lines[w.line]) - len(content)
	w.off = indent
	for w.off > 0 && start > w.at && w.value[start-1] == ' ' {
		start--
		w.off--
	}
	w.at = start
	if len(w.marks) == 0 && start > 0 {
		w.marks = append(w.marks, mark{0, Pos{Line: w.line + 1, Col: w.off + 1}})
	}
	w.mark()
	w.at += indent - w.off + len(content)
	return true
}
