package rules_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/rules"
)

// TestWarnings checks every document of testdata/warned, which is sound and
// senseless: what its author reads is in the .err file beside it. That sound
// rules have no warning is what the tests of the catalogue and of
// docs/language.md assert.
func TestWarnings(t *testing.T) {
	streams := source(t, "testdata/broken/streams.yaml")
	paths, err := filepath.Glob("testdata/warned/[0-9]*.yaml")
	if err != nil || len(paths) < 21 {
		t.Fatalf("%d documents, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			set, problems := rules.Check(nil, streams, source(t, path))
			if syntax.Failed(problems) || len(problems) == 0 || len(set.Rules) != 1 {
				t.Errorf("want a rule with warnings: %v", problems)
			}
			golden := strings.TrimSuffix(path, ".yaml") + ".err"
			compareProblems(t, golden, problems)
		})
	}
}

// compareProblems compares problems as their author reads them with a file.
func compareProblems(t *testing.T, golden string, problems []syntax.Problem) {
	t.Helper()
	var got strings.Builder
	if err := syntax.Render(&got, problems); err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the problems differ from %s; got\n%s\nwant\n%s", golden, got.String(), want)
	}
}
