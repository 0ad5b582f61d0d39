package syntax_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/caltrop/caltrop/cep/syntax"
)

// TestScripts runs testdata/script. Commands:
//
//	document   parse; print the documents' trees, or the problems
//	problems   parse; print the problems only ("ok" without any)
//	pattern    parse one pattern a line; print it again, with its count of positions, or the problem
//	check      a rule with the pattern of each line, its steps defined; print what Check refuses
//	places     parse; print where each word x1, x2, … of expressions stands
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "document":
				return document(d.Input)
			case "problems":
				return problems(d.Input)
			case "pattern":
				return eachLine(d.Input, pattern)
			case "check":
				return eachLine(d.Input, func(line string) string { return check(d, line) })
			case "places":
				return places(t, d.Input)
			}
			d.Fatalf(t, "unknown command %q", d.Cmd)
			return ""
		})
	})
}

// unescape lets scripts hold what their format cannot: a line with only a dot
// is blank, \t is a tab.
func unescape(input string) []byte {
	lines := strings.Split(input, "\n")
	for i := range lines {
		if strings.TrimSpace(lines[i]) == "·" {
			lines[i] = ""
		}
		lines[i] = strings.ReplaceAll(lines[i], "→", "\t")
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

func document(input string) string {
	f, ps := syntax.Parse("", unescape(input))
	var b strings.Builder
	for _, d := range f.Documents {
		b.WriteString(dumpDocument(d))
	}
	_ = syntax.Render(&b, ps)
	return b.String()
}

func problems(input string) string {
	_, ps := syntax.Parse("rule.yaml", unescape(input))
	if len(ps) == 0 {
		return "ok"
	}
	var b strings.Builder
	_ = syntax.Render(&b, ps)
	return b.String()
}

func eachLine(input string, f func(string) string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(input, "\n") {
		b.WriteString(f(line))
	}
	return b.String()
}

func pattern(src string) string {
	n, ps := syntax.ParsePattern(syntax.Text{Src: src})
	if len(ps) > 0 {
		return withSource(src, ps)
	}
	return fmt.Sprintf("%s  %s positions=%d nullable=%v\n", n, skeleton(n), n.Positions(), n.Nullable())
}

func withSource(src string, ps []syntax.Problem) string {
	var b strings.Builder
	for i := range ps {
		ps[i].Source = src
	}
	_ = syntax.Render(&b, ps)
	return b.String()
}

// skeleton prints the shape of the tree, which String flattens.
func skeleton(n *syntax.Node) string {
	op := map[syntax.Op]string{syntax.OpSeq: "seq", syntax.OpAlt: "alt", syntax.OpAnd: "and", syntax.OpGroup: "group"}[n.Op]
	if op == "" {
		return n.Name
	}
	var parts []string
	for _, s := range n.Sub {
		parts = append(parts, skeleton(s))
	}
	return op + "[" + strings.Join(parts, " ") + "]"
}

// check builds a rule around a pattern: a step for each name, with the gaps
// and settings that the command's arguments give.
func check(d *datadriven.TestData, src string) string {
	n, ps := syntax.ParsePattern(syntax.Text{Src: src, Pos: syntax.Pos{Line: 1, Col: 1}})
	if len(ps) > 0 {
		return withSource(src, ps)
	}
	r := &syntax.Rule{Emit: "first", Pattern: n, PatternText: syntax.Text{Src: src}}
	if !d.HasArg("nowithin") {
		r.Within, _ = syntax.ParseDuration("10m")
	}
	r.Limits.RunsPerKeySet = d.HasArg("runs")
	seen := map[string]bool{}
	for _, name := range regexp.MustCompile(`[a-z]\w*`).FindAllString(regexp.MustCompile(`:\w+|\buntil\b`).ReplaceAllString(src, ""), -1) {
		if !seen[name] {
			r.Steps = append(r.Steps, checkStep(d, name))
		}
		seen[name] = true
	}
	found := syntax.Check(r)
	if d.HasArg("saved") {
		found = append(found, syntax.Saved(r)...)
	}
	if len(found) == 0 {
		return src + "  ok\n"
	}
	return withSource(src, found)
}

func checkStep(d *datadriven.TestData, name string) *syntax.Step {
	s := &syntax.Step{Name: name, Stream: "payment"}
	if d.HasArg(name) {
		var gap string
		for _, a := range d.CmdArgs {
			if a.Key == name {
				gap = a.Vals[0]
			}
		}
		s.Gap, _ = syntax.ParseDuration(gap)
	}
	return s
}

var word = regexp.MustCompile(`x\d+`)

// places prints where the marked words of all conditions stand and asserts
// that the source has them there.
func places(t *testing.T, input string) string {
	src := unescape(input)
	f, ps := syntax.Parse("", src)
	if len(ps) > 0 {
		return withSource("", ps)
	}
	var b strings.Builder
	lines := strings.Split(string(src), "\n")
	for _, s := range f.Documents[0].(*syntax.Rule).Steps {
		for _, loc := range word.FindAllStringIndex(s.Where.Src, -1) {
			at, w := s.Where.PosAt(loc[0]), s.Where.Src[loc[0]:loc[1]]
			if rest := string([]rune(lines[at.Line-1])[at.Col-1:]); !strings.HasPrefix(rest, w) {
				t.Errorf("%s of %q placed at %d:%d, where the file has %q", w, s.Where.Src, at.Line, at.Col, rest)
			}
			fmt.Fprintf(&b, "%s %d:%d ", w, at.Line, at.Col)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// TestLanguage keeps the documents of docs/language.md parsing.
func TestLanguage(t *testing.T) {
	src, err := os.ReadFile("testdata/language.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, ps := syntax.Parse("language.yaml", src)
	if len(ps) > 0 {
		t.Fatalf("the language's own examples: %v", ps)
	}
	if got, want := len(f.Documents), strings.Count(string(src), "apiVersion:"); got != want {
		t.Errorf("%d documents, want %d", got, want)
	}
}
