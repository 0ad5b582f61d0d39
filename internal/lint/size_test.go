package lint

import (
	"fmt"
	"go/ast"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The limits of length, in lines.
const (
	fileMax     = 700
	testFileMax = 1000
	funcMax     = 70
)

// lengths returns what of a file is over its limit: "path" or "path Func",
// with its lines.
func lengths(s *source) map[string]int {
	over := map[string]int{}
	limit := fileMax
	if s.test {
		limit = testFileMax
	}
	if n := strings.Count(s.text, "\n"); n > limit {
		over[s.path] = n
	}
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || s.test {
			continue // a test's table may be long
		}
		if n := s.line(f.End()) - s.line(f.Pos()) + 1; n > funcMax {
			over[s.path+" "+f.Name.Name] = n
		}
	}
	return over
}

// parseExceptions reads lines of "path [Func]: lines".
func parseExceptions(text string) (map[string]int, error) {
	all := map[string]int{}
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		what, lines, _ := strings.Cut(line, ":")
		n, err := strconv.Atoi(strings.TrimSpace(lines))
		if err != nil {
			return nil, fmt.Errorf("exceptions.txt:%d: %w", i+1, err)
		}
		all[what] = n
	}
	return all, nil
}

// compare holds the tree against the list: nothing may be over its limit but
// what is listed, and nothing listed may be shorter than it says, so that the
// list can only shrink.
func compare(over, listed map[string]int) (problems []string) {
	for what, n := range over {
		if allowed, is := listed[what]; !is || n > allowed {
			problems = append(problems, fmt.Sprintf("%s has %d lines; the limit is in size_test.go, what exceptions.txt grants is %d", what, n, allowed))
		}
	}
	for what, allowed := range listed {
		switch n, still := over[what]; {
		case !still:
			problems = append(problems, fmt.Sprintf("%s is within its limit now: take it off exceptions.txt", what))
		case n < allowed:
			problems = append(problems, fmt.Sprintf("%s has %d lines: lower its %d in exceptions.txt", what, n, allowed))
		}
	}
	slices.Sort(problems)
	return problems
}

func TestSizes(t *testing.T) {
	text, err := os.ReadFile("exceptions.txt")
	if err != nil {
		t.Fatal(err)
	}
	listed, err := parseExceptions(string(text))
	if err != nil {
		t.Fatal(err)
	}
	over := map[string]int{}
	for _, s := range goFiles(t) {
		for what, n := range lengths(s) {
			over[what] = n
		}
	}
	for _, problem := range compare(over, listed) {
		t.Error(problem)
	}
}
