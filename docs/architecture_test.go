package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestArchitectureMapsEveryFolder holds the file map against the tree.
func TestArchitectureMapsEveryFolder(t *testing.T) {
	text, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	mapped := map[string]bool{}
	file := regexp.MustCompile("`([^`]+)`")
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|.*\\|(.*)\\|$").FindAllStringSubmatch(string(text), -1) {
		mapped[row[1]] = true
		for _, f := range file.FindAllStringSubmatch(row[2], -1) {
			if _, err := os.Stat(filepath.Join("..", row[1], f[1])); err != nil {
				t.Errorf("the map says to begin with %s/%s: %v", row[1], f[1], err)
			}
		}
	}
	if len(mapped) == 0 {
		t.Fatal("the page has no map")
	}
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && len(d.Name()) > 2 && d.Name()[0] == '.' {
			return fs.SkipDir
		}
		folder := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), "../"))
		if !d.IsDir() && strings.HasSuffix(path, ".go") && !mapped[folder] {
			t.Errorf("folder %s is not on the map", folder)
			mapped[folder] = true // once
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
