package format

import "strings"

// pattern writes a pattern on one line with one space around operators and
// `until`, none elsewhere. It changes no other character.
func pattern(text string) string {
	var out []string
	braces := 0
	for _, t := range tokens(text) {
		switch t {
		case "{":
			braces++
		case "}":
			braces--
		}
		switch {
		case spaced(t) && !(t == "," && braces > 0), len(out) > 0 && word(t) && word(out[len(out)-1]):
			out = append(out, " ", t, " ")
		default:
			out = append(out, t)
		}
	}
	return strings.Join(strings.Fields(strings.Join(out, "")), " ")
}

func spaced(t string) bool {
	return t == "->" || t == "->>" || t == "|" || t == "&" || t == "," || t == "until"
}

func word(t string) bool {
	c := t[0]
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// tokens splits a pattern into words, arrows and single characters.
func tokens(text string) []string {
	var all []string
	for _, field := range strings.Fields(text) {
		for field != "" {
			n := 1
			switch {
			case strings.HasPrefix(field, "->>"):
				n = 3
			case strings.HasPrefix(field, "->"):
				n = 2
			case word(field):
				for n < len(field) && word(field[n:]) {
					n++
				}
			}
			all = append(all, field[:n])
			field = field[n:]
		}
	}
	return all
}
