package syntax

import "strings"

// splitJSON cuts a file of JSON objects that follow one another, which YAML
// does not allow. It reports false when the file is not that: then it is
// YAML, or a single object or objects between markers, which is YAML too.
func splitJSON(lines []string) ([]chunk, bool) {
	first := 0
	for first < len(lines) && strings.TrimSpace(lines[first]) == "" {
		first++
	}
	if first == len(lines) || !jsonObject(lines[first:]) {
		return nil, false
	}
	var chunks []chunk
	var depth objectDepth
	from := first
	for i := first; i < len(lines); i++ {
		if depth.open == 0 && (marker(lines[i], "---") || marker(lines[i], "...")) || !depth.line(lines[i]) {
			return nil, false
		}
		if depth.open == 0 && strings.TrimSpace(lines[i]) != "" {
			chunks = append(chunks, newChunk(lines, from, i+1))
			from = i + 1
		}
	}
	return chunks, depth.open == 0 && len(chunks) > 1
}

// jsonObject reports whether the text begins like an object with a quoted key.
func jsonObject(lines []string) bool {
	first := 0
	for first < len(lines)-1 && (strings.TrimSpace(lines[first]) == "" || marker(lines[first], "---")) {
		first++
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(lines[first]), "{")
	for i := first + 1; ok && i < len(lines) && strings.TrimSpace(rest) == ""; i++ {
		rest = lines[i]
	}
	return ok && strings.HasPrefix(strings.TrimSpace(rest), `"`)
}

// objectDepth counts how many braces are open between lines.
type objectDepth struct {
	open int
}

// line reads one line; it reports false when the text is no JSON.
func (d *objectDepth) line(s string) bool {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			d.open++
		case c == '}' || c == ']':
			d.open--
		}
	}
	return !quoted && d.open >= 0
}
