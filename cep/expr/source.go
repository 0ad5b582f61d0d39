package expr

import (
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
)

// A source is an expression's text with the places of its nodes. Offsets of
// nodes are kept apart because the type checker forgets some of them.
type source struct {
	text  string
	base  int           // added to every reported offset: where text starts in a template
	start map[int64]int // byte offset by node id
}

func newSource(text string, base int, info *ast.SourceInfo) *source {
	s := &source{text: text, base: base, start: make(map[int64]int)}
	bytes := runeOffsets(text)
	for id, r := range info.OffsetRanges() {
		if int(r.Start) < len(bytes) {
			s.start[id] = bytes[r.Start]
		}
	}
	return s
}

// runeOffsets maps a rune's position to its byte offset; the last entry is
// the end of the text.
func runeOffsets(text string) []int {
	offsets := make([]int, 0, utf8.RuneCountInString(text)+1)
	for i := range text {
		offsets = append(offsets, i)
	}
	return append(offsets, len(text))
}

// at is the offset of a node's own token: an operator, a name, the
// parenthesis of a call.
func (s *source) at(e ast.Expr) int { return s.base + s.start[e.ID()] }

// first is the offset where the node's text begins.
func (s *source) first(e ast.Expr) int {
	low := len(s.text)
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if at, ok := s.start[e.ID()]; ok && at < low && e.Kind() != ast.UnspecifiedExprKind {
			low = at
		}
	}))
	if e.Kind() == ast.CallKind && !e.AsCall().IsMemberFunction() {
		low = min(low, s.callee(e)-s.base)
	}
	return s.base + low
}

// field is the offset of the field name of a selection, whose own token is
// the point.
func (s *source) field(e ast.Expr) int {
	i := s.start[e.ID()] + 1
	for i < len(s.text) && isSpace(s.text[i]) {
		i++
	}
	return s.base + i
}

// callee is the offset of a called function's name, which ends at the call's
// parenthesis.
func (s *source) callee(e ast.Expr) int {
	i := s.start[e.ID()]
	if i >= len(s.text) || s.text[i] != '(' {
		return s.base + i
	}
	for i > 0 && isSpace(s.text[i-1]) {
		i--
	}
	for i > 0 && isName(s.text[i-1]) {
		i--
	}
	return s.base + i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isName(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
