package format_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/rules/catalog"
	"github.com/caltrop/caltrop/rules/format"
)

// TestFormat runs the scripts in testdata/script: `format` gives the formatted input
// and asserts that formatting it again changes nothing.
func TestFormat(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := format.Source([]byte(d.Input + "\n"))
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			again(t, d.Pos, out)
			return string(out)
		})
	})
}

// again asserts that a formatted text is its own formatting.
func again(t *testing.T, name string, out []byte) {
	t.Helper()
	twice, err := format.Source(out)
	if err != nil || string(twice) != string(out) {
		t.Errorf("%s: formatted again it is\n%s\n%v, was\n%s", name, twice, err, out)
	}
}

// TestTheCatalogueIsFormatted: formatting the shipped rules changes nothing.
func TestTheCatalogueIsFormatted(t *testing.T) {
	for _, f := range append(catalog.Rules(), catalog.Streams()) {
		out, err := format.Source(f.Data)
		if err != nil || string(out) != string(f.Data) {
			t.Errorf("%s: %v; `caltrop rules fmt -w` makes it\n%s", f.Name, err, out)
		}
	}
}

// TestExamplesAreFormattedOnce formats all documents of the tests, sound and
// broken ones.
func TestExamplesAreFormattedOnce(t *testing.T) {
	paths, err := filepath.Glob("../testdata/*/*.yaml")
	if err != nil || len(paths) < 100 {
		t.Fatalf("%d documents, %v", len(paths), err)
	}
	formatted := 0
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out, err := format.Source(src)
		if err != nil {
			if file, problems := syntax.Parse(path, src); !syntax.Failed(problems) {
				t.Errorf("%s: %v, of %d sound documents", path, err, len(file.Documents))
			}
			continue
		}
		formatted++
		again(t, path, out)
	}
	if formatted < len(paths)/2 {
		t.Errorf("only %d of %d documents were formatted", formatted, len(paths))
	}
}

// TestPageExamplesAreFormattedOnce formats the examples of the language page.
func TestPageExamplesAreFormattedOnce(t *testing.T) {
	page, err := os.ReadFile("../../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, part := range strings.Split(string(page), "\n```yaml")[1:] {
		_, text, _ := strings.Cut(part, "\n")
		text, _, _ = strings.Cut(text, "\n```")
		out, err := format.Source([]byte(text + "\n"))
		if err != nil {
			if strings.HasPrefix(part, " refused") {
				continue
			}
			t.Errorf("%v:\n%s", err, text)
			continue
		}
		n++
		again(t, text, out)
	}
	if n < 30 {
		t.Errorf("%d examples", n)
	}
}

func FuzzSource(f *testing.F) {
	for _, file := range catalog.Rules() {
		head, _, _ := bytes.Cut(file.Data, []byte("\ntests:"))
		f.Add(head)
	}
	f.Add([]byte("# a\n\nb: 1 # c\n# d\n\ne:\n  - f: |\n     x\n    # g\n  - {h: 'i', j: [k, \"l\"]}\n---\n# m\nn:\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		out, err := format.Source(src)
		if err != nil {
			return
		}
		twice, err := format.Source(out)
		if errors.Is(err, format.ErrUnsafe) {
			t.Fatalf("formatted text cannot be formatted:\n%q\nof\n%q", out, src)
		}
		if err == nil && string(twice) != string(out) {
			t.Fatalf("formatted twice:\n%q\nonce:\n%q\nof\n%q", twice, out, src)
		}
	})
}
