package syntax

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A mark says that the byte at off of a Text stands at a place of the file.
// Up to the next mark, columns advance one a rune.
type mark struct {
	off int
	at  Pos
}

// PosAt maps a byte offset in Src to its place in the file. It is exact for
// plain, quoted and block scalars; an offset outside Src is clamped. A Text
// that was not read from a document counts from Pos.
func (t Text) PosAt(offset int) Pos {
	offset = min(max(offset, 0), len(t.Src))
	m := mark{at: t.Pos}
	if i, _ := slices.BinarySearchFunc(t.marks, offset+1, byOffset); i > 0 {
		m = t.marks[i-1]
	}
	return advance(m.at, t.Src[m.off:offset], len(t.marks) == 0)
}

func byOffset(m mark, off int) int { return m.off - off }

// advance moves a place over text. Only a text without marks may hold line
// breaks that are line breaks of the file too.
func advance(p Pos, text string, lines bool) Pos {
	if p == (Pos{}) {
		p = Pos{Line: 1, Col: 1}
	}
	if i := strings.LastIndexByte(text, '\n'); lines && i >= 0 {
		p.Line += strings.Count(text, "\n")
		p.Col = 1
		text = text[i+1:]
	}
	p.Col += utf8.RuneCountInString(text)
	return p
}

// Slice returns the part of a Text from byte lo to byte hi, with its place.
func (t Text) Slice(lo, hi int) Text {
	s := Text{Src: t.Src[lo:hi], Pos: t.PosAt(lo), Pointer: t.Pointer}
	if len(t.marks) == 0 {
		return s
	}
	s.marks = append(s.marks, mark{0, s.Pos})
	first, _ := slices.BinarySearchFunc(t.marks, lo+1, byOffset)
	for _, m := range t.marks[first:] {
		if m.off >= hi {
			break
		}
		s.marks = append(s.marks, mark{m.off - lo, m.at})
	}
	return s
}

// problem returns a problem at a byte offset of the text.
func (t Text) problem(offset int, detail, hint string) Problem {
	return problemAt(t.PosAt(offset), t.Pointer, detail, hint)
}

func problemAt(p Pos, pointer, detail, hint string) Problem {
	return Problem{Line: p.Line, Col: p.Col, Pointer: pointer, Detail: detail, Hint: hint}
}
