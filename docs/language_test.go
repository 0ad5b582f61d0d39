// Package docs_test keeps the pages of this folder true: every example of
// language.md runs.
package docs_test

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/offline"
	"github.com/caltrop/caltrop/rules/ruletest"
)

var rewrite = flag.Bool("rewrite", false, "write the messages that refused examples give into the page")

// The page gives a rule without the lines that all examples share; an example
// that has one of these keys keeps its own.
var shared = []struct{ key, line string }{
	{"within:", "within: 10m"},
	{"key:", "key: card_id"},
	{"name:", "name: example"},
	{"kind:", "kind: Rule"},
	{"apiVersion:", "apiVersion: caltrop/v1"},
}

// An example is one fenced block of the page.
type example struct {
	heading string
	line    int    // of its first line
	info    string // after the word yaml: "", streams, refused, warned, view
	text    string
	said    *block   // of a refused or warned example: the block below it
	lines   []*block // of a view: its events and its updates
	gives   string   // what it said, if that is to be written
}

// A block is a fenced block: lines [from, to) of the page, fences left out.
type block struct{ from, to int }

// page is language.md, by lines.
func page(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("language.md")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b), "\n")
}

// read finds the headings and examples of a page.
func read(t *testing.T, lines []string) (headings []string, examples []*example) {
	t.Helper()
	heading, last := "", (*example)(nil)
	for i := 0; i < len(lines); i++ {
		if strings.HasPrefix(lines[i], "### ") && len(headings) > 0 && !used(examples, heading) {
			headings = headings[:len(headings)-1] // only a roof over smaller headings
		}
		if strings.HasPrefix(lines[i], "## ") || strings.HasPrefix(lines[i], "### ") {
			heading = strings.TrimLeft(lines[i], "# ")
			headings = append(headings, heading)
		}
		info, fenced := strings.CutPrefix(lines[i], "```")
		if !fenced {
			continue
		}
		from := i + 1
		for i++; i < len(lines) && lines[i] != "```"; i++ {
		}
		kind, rest, _ := strings.Cut(info, " ")
		switch {
		case kind == "yaml":
			last = &example{heading: heading, line: from + 1, info: rest, text: strings.Join(lines[from:i], "\n") + "\n"}
			examples = append(examples, last)
		case kind == "text" && last != nil && (last.info == "refused" || last.info == "warned") && last.said == nil:
			last.said = &block{from, i}
		case kind == "json" && last != nil && last.info == "view" && len(last.lines) < 2:
			last.lines = append(last.lines, &block{from, i})
		case kind != "text" && kind != "json" && kind != "sh" && kind != "":
			t.Errorf("language.md:%d: a block of kind %q", from, kind)
		}
	}
	return headings, examples
}

func used(examples []*example, heading string) bool {
	return slices.ContainsFunc(examples, func(e *example) bool { return e.heading == heading })
}

// whole adds the shared lines that an example leaves out, and says how many.
func (e *example) whole() (text string, added int) {
	text = e.text
	first, _, _ := strings.Cut(text, "\n---\n")
	window := strings.Contains("\n"+first, "\nwindow:")
	for _, s := range shared {
		if strings.Contains("\n"+first, "\n"+s.key) || s.key == "within:" && window {
			continue
		}
		text = s.line + "\n" + text
		added++
	}
	return text, added
}

func TestLanguagePage(t *testing.T) {
	lines := page(t)
	headings, examples := read(t, lines)
	has := map[string]bool{}
	streams := ""
	var rewritten []*example
	for _, e := range examples {
		has[e.heading] = true
		if e.info == "streams" {
			streams += "---\n" + e.text
			continue
		}
		t.Run(fmt.Sprintf("line %d: %s", e.line, e.heading), func(t *testing.T) {
			switch e.info {
			case "":
				accepted(t, e, streams)
			case "view":
				published(t, e, streams, lines)
			case "refused", "warned":
				if refused(t, e, streams, lines) {
					rewritten = append(rewritten, e)
				}
			default:
				t.Errorf("an example of kind %q", e.info)
			}
		})
	}
	for _, h := range headings {
		if !has[h] {
			t.Errorf("the heading %q has no example", h)
		}
	}
	if len(rewritten) == 0 {
		return
	}
	for _, e := range slices.Backward(rewritten) {
		lines = slices.Replace(lines, e.said.from, e.said.to, e.gives)
	}
	if err := os.WriteFile("language.md", []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// accepted checks that an example is sound, has tests, and passes them.
func accepted(t *testing.T, e *example, streams string) {
	text, _ := e.whole()
	set, problems := rules.Check(nil, rules.Source{Name: "streams", Text: []byte(streams)}, rules.Source{Name: "example", Text: []byte(text)})
	for _, p := range problems {
		t.Error(p)
	}
	if t.Failed() {
		return
	}
	results, err := ruletest.Run(set)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) == 0 {
		t.Error("the example has no tests")
	}
	for _, r := range results {
		if !r.Passed {
			t.Errorf("test %q: %s%s", r.Test, r.Error, r.Diff)
		}
	}
}

// published checks that the views of an example make the updates below the
// events below it.
func published(t *testing.T, e *example, streams string, lines []string) {
	text, _ := e.whole()
	set, problems := rules.Check(nil, rules.Source{Name: "streams", Text: []byte(streams)}, rules.Source{Name: "example", Text: []byte(text)})
	for _, p := range problems {
		t.Error(p)
	}
	if t.Failed() || len(e.lines) != 2 {
		t.Fatal("a view needs a block of events and one of updates below it")
	}
	run, err := offline.New(set, offline.Options{Views: true})
	if err != nil {
		t.Fatal(err)
	}
	in := offline.NewLines(run, set, strings.NewReader(strings.Join(lines[e.lines[0].from:e.lines[0].to], "\n")))
	for err == nil {
		err = in.Next()
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	if err := run.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range run.Updates {
		got = append(got, string(run.Updates[i].AppendJSON(nil)))
	}
	if want := lines[e.lines[1].from:e.lines[1].to]; !slices.Equal(got, want) {
		t.Errorf("the view publishes\n%s\nthe page says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// refused checks that an example gives the messages below it. It returns true
// if the page is to be rewritten with e.gives.
func refused(t *testing.T, e *example, streams string, lines []string) bool {
	text, added := e.whole()
	_, problems := rules.Check(nil, rules.Source{Name: "streams", Text: []byte(streams)}, rules.Source{Name: "example", Text: []byte(text)})
	if e.said == nil {
		t.Fatal("an example that is refused or warned of needs a text block with the messages below it")
	}
	var all []string
	for _, p := range problems {
		p.File, p.Line = "", p.Line-added
		all = append(all, p.String())
	}
	got, want := strings.Join(all, "\n"), strings.Join(lines[e.said.from:e.said.to], "\n")
	if got == "" {
		t.Fatal("the example is accepted")
	}
	if failed := syntax.Failed(problems); failed != (e.info == "refused") {
		t.Errorf("refused: %v, and the page says %s", failed, e.info)
	}
	if got == want {
		return false
	}
	if !*rewrite {
		t.Errorf("the example gives\n%s\nthe page says\n%s", got, want)
		return false
	}
	e.gives = got
	return true
}
