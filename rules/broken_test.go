package rules_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/rules"
)

var rewrite = flag.Bool("rewrite", false, "write the problems of testdata/broken as they are now")

// leastBroken is how many broken documents are kept.
const leastBroken = 100

// TestBrokenDocuments checks every document of testdata/broken and compares
// what its author would read with the .err file beside it. Each has a problem
// with line, column, caret and hint.
func TestBrokenDocuments(t *testing.T) {
	const dir = "testdata/broken"
	streams := source(t, filepath.Join(dir, "streams.yaml"))
	paths, err := filepath.Glob(filepath.Join(dir, "[0-9]*.yaml"))
	if err != nil || len(paths) < leastBroken {
		t.Fatalf("%d broken documents, want at least %d (%v)", len(paths), leastBroken, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			_, problems := rules.Check(nil, streams, source(t, path))
			compareProblems(t, strings.TrimSuffix(path, ".yaml")+".err", problems)
			wantPlace(t, problems)
		})
	}
}

func source(t *testing.T, path string) rules.Source {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return rules.Source{Name: filepath.Base(path), Text: text}
}

// wantPlace asserts that the document is refused at places a caret can show,
// with a hint. Only a file without any document has no place.
func wantPlace(t *testing.T, problems []syntax.Problem) {
	t.Helper()
	if !syntax.Failed(problems) {
		t.Error("the document is accepted")
	}
	for _, p := range problems {
		if p.Hint == "" {
			t.Errorf("no hint: %s", p)
		}
		if p.Line == 0 && p.Detail != "the file holds no document" || p.Line > 0 && !strings.Contains(p.String(), "^") {
			t.Errorf("no place: %s", p)
		}
	}
}
