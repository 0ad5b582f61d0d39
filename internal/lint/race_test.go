package lint

import (
	"go/ast"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheRaceDetectorWatches holds the packages that `make race` names to those
// that start goroutines, their tests apart. What is built for end-to-end tests
// alone is not among them.
func TestTheRaceDetectorWatches(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "\nRACE := ")
	list, _, _ = strings.Cut(list, "\n")
	var watched []string
	for _, w := range strings.Fields(list) {
		watched = append(watched, strings.TrimPrefix(w, "./"))
	}
	if len(watched) == 0 {
		t.Fatal("the Makefile names no packages in RACE")
	}
	for _, s := range goFiles(t) {
		if s.test || strings.HasPrefix(s.text, "//go:build e2e") || withinAny(s.dir, watched) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if g, is := n.(*ast.GoStmt); is {
				t.Errorf("%s:%d starts a goroutine: add ./%s/... to RACE in the Makefile", s.path, s.line(g.Pos()), s.dir)
			}
			return true
		})
	}
}
