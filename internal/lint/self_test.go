package lint

import (
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// Rules that catch nothing pass for ever: here each catches what it is for.

func parse(t *testing.T, name, text string) *source {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return &source{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), text: text, fset: fset, file: file}
}

const samplePolicy = `
# a comment
low:
mid: low
top: mid
ban os in low/... : pure
only net/http in top: wires
nocall time.Now in low mid: no clock
nogo in low: no goroutine
`

func TestPolicyCatches(t *testing.T) {
	p, err := parsePolicy(samplePolicy)
	if err != nil {
		t.Fatal(err)
	}
	ours := func(folder string) string { return `import _ "` + module + folder + `"` }
	for _, c := range []struct{ name, file, body, want string }{
		{"a line's folder", "mid/a.go", ours("low"), ""},
		{"what that folder may import", "top/a.go", ours("low"), ""},
		{"upwards", "low/a.go", ours("mid"), "low may not import mid"},
		{"a folder without a line", "new/a.go", "", "no line"},
		{"a banned package", "low/a.go", `import _ "os"`, "os is not used here: pure"},
		{"a package of one folder", "mid/a.go", `import _ "net/http"`, "only in top: wires"},
		{"and below it", "mid/a.go", `import _ "net/http/httptest"`, "only in top: wires"},
		{"in its folder", "top/a.go", `import _ "net/http"`, ""},
		{"a banned call", "mid/a.go", "import \"time\"\nvar now = time.Now()", "no clock"},
		{"a banned function as a value", "low/a.go", "import \"time\"\nvar now = time.Now", "no clock"},
		{"a goroutine", "low/a.go", "func f() { go f() }", "no goroutine"},
		{"a test may", "low/a_test.go", ours("top") + "\nfunc f() { go f() }", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(p.check(parse(t, c.file, "package p\n"+c.body)), "; ")
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPolicyIsRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a: b", "b, which has no line"},
		{"a:\na:", "one folder with one line"},
		{"ban os in a", "no colon"},
		{"ban os in a:", "why"},
		{"ban os: reason", "in which folder"},
	} {
		if _, err := parsePolicy(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want one with %q", c.text, err, c.want)
		}
	}
}

func TestListOfExceptionsOnlyShrinks(t *testing.T) {
	for _, c := range []struct {
		name         string
		over, listed map[string]int
		want         string
	}{
		{"nothing over", nil, nil, ""},
		{"over and not listed", map[string]int{"a.go": 800}, nil, "a.go has 800 lines"},
		{"listed as it is", map[string]int{"a.go": 800}, map[string]int{"a.go": 800}, ""},
		{"grown", map[string]int{"a.go": 801}, map[string]int{"a.go": 800}, "a.go has 801 lines"},
		{"shrunk", map[string]int{"a.go": 799}, map[string]int{"a.go": 800}, "lower its 800"},
		{"within the limit again", nil, map[string]int{"a.go Run": 80}, "take it off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(compare(c.over, c.listed), "; ")
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLengthsAreMeasured(t *testing.T) {
	long := "package p\nfunc Long() {\n" + strings.Repeat("_ = 0\n", funcMax) + "}\n"
	if got := lengths(parse(t, "a/a.go", long)); len(got) != 1 || got["a/a.go Long"] != funcMax+2 {
		t.Errorf("a long function: %v", got)
	}
	file := "package p\n" + strings.Repeat("// x\n", fileMax)
	if got := lengths(parse(t, "a/a.go", file)); len(got) != 1 || got["a/a.go"] != fileMax+1 {
		t.Errorf("a long file: %v", got)
	}
	if got := lengths(parse(t, "a/a_test.go", file)); len(got) != 0 {
		t.Errorf("a test file of %d lines: %v", fileMax+1, got)
	}
}

func TestPhrasesCatch(t *testing.T) {
	caught := func(line string) bool {
		return slices.ContainsFunc(phrases, func(p phrase) bool { return p.form.MatchString(line) })
	}
	for _, line := range []string{
		"see https://" + "proxy.golang" + ".org/x", "cd /wor" + "k/main", `dir := "/tm` + `p/x"`, "// FIX" + "ME later", "// TO" + "DO: tidy", "// TO" + "DO", "for Iss" + "ue 12", "<<<<<<< HEAD", ">>>>>>> 4b98953 (docs)",
	} {
		if !caught(line) {
			t.Errorf("%q is let pass", line)
		}
	}
	for _, line := range []string{"// TO" + "DO(when pebble 3 is out): drop", "a/work/b", "$dir/tm" + "p", "issue a refund", "workflow"} {
		if caught(line) {
			t.Errorf("%q is caught", line)
		}
	}
}

func TestNamesCatch(t *testing.T) {
	for _, c := range []struct{ file, body, want string }{
		{"a/util/a.go", "", "path"},
		{"a/string_helpers.go", "", "path"},
		{"a/a.go", "type TaskManager struct{}", "TaskManager"},
		{"a/a.go", "func init() {}", "no init"},
		{"a/a.go", "var s = \"failed" + " to open\"", "gerund"},
		{"a/a.go", "type Commons struct{}\ntype Utility int\nfunc (Commons) init() {}", ""},
	} {
		got := strings.Join(names(parse(t, c.file, "package p\n"+c.body)), "; ")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s with %q: got %q, want %q", c.file, c.body, got, c.want)
		}
	}
}
