package syntax

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of one file, against hostile input: no file of people comes near.
const (
	MaxFileBytes = 1 << 20
	MaxDocuments = 10_000
	MaxDepth     = 32 // of nested mappings and lists
	MaxProblems  = 200
)

// A File is what Parse read: its sound documents, and the source for carets.
type File struct {
	Name      string
	Documents []Document // without a problem, in the order of the file
	// Broken are the documents that have problems: only their Header and what
	// has no problem is to be relied on. They are here so that a rule is not
	// blamed for a stream that is merely misspelt elsewhere.
	Broken []Document

	lines    []string
	searched int // bytes parsed again in search of syntax errors
}

// Parse reads all documents of a file, YAML or JSON, with the defaults of
// language §1.1 filled in. All problems are reported at once, sorted by
// place; beyond MaxProblems the rest are left out. The file is never nil.
func Parse(file string, src []byte) (*File, []Problem) {
	f := &File{Name: file}
	text := strings.TrimPrefix(string(src), "\ufeff")
	if p, bad := unreadable(text); bad {
		f.lines = splitLines(strings.ToValidUTF8(text[:min(len(text), MaxFileBytes)], "\uFFFD"))
		return f, f.Place([]Problem{p})
	}
	f.lines = splitLines(text)
	var problems []Problem
	names := map[[2]string]int{}
	chunks := split(f.lines)
	if n := len(chunks); n > MaxDocuments {
		return f, f.Place([]Problem{{Detail: fmt.Sprintf("the file holds %d documents; the limit is %d", n, MaxDocuments)}})
	}
	for _, c := range chunks {
		r := &reader{file: f, chunk: c}
		doc := r.document()
		if doc != nil {
			r.unique(names, doc.Header())
		}
		f.keep(doc, Failed(r.problems))
		problems = append(problems, r.problems...)
	}
	if len(f.Documents)+len(f.Broken)+len(problems) == 0 {
		problems = append(problems, Problem{Detail: "the file holds no document", Hint: "a document starts with `apiVersion: caltrop/v1`"})
	}
	return f, f.Place(problems)
}

func (f *File) keep(d Document, broken bool) {
	switch {
	case d == nil:
	case broken:
		f.Broken = append(f.Broken, d)
	default:
		f.Documents = append(f.Documents, d)
	}
}

// Line returns a line of the source by its 1-based number, "" when there is
// none.
func (f *File) Line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	return f.lines[n-1]
}

// Place fills in the file and source line of problems that were found later
// in the file's documents, and sorts them. It returns its argument, cut to
// MaxProblems.
func (f *File) Place(problems []Problem) []Problem {
	for i := range problems {
		problems[i].File = f.Name
		problems[i].Source = f.Line(problems[i].Line)
	}
	Sort(problems)
	return problems[:min(len(problems), MaxProblems)]
}

// unique refuses a second document of one kind and name in a file.
func (r *reader) unique(names map[[2]string]int, m *Meta) {
	if m.Name == "" {
		return
	}
	id := [2]string{m.Kind, m.Name}
	if line, twice := names[id]; twice {
		r.refuse(m.Pos, "", fmt.Sprintf("a second %s is named `%s`; the first is on line %d", strings.ToLower(m.Kind), m.Name, line), "rename one of them")
		return
	}
	names[id] = m.Pos.Line
}

// unreadable refuses text that editors, YAML and people would disagree about
// where its lines are, before anything else looks at it.
func unreadable(text string) (Problem, bool) {
	if len(text) > MaxFileBytes {
		return Problem{Detail: fmt.Sprintf("the file has %d bytes; the limit is %d", len(text), MaxFileBytes)}, true
	}
	line, col := 1, 1
	for i, r := range text {
		if detail := unreadableRune(text[i:], r); detail != "" {
			return Problem{Line: line, Col: col, Detail: detail}, true
		}
		col++
		if r == '\n' {
			line, col = line+1, 1
		}
	}
	return Problem{}, false
}

func unreadableRune(rest string, r rune) string {
	switch {
	case r == utf8.RuneError && !strings.HasPrefix(rest, "\uFFFD"):
		return "the file is not valid UTF-8 here"
	case r == '\r' && !strings.HasPrefix(rest, "\r\n"):
		return "a carriage return that ends no line"
	case r == '\u0085' || r == '\u2028' || r == '\u2029':
		return fmt.Sprintf("the line separator %U is not allowed", r)
	case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
		return fmt.Sprintf("the control character %U is not allowed", r)
	}
	return ""
}

func splitLines(text string) []string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return lines
}

// A chunk is the text of one document: lines [from, to) of the file.
type chunk struct {
	from, to int
	src      string
	shifts   map[int][]shift // by line of src, 0-based
}

func newChunk(lines []string, from, to int) chunk {
	c := chunk{from: from, to: to, src: strings.Join(lines[from:to], "\n") + "\n"}
	if jsonObject(lines[from:to]) {
		c.src, c.shifts = plainEscapes(c.src)
	}
	return c
}

// split cuts a file at its document markers. No YAML scalar may hold a marker
// at the start of a line, so that one document's syntax error leaves the
// others readable.
func split(lines []string) []chunk {
	if c, ok := splitJSON(lines); ok {
		return c
	}
	var chunks []chunk
	from := 0
	cut := func(to int) {
		if blank(lines[from:to]) {
			return
		}
		chunks = append(chunks, newChunk(lines, from, to))
	}
	for i, l := range lines {
		if i > from && marker(l, "---") {
			cut(i)
			from = i
		}
		if marker(l, "...") {
			cut(i)
			from = i + 1
		}
	}
	if from < len(lines) {
		cut(len(lines))
	}
	return chunks
}

func marker(line, m string) bool {
	rest, ok := strings.CutPrefix(line, m)
	return ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t')
}

// blank reports whether lines hold nothing but space, comments and a marker.
func blank(lines []string) bool {
	for i, l := range lines {
		if i == 0 && marker(l, "---") {
			l = l[3:]
		}
		if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
			return false
		}
	}
	return true
}
