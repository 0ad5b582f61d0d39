package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// A phrase is a text that stands in no file.
type phrase struct {
	form   *regexp.Regexp
	reason string
}

// Written in parts, so that this file may be checked too.
var phrases = []phrase{
	{regexp.MustCompile(`(?i)\b(proxy\.golan` + `g\.org|sum\.golan` + `g\.org|repo1?\.mave` + `n\.(org|apache\.org)|pyp` + `i\.org|registry\.npm` + `js\.org|deb\.debia` + `n\.org|docke` + `r\.io|ghc` + `r\.io)\b`),
		"package registries are the tools' business"},
	{regexp.MustCompile(`(^|[\s"'=(:` + "`" + `])/(wor` + `k|tm` + `p|roo` + `t|hom` + `e)/`), "paths of one machine do not belong here"},
	{regexp.MustCompile(`\b(FIXM` + `E|XX` + `X|HAC` + `K)\b`), "say what is wrong, or mend it"},
	{regexp.MustCompile(`\bTOD` + `O\b(?:[^(]|\((?:[^wiu]|w[^h]|i[^f]|u[^n])|$)`), "a to-do names its condition: TOD" + "O(when …)"},
	{regexp.MustCompile(`(?i)\bissue #?\d`), "the text stands without the tracker"},
	{regexp.MustCompile(`^(<{7}|>{7})( |$)`), "a merge was not finished"},
}

// skipped files are not written by hand, or are the words under test.
func skipped(name string) bool {
	return path.Base(name) == "go.sum" || path.Base(name) == "go.mod" || strings.Contains(name, "/testdata/")
}

func TestPhrases(t *testing.T) {
	err := walk(func(name string, text []byte) error {
		if skipped(name) || !utf8.Valid(text) {
			return nil
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, p := range phrases {
				if found := p.form.FindString(line); found != "" {
					t.Errorf("%s:%d: %q: %s", name, i+1, strings.TrimSpace(found), p.reason)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Names that say nothing about what is inside.
var emptyNames = map[string]bool{
	"util": true, "utils": true, "common": true, "manager": true, "managers": true, "helper": true, "helpers": true, "misc": true,
}

// words splits an identifier or file name into lower-case words.
func words(name string) []string {
	var spaced strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			spaced.WriteByte(' ')
		}
		spaced.WriteRune(unicode.ToLower(r))
	}
	return strings.FieldsFunc(spaced.String(), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func emptyName(name string) bool {
	for _, w := range words(name) {
		if emptyNames[w] {
			return true
		}
	}
	return false
}

// names returns what is wrong with the names in one file.
func names(s *source) (problems []string) {
	report := func(p token.Pos, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s:%d: %s", s.path, s.line(p), fmt.Sprintf(format, args...)))
	}
	if emptyName(strings.TrimSuffix(s.path, ".go")) {
		report(s.file.Pos(), "the path says nothing about what is inside")
	}
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if ts, ok := spec.(*ast.TypeSpec); ok && emptyName(ts.Name.Name) {
					report(ts.Pos(), "type %s: the name says nothing about what it is", ts.Name.Name)
				}
			}
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				report(d.Pos(), "no init: what a package needs is passed to it")
			}
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && strings.HasPrefix(strings.Trim(lit.Value, "\"`"), "failed"+" to") {
			report(lit.Pos(), "an error says what was being done, with a gerund")
		}
		return true
	})
	return problems
}

func TestNames(t *testing.T) {
	for _, s := range goFiles(t) {
		for _, problem := range names(s) {
			t.Error(problem)
		}
	}
}

func TestPackageComments(t *testing.T) {
	commented := map[string]bool{}
	for _, s := range goFiles(t) {
		if !s.test {
			commented[s.dir] = commented[s.dir] || s.file.Doc != nil
		}
	}
	for dir, is := range commented {
		if !is {
			t.Errorf("%s: the package has no comment", dir)
		}
	}
}
