package format

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A printer writes one document.
type printer struct {
	lines []string // of the source
	kind  string
	out   strings.Builder
}

// step is the indentation of one level.
const step = "  "

func (p *printer) document(root *yaml.Node) {
	top := root.Content[0]
	for i := 0; i < len(top.Content); i += 2 {
		if top.Content[i].Value == "kind" {
			p.kind = top.Content[i+1].Value
		}
	}
	p.comment(root.HeadComment, "")
	if root.HeadComment != "" {
		p.out.WriteByte('\n')
	}
	p.comment(top.HeadComment, "")
	if len(top.Content) > 0 {
		p.comment(top.Content[0].HeadComment, "") // it belongs to the document, whatever its first key
		top = headless(top)
	}
	p.block(top, "", p.kind, "")
	p.comment(top.FootComment, "")
	p.comment(root.FootComment, "")
}

// headless is a mapping whose first key has no comment, and no line free
// before it.
func headless(n *yaml.Node) *yaml.Node {
	c, key := *n, *n.Content[0]
	key.HeadComment, key.Line = "", 0
	c.Content = append([]*yaml.Node{&key}, n.Content[1:]...)
	return &c
}

func (p *printer) comment(text, indent string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			p.out.WriteString(indent + line + "\n")
		}
	}
}

// block writes the entries of a mapping, one a line. first stands in place of
// the indentation of the first: the dash of a list.
func (p *printer) block(n *yaml.Node, indent, path, first string) {
	entries := ordered(n, orders[path])
	width := 0
	if aligned[path] {
		for _, e := range entries {
			if inline(e[1]) {
				width = max(width, len(scalar(e[0])))
			}
		}
	}
	for i, e := range entries {
		key, value := e[0], e[1]
		if i > 0 && p.blankBefore(key) {
			p.out.WriteByte('\n')
		}
		lead := indent
		if i == 0 && first != "" {
			p.comment(key.HeadComment, strings.Replace(first, "-", " ", 1)[:len(first)-len(step)])
			lead = first
		} else {
			p.comment(key.HeadComment, indent)
		}
		text := scalar(key) + ":"
		if inline(value) && width > 0 {
			text += strings.Repeat(" ", width+1-len(text))
		}
		p.out.WriteString(lead + text)
		p.value(key, value, indent, below(path, key.Value))
		if foot := joinComments(key.FootComment, value.FootComment); foot != "" {
			p.comment(foot, indent)
			if i < len(entries)-1 {
				p.out.WriteByte('\n')
			}
		}
	}
}

func joinComments(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n" + b
}

// inline reports whether a value is a {} on one line.
func inline(n *yaml.Node) bool {
	return n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 && !commented(n)
}

// commented reports whether something inside a node has a comment.
func commented(n *yaml.Node) bool {
	for _, c := range n.Content {
		if c.HeadComment+c.LineComment+c.FootComment != "" || commented(c) {
			return true
		}
	}
	return false
}

// blankBefore reports whether the author left a line free before an entry.
func (p *printer) blankBefore(key *yaml.Node) bool {
	line := key.Line - 1 // 0-based line of the key
	if key.HeadComment != "" {
		line -= strings.Count(key.HeadComment, "\n") + 1
	}
	return line >= 1 && line-1 < len(p.lines) && strings.TrimSpace(p.lines[line-1]) == ""
}

// value writes what stands after a key's colon, with the end of its line.
func (p *printer) value(key, n *yaml.Node, indent, path string) {
	line := joinComments(key.LineComment, n.LineComment)
	if strings.Contains(line, "\n") {
		line = strings.ReplaceAll(line, "\n", " ")
	}
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) > 0 && (n.Style&yaml.FlowStyle == 0 || commented(n)):
		p.endLine(line, n.Line)
		p.comment(n.HeadComment, indent+step)
		p.block(n, indent+step, path, "")
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0 && (n.Style&yaml.FlowStyle == 0 || commented(n)):
		p.endLine(line, n.Line)
		p.comment(n.HeadComment, indent+step)
		p.items(n, indent+step, path)
	case n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		p.blockScalar(n, indent+step, line)
	default:
		text := flow(n, path)
		if key.Value == "pattern" && n.Style == 0 {
			text = pattern(text)
		}
		if text != "" {
			p.out.WriteString(" " + text)
		}
		p.endLine(line, n.Line)
	}
}

// endLine ends a line with its comment. One that its author set apart stays in
// its column, where the line leaves room.
func (p *printer) endLine(comment string, line int) {
	if comment == "" {
		p.out.WriteByte('\n')
		return
	}
	text := p.out.String()
	width := utf8.RuneCountInString(text[strings.LastIndexByte(text, '\n')+1:])
	gap := max(1, p.column(comment, line)-width)
	p.out.WriteString(strings.Repeat(" ", gap) + comment + "\n")
}

// column is where a comment begins in its line of the source, 0 if it stands
// right after the value.
func (p *printer) column(comment string, line int) int {
	if line < 1 || line > len(p.lines) {
		return 0
	}
	before, found := strings.CutSuffix(strings.TrimRight(p.lines[line-1], " "), comment)
	if !found || !strings.HasSuffix(before, "  ") {
		return 0
	}
	return utf8.RuneCountInString(before)
}

// items writes the elements of a list, one a line.
func (p *printer) items(n *yaml.Node, indent, path string) {
	for i, item := range n.Content {
		if i > 0 && p.blankBefore(item) {
			p.out.WriteByte('\n')
		}
		p.comment(item.HeadComment, indent)
		if item.Kind == yaml.MappingNode && len(item.Content) > 0 && (item.Style&yaml.FlowStyle == 0 || commented(item)) {
			p.block(item, indent+step, path+"/*", indent+"- ")
		} else {
			p.out.WriteString(indent + "-")
			p.value(&yaml.Node{}, item, indent, path+"/*")
		}
		p.comment(item.FootComment, indent)
		if item.FootComment != "" && i < len(n.Content)-1 {
			p.out.WriteByte('\n')
		}
	}
}

// blockScalar writes a | or > text with the lines it has in the source.
func (p *printer) blockScalar(n *yaml.Node, indent, comment string) {
	mark := "|"
	if n.Style&yaml.FoldedStyle != 0 {
		mark = ">"
	}
	switch {
	case !strings.HasSuffix(n.Value, "\n"):
		mark += "-"
	case strings.HasSuffix(n.Value, "\n\n"):
		mark += "+"
	}
	p.out.WriteString(" " + mark)
	p.endLine(comment, n.Line)
	lines, margin := p.rawLines(n)
	for _, l := range lines {
		if len(l) > margin {
			p.out.WriteString(indent + l[margin:])
		}
		p.out.WriteByte('\n')
	}
}

// rawLines are the source lines of a block scalar, and how far they are
// indented: as the first that is not empty.
func (p *printer) rawLines(n *yaml.Node) (lines []string, margin int) {
	margin = -1
	for _, l := range p.lines[min(n.Line, len(p.lines)):] {
		depth := len(l) - len(strings.TrimLeft(l, " "))
		blank := strings.TrimSpace(l) == ""
		if margin < 0 && !blank {
			margin = depth
		}
		if !blank && depth < margin || margin == 0 {
			break
		}
		lines = append(lines, l)
	}
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" && !strings.HasSuffix(n.Value, "\n\n") {
		lines = lines[:len(lines)-1]
	}
	return lines, max(margin, 0)
}

// flow writes a value on one line.
func flow(n *yaml.Node, path string) string {
	var parts []string
	switch n.Kind {
	case yaml.ScalarNode:
		return scalar(n)
	case yaml.MappingNode:
		for _, e := range ordered(n, orders[path]) {
			parts = append(parts, strings.TrimRight(scalar(e[0])+": "+flow(e[1], below(path, e[0].Value)), " "))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	for _, c := range n.Content {
		parts = append(parts, flow(c, path+"/*"))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// scalar writes a single value in the style its author chose, on one line.
func scalar(n *yaml.Node) string {
	odd := strings.ContainsFunc(n.Value, func(r rune) bool { return !unicode.IsPrint(r) })
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0 && !odd:
		return "'" + strings.ReplaceAll(n.Value, "'", "''") + "'"
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0, odd:
		return quoted(n.Value)
	}
	return n.Value
}

func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"', r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String() + `"`
}
