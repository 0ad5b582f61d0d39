package syntax

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Problem is one thing wrong with a document, at the place a person can
// mend it.
type Problem struct {
	File    string // as given to Parse
	Line    int    // 1-based; 0 when the whole file is meant
	Col     int    // 1-based, in runes
	Pointer string // RFC 6901 pointer into the document, "" for the root
	Detail  string // what is wrong
	Hint    string // how to mend it, "" when Detail says so
	Source  string // the source line, for the caret
	Warning bool   // the document is usable all the same
}

// MaxCaretRunes bounds how much of a long source line is shown.
const MaxCaretRunes = 160

// String renders the problem as `file:line:col: error: detail`, the source
// line with a caret under the column, and the hint. The last line has no
// newline. A problem without a line has no source either.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", p.Line, p.Col)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(p.severity() + ": " + p.Detail)
	if p.Line > 0 && strings.TrimSpace(p.Source) != "" {
		line, pad := caret(p.Source, p.Col)
		fmt.Fprintf(&b, "\n    %s\n    %s^", line, pad)
	}
	if p.Hint != "" {
		b.WriteString("\n    hint: " + p.Hint)
	}
	return b.String()
}

func (p Problem) severity() string {
	if p.Warning {
		return "warning"
	}
	return "error"
}

// caret returns the part of a line to show and what stands before the caret.
// Tabs stay tabs so that the caret lines up on any terminal; of a very long
// line only the surroundings of the column are shown.
func caret(source string, col int) (line, pad string) {
	runes := []rune(source)
	at := min(max(col-1, 0), len(runes))
	from := 0
	if len(runes) > MaxCaretRunes && at > MaxCaretRunes/2 {
		from = at - MaxCaretRunes/2
	}
	to := min(len(runes), from+MaxCaretRunes)
	blank := func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}
	return string(runes[from:to]), strings.Map(blank, string(runes[from:at]))
}

// Render writes problems one after the other, in the order given.
func Render(w io.Writer, problems []Problem) error {
	for _, p := range problems {
		if _, err := fmt.Fprintln(w, p.String()); err != nil {
			return fmt.Errorf("writing problems: %w", err)
		}
	}
	return nil
}

// Sort orders problems by file and place; problems at one place keep their
// order.
func Sort(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}

// Failed reports whether any of the problems is more than a warning.
func Failed(problems []Problem) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return !p.Warning })
}
