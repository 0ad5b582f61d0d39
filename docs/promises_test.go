package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// promise is what makes a sentence one.
var promise = regexp.MustCompile(`\b(must|refused|refuses|never)\b`)

// sentenceEnd is where one sentence of a paragraph ends and the next begins.
var sentenceEnd = regexp.MustCompile("[.:] [A-Z`]")

// later is the heading from which on the page tells what is not yet so.
const later = "## Not supported yet"

// promises are the sentences of a page, outside its examples, that promise.
func promises(lines []string) (all []string) {
	var paragraph []string
	flush := func() {
		for _, s := range sentences(strings.Join(strings.Fields(strings.Join(paragraph, " ")), " ")) {
			if promise.MatchString(s) {
				all = append(all, s)
			}
		}
		paragraph = nil
	}
	fenced := false
	for _, l := range lines {
		if l == later {
			break
		}
		fence := strings.HasPrefix(l, "```")
		fenced = fenced != fence
		text, bullet := strings.CutPrefix(l, "* ")
		if fence || fenced || bullet || strings.HasPrefix(l, "#") || strings.TrimSpace(l) == "" {
			flush()
		}
		if !fence && !fenced && !strings.HasPrefix(l, "#") {
			paragraph = append(paragraph, text)
		}
	}
	flush()
	return all
}

func sentences(text string) (all []string) {
	for {
		i := sentenceEnd.FindStringIndex(text)
		if i == nil {
			return append(all, text)
		}
		all = append(all, text[:i[0]+1])
		text = text[i[0]+2:]
	}
}

// promised reads the table of promises.md: tests by sentence.
func promised(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("promises.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(page)) {
		row := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "| "), " |")
		i := strings.LastIndex(row, " | ")
		if i < 0 || !strings.HasPrefix(line, "| ") || strings.HasPrefix(row, "sentence |") {
			continue
		}
		sentence := strings.ReplaceAll(row[:i], `\|`, "|")
		for _, name := range strings.Split(row[i+3:], ", ") {
			rows[sentence] = append(rows[sentence], strings.Trim(name, "`"))
		}
	}
	return rows
}

// testsOfTheTree are the names of all test functions, and those of the broken
// documents as subtests.
func testsOfTheTree(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(src, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for test, glob := range map[string]string{"TestBrokenDocuments": "../rules/testdata/broken/[0-9]*.yaml", "TestWarnings": "../rules/testdata/warned/[0-9]*.yaml"} {
		files, err := filepath.Glob(glob)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", glob, err)
		}
		for _, f := range files {
			names[test+"/"+strings.TrimSuffix(filepath.Base(f), ".yaml")] = true
		}
	}
	return names
}

// TestEveryPromiseHasItsTest holds promises.md to language.md and to the tests.
func TestEveryPromiseHasItsTest(t *testing.T) {
	rows, tests := promised(t), testsOfTheTree(t)
	found := map[string]bool{}
	for _, s := range promises(page(t)) {
		found[s] = true
		if len(rows[s]) == 0 {
			t.Errorf("promises.md has no row for: %s", s)
		}
	}
	if len(found) < 20 {
		t.Errorf("only %d promises", len(found))
	}
	for s, names := range rows {
		if !found[s] {
			t.Errorf("language.md does not say: %s", s)
		}
		for _, name := range names {
			if !tests[name] {
				t.Errorf("there is no test %s, which is to hold: %s", name, s)
			}
		}
	}
}
