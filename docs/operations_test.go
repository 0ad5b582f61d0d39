package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestOperationsNamesEveryReason holds the table of reasons against the source.
func TestOperationsNamesEveryReason(t *testing.T) {
	text, err := os.ReadFile("operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| reason | of a record that |")
	table, _, _ = strings.Cut(table, "\n\n")
	documented := map[string]bool{}
	for _, row := range strings.Split(table, "\n") {
		if cells := strings.Split(row, "|"); len(cells) > 2 {
			for _, m := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(cells[1], -1) {
				documented[m[1]] = true
			}
		}
	}
	made := map[string]bool{}
	for _, path := range []string{"../cep/event/fault.go", "../engine/task/record.go", "../sinks/status.go"} {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`Reason\w* += "([a-z0-9_]+)"`).FindAllStringSubmatch(string(source), -1) {
			made[m[1]] = true
			if !documented[m[1]] {
				t.Errorf("%s: operations.md does not name the reason %s", path, m[1])
			}
		}
	}
	for name := range documented {
		if !made[name] {
			t.Errorf("operations.md names the reason %s, which nothing gives", name)
		}
	}
}

// TestOperationsNamesEveryMetric holds the table against the source.
func TestOperationsNamesEveryMetric(t *testing.T) {
	text, err := os.ReadFile("operations.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| (`caltrop_[^|]+`) \\|").FindAllStringSubmatch(string(text), -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			documented[strings.Trim(name, "`")] = true
		}
	}
	literal := regexp.MustCompile(`"(caltrop_[a-z_]+)"`)
	header := regexp.MustCompile(`^caltrop_replayed_`) // of records, not metrics
	made := map[string]bool{}
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && len(d.Name()) > 2 && d.Name()[0] == '.' {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range literal.FindAllStringSubmatch(string(source), -1) {
			if header.MatchString(m[1]) {
				continue
			}
			made[m[1]] = true
			if !documented[m[1]] {
				t.Errorf("%s: operations.md does not name %s", path, m[1])
			}
		}
		return err
	})
	for name := range documented {
		if !made[name] {
			t.Errorf("operations.md names %s, which nothing makes", name)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
