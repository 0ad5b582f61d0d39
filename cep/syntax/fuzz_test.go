package syntax_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/syntax"
)

// FuzzParse: any text gives documents or problems, never a panic or a hang,
// and every problem points into the file.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"testdata/language.yaml", "testdata/script/problems.txt", "testdata/script/document.txt"} {
		src, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range strings.Split(string(src), "\n----\n") {
			for doc := range strings.SplitSeq(part, "\n---\n") {
				f.Add([]byte(doc))
			}
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		file, problems := syntax.Parse("fuzz.yaml", src)
		checkProblems(t, src, problems)
		for _, d := range file.Documents {
			if d.Header().Name == "" || d.Header().Kind == "" {
				t.Errorf("a sound document without kind or name: %+v", d)
			}
			if r, ok := d.(*syntax.Rule); ok {
				checkTexts(t, 1+strings.Count(string(src), "\n"), r)
			}
		}
		if len(file.Documents)+len(file.Broken)+len(problems) == 0 {
			t.Error("neither documents nor problems")
		}
	})
}

func checkProblems(t *testing.T, src []byte, problems []syntax.Problem) {
	t.Helper()
	lines := strings.Count(string(src), "\n") + 1
	sorted := slices.Clone(problems)
	syntax.Sort(sorted)
	if !slices.Equal(sorted, problems) {
		t.Errorf("problems are not sorted: %v", problems)
	}
	for _, p := range problems {
		if p.Detail == "" || p.File != "fuzz.yaml" || p.Line > lines || p.Line > 0 && p.Col < 1 {
			t.Errorf("a problem with no place in %d lines: %+v", lines, p)
		}
		_ = p.String()
	}
}

// checkTexts asks for the place of every byte of every condition.
func checkTexts(t *testing.T, lines int, r *syntax.Rule) {
	t.Helper()
	for _, s := range r.Steps {
		if s.Where == nil {
			continue
		}
		for off := range len(s.Where.Src) + 1 {
			if at := s.Where.PosAt(off); at.Line < 1 || at.Col < 1 || at.Line > lines {
				t.Errorf("offset %d of %q is at %v", off, s.Where.Src, at)
			}
		}
	}
}

// FuzzParsePattern: what parses prints as a text that parses to the same
// tree, and Check answers for any tree.
func FuzzParsePattern(f *testing.F) {
	for _, name := range []string{"pattern", "check"} {
		src, err := os.ReadFile("testdata/script/" + name + ".txt")
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(src)) {
			f.Add(strings.TrimSuffix(line, "\n"))
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		n, problems := syntax.ParsePattern(syntax.Text{Src: src})
		if (n == nil) == (len(problems) == 0) && n == nil {
			t.Fatal("neither a pattern nor a problem")
		}
		if n == nil {
			return
		}
		syntax.Check(&syntax.Rule{Pattern: n, Emit: "first"})
		if syntax.Failed(problems) {
			return
		}
		again, problems := syntax.ParsePattern(syntax.Text{Src: n.String()})
		if len(problems) > 0 {
			t.Fatalf("%q prints as %q, which fails: %v", src, n, problems)
		}
		if a, b := tree(n), tree(again); a != b {
			t.Fatalf("%q prints as %q, another tree:\n%s\n%s", src, n, a, b)
		}
	})
}

// tree prints a pattern with every join and quantifier where it belongs.
func tree(n *syntax.Node) string {
	var b strings.Builder
	b.WriteString(n.Quant.String())
	if len(n.Sub) == 0 {
		return n.Name + b.String()
	}
	for i, s := range n.Sub {
		if i > 0 && n.Op == syntax.OpSeq {
			b.WriteString(" " + n.Joins[i-1].String())
		}
		b.WriteString(" <" + tree(s) + ">")
	}
	return string('0'+rune(n.Op)) + b.String()
}
