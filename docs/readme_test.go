package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fenced returns the blocks of a page, each as its kind and its text.
func fenced(t *testing.T, file string) (blocks [][2]string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(b), "\n```") {
		if i%2 == 1 {
			kind, text, _ := strings.Cut(part, "\n")
			blocks = append(blocks, [2]string{kind, text + "\n"})
		}
	}
	return blocks
}

// TestReadmeCommandsPrintWhatItSays runs each command of the README that is
// followed by its output.
func TestReadmeCommandsPrintWhatItSays(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "caltrop")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/caltrop").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	blocks := fenced(t, "../README.md")
	ran := 0
	for i := 1; i < len(blocks); i++ {
		args, ours := strings.CutPrefix(blocks[i-1][1], "bin/caltrop ")
		if blocks[i-1][0] != "sh" || blocks[i][0] != "text" || !ours {
			continue
		}
		ran++
		cmd := exec.Command(binary, strings.Fields(args)...)
		cmd.Dir = ".."
		got, err := cmd.CombinedOutput()
		if err != nil || string(got) != blocks[i][1] {
			t.Errorf("%s gives %v and\n%s\nthe README says\n%s", args, err, got, blocks[i][1])
		}
	}
	if ran == 0 {
		t.Error("the README runs nothing")
	}
}

// TestReadmeRuleIsInTheCatalogue holds the README's rule against the file.
func TestReadmeRuleIsInTheCatalogue(t *testing.T) {
	file, err := os.ReadFile("../rules/catalog/02-card-testing.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range fenced(t, "../README.md") {
		if b[0] == "yaml" && !strings.Contains(string(file), b[1]) {
			t.Errorf("this is not in the catalogue:\n%s", b[1])
		}
	}
}

// TestPagesLinkToWhatIsThere follows the links of all pages.
func TestPagesLinkToWhatIsThere(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../README.md", "../deploy/local/README.md") {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(b), "](")[1:] {
			target, _, _ := strings.Cut(part, ")")
			target, _, _ = strings.Cut(target, "#")
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
				t.Errorf("%s links to %s: %v", page, target, err)
			}
		}
	}
}
