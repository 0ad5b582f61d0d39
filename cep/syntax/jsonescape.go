package syntax

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A shift says that text of a line was shortened before YAML saw it: places
// from col on are extra columns further right in the file.
type shift struct{ col, extra int }

// plainEscapes rewrites the two escapes that JSON has and YAML has not, `\/`
// and surrogate pairs, as what they mean. The shifts are by 0-based line of
// the text.
func plainEscapes(src string) (string, map[int][]shift) {
	if !strings.Contains(src, `\/`) && !strings.Contains(src, `\u`) {
		return src, nil
	}
	shifts := map[int][]shift{}
	var b strings.Builder
	line, col := 0, 1
	for i := 0; i < len(src); {
		if text, n := jsonEscape(src[i:]); n > 0 {
			b.WriteString(text)
			shifts[line] = append(shifts[line], shift{col + 1, n - 1})
			i += n
			col++
			continue
		}
		n := 1
		if src[i] == '\\' && i+1 < len(src) && src[i+1] != '\n' {
			n, col = 2, col+1
			b.WriteByte('\\')
		} else if src[i] >= utf8.RuneSelf {
			_, n = utf8.DecodeRuneInString(src[i:])
			b.WriteString(src[i : i+n-1])
		}
		last := src[i+n-1]
		b.WriteByte(last)
		col++
		if last == '\n' {
			line, col = line+1, 1
		}
		i += n
	}
	return b.String(), shifts
}

// jsonEscape reads an escape that YAML does not know: what it means and how
// many bytes it is long, 0 when there is none.
func jsonEscape(s string) (string, int) {
	if strings.HasPrefix(s, `\/`) {
		return "/", 2
	}
	const pair = len(`\ud83d\ude00`)
	if len(s) < pair || s[:2] != `\u` || s[6:8] != `\u` {
		return "", 0
	}
	high, err1 := strconv.ParseUint(s[2:6], 16, 16)
	low, err2 := strconv.ParseUint(s[8:12], 16, 16)
	if r := utf16.DecodeRune(rune(high), rune(low)); err1 == nil && err2 == nil && r != utf8.RuneError {
		return string(r), pair
	}
	return "", 0
}

// place returns where a place that YAML reports stands in the file.
func (c *chunk) place(line, col int) Pos {
	at := Pos{Line: line + c.from, Col: col}
	for _, s := range c.shifts[line-1] {
		if s.col <= col {
			at.Col += s.extra
		}
	}
	return at
}
