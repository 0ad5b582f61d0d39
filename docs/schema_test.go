package docs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/caltrop/caltrop/docs/schema"
	"github.com/caltrop/caltrop/rules/catalog"
)

func documentSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema.Document()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("document.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("document.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instances reads the documents of a YAML text as JSON values. Text that is no
// YAML is an error.
func instances(text string) (all []any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading YAML: %v", p)
		}
	}()
	for part := range strings.SplitSeq("\n"+text, "\n---\n") {
		var v any
		if err := yaml.Unmarshal([]byte(part), &v); err != nil {
			return nil, err
		}
		if v != nil {
			all = append(all, jsonValue(v))
		}
	}
	return all, nil
}

func jsonValue(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = jsonValue(x[k])
		}
	case map[any]any:
		m := map[string]any{}
		for k := range x {
			m[fmt.Sprint(k)] = jsonValue(x[k])
		}
		return m
	case []any:
		for i := range x {
			x[i] = jsonValue(x[i])
		}
	case time.Time:
		return x.Format(time.RFC3339)
	}
	return v
}

// TestSoundDocumentsFitTheSchema: the catalogue, the examples of the page and
// a document of every kind.
func TestSoundDocumentsFitTheSchema(t *testing.T) {
	s := documentSchema(t)
	n := 0
	fits := func(name, text string) {
		t.Helper()
		docs, err := instances(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, d := range docs {
			n++
			if err := s.Validate(d); err != nil {
				t.Errorf("%s, document %d: %v", name, i+1, err)
			}
		}
	}
	for _, f := range append(catalog.Rules(), catalog.Streams()) {
		fits(f.Name, string(f.Data))
	}
	_, examples := read(t, page(t))
	for _, e := range examples {
		if e.info == "" || e.info == "warned" {
			text, _ := e.whole()
			fits(fmt.Sprintf("language.md:%d", e.line), text)
		} else if e.info == "streams" {
			fits(fmt.Sprintf("language.md:%d", e.line), e.text)
		}
	}
	files, _ := filepath.Glob("../rules/testdata/warned/*.yaml")
	for _, path := range append(files, "../rules/testdata/broken/streams.yaml", "../cep/syntax/testdata/language.yaml", "../loadtest/fraudgen/scenarios.yaml") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fits(path, string(text))
	}
	if n < 100 {
		t.Errorf("only %d documents", n)
	}
}

// formal are the numbers of the broken documents whose form is wrong: a key, a
// type, a word that is none of those allowed. What is wrong in a pattern, an
// expression or between parts a schema cannot see.
var formal = [][2]int{{1, 20}, {22, 35}, {37, 37}, {39, 51}, {53, 54}, {56, 63}, {66, 69}, {111, 111}, {114, 116}, {118, 122}, {124, 124}, {173, 177}}

// TestBrokenDocumentsDoNotFitTheSchema: what is wrong with the form of a
// document, an editor that knows the schema shows.
func TestBrokenDocumentsDoNotFitTheSchema(t *testing.T) {
	s := documentSchema(t)
	files, err := filepath.Glob("../rules/testdata/broken/[0-9]*.yaml")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	refused := 0
	for _, path := range files {
		name := filepath.Base(path)
		var n int
		if _, err := fmt.Sscanf(name, "%d-", &n); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(formal, func(r [2]int) bool { return r[0] <= n && n <= r[1] }) {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := instances(string(text))
		fits := err == nil && len(docs) > 0
		for _, d := range docs {
			fits = fits && s.Validate(d) == nil
		}
		if fits {
			t.Errorf("%s fits the schema", name)
		}
		refused++
	}
	if refused < 60 {
		t.Errorf("only %d documents", refused)
	}
}
