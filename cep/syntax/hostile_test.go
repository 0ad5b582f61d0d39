package syntax_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/syntax"
)

// TestHostileFiles: what is written to exhaust the parser is refused, each
// time with a problem that says why.
func TestHostileFiles(t *testing.T) {
	const rule = "apiVersion: caltrop/v1\nkind: Rule\nname: x\nkey: k\n"
	tests := []struct{ name, src, want string }{
		{"aliases that multiply", bomb(), "anchor"},
		{"100,000 open brackets", "a: " + strings.Repeat("[", 100_000), "nested deeper"},
		{"100,000 open braces", "a: " + strings.Repeat("{", 100_000), "as a mapping"},
		{"closed brackets", "a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "nested deeper than 32"},
		{"100,000 list markers", strings.Repeat("- ", 100_000) + "a", "nested deeper"},
		{"deep indentation", deep(700), "nested deeper than 32"},
		{"a file too large", strings.Repeat("# comment\n", 200_000), "the limit is 1048576"},
		{"too many documents", strings.Repeat("---\na\n", 20_000), "20000 documents"},
		{"an endless quote", rule + `pattern: "` + strings.Repeat("a\n", 100_000), "never closed"},
		{"a pattern too long", rule + "pattern: " + strings.Repeat("a -> ", 10_000) + "a\nsteps: {a: {stream: s}}\n", "the limit is 16384"},
		{"a pattern too deep", rule + "pattern: " + strings.Repeat("(", 1000) + "a\n", "nested deeper than 50"},
		{"a pattern of many terms", rule + "pattern: " + strings.Repeat("a & ", 4000) + "a\nsteps: {a: {stream: s}}\n", "positions"},
		{"not UTF-8", "kind: \xff\xfe", "not valid UTF-8"},
		{"a NUL", "kind: a\x00b", "control character"},
		{"another line separator", "kind: a\u2028b", "line separator"},
		{"a carriage return", "kind: a\rname: b", "carriage return"},
		{"UTF-16", "\xfe\xff\x00a", "not valid UTF-8"},
		{"many unknown keys", manyKeys(50_000), "no key"},
		{"many quotes", rule + "pattern: '" + strings.Repeat("''é", 100_000) + "'", "the limit is 16384"},
		{"a long line of values", "é: [" + strings.Repeat("a, ", 200_000) + "!b c]", "`!`"},
		{"many broken documents", strings.Repeat("---\na: 'b\n\n\n\n", 10_000), "never closed"},
		{"many flow fragments", "a: {" + strings.Repeat("a, ", 100_000) + "}", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := syntax.Parse("x.yaml", []byte(tt.src))
			if len(problems) == 0 || len(problems) > syntax.MaxProblems {
				t.Fatalf("%d problems", len(problems))
			}
			text := ""
			for _, p := range problems {
				text += p.String() + "\n"
			}
			if !strings.Contains(text, tt.want) {
				t.Errorf("no problem says %q:\n%.2000s", tt.want, text)
			}
		})
	}
}

func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x]\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [*a%d, *a%d, *a%d]\n", i, i, i-1, i-1, i-1)
	}
	return b.String()
}

func deep(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
	}
	return b.String()
}

func manyKeys(n int) string {
	var b strings.Builder
	b.WriteString("apiVersion: caltrop/v1\nkind: Stream\nname: a\n")
	for i := range n {
		fmt.Fprintf(&b, "key%d: 1\n", i)
	}
	return b.String()
}
