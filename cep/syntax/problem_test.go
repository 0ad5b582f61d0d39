package syntax_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/syntax"
)

func TestProblemText(t *testing.T) {
	long := strings.Repeat("é", 300) + "!" + strings.Repeat("x", 300)
	for _, tt := range []struct {
		name string
		p    syntax.Problem
		want string
	}{
		{"with caret and hint", syntax.Problem{File: "a.yaml", Line: 2, Col: 5, Detail: "d", Hint: "h", Source: "key: value"},
			"a.yaml:2:5: error: d\n    key: value\n        ^\n    hint: h"},
		{"a warning", syntax.Problem{File: "a.yaml", Line: 2, Col: 1, Detail: "d", Source: "k", Warning: true},
			"a.yaml:2:1: warning: d\n    k\n    ^"},
		{"tabs stay tabs", syntax.Problem{Line: 1, Col: 4, Detail: "d", Source: "\ta\tb"}, "1:4: error: d\n    \ta\tb\n    \t \t^"},
		{"wide letters count as one", syntax.Problem{Line: 1, Col: 3, Detail: "d", Source: "éé!"}, "1:3: error: d\n    éé!\n      ^"},
		{"the whole file", syntax.Problem{File: "a.yaml", Detail: "d", Hint: "h"}, "a.yaml: error: d\n    hint: h"},
		{"nothing known", syntax.Problem{Detail: "d"}, "error: d"},
		{"a column past the end", syntax.Problem{Line: 1, Col: 9, Detail: "d", Source: "ab"}, "1:9: error: d\n    ab\n      ^"},
		{"a long line is cut around the column", syntax.Problem{Line: 1, Col: 301, Detail: "d", Source: long},
			"1:301: error: d\n    " + strings.Repeat("é", 80) + "!" + strings.Repeat("x", 79) + "\n    " + strings.Repeat(" ", 80) + "^"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.p.String(); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestProblemsSortByPlace(t *testing.T) {
	ps := []syntax.Problem{{File: "b", Line: 1}, {File: "a", Line: 2, Col: 1}, {File: "a", Line: 1, Col: 9}, {File: "a", Line: 1, Col: 2, Detail: "x"}}
	syntax.Sort(ps)
	var got []string
	for _, p := range ps {
		got = append(got, p.String())
	}
	want := []string{"a:1:2: error: x", "a:1:9: error: ", "a:2:1: error: ", "b:1:0: error: "}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWarningsDoNotFail(t *testing.T) {
	if syntax.Failed([]syntax.Problem{{Warning: true}}) || !syntax.Failed([]syntax.Problem{{Warning: true}, {}}) {
		t.Error("only problems that are no warnings fail")
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestRenderReportsTheWriter(t *testing.T) {
	if err := syntax.Render(brokenPipe{}, []syntax.Problem{{Detail: "d"}}); err == nil {
		t.Error("a write that failed went unreported")
	}
}

// TestBrokenDocumentsAreKept: what other documents refer to is not lost with
// one bad key, and places found later get file and source.
func TestBrokenDocumentsAreKept(t *testing.T) {
	f, ps := syntax.Parse("a.yaml", []byte("apiVersion: caltrop/v1\nkind: Stream\nname: payment\nlatenes: 5s\n"+
		"source: {topic: t}\ntime: {field: ts, unit: ms}\nfields: {a: string}\n"))
	if len(f.Documents) != 0 || len(f.Broken) != 1 || f.Broken[0].Header().Name != "payment" || len(ps) != 1 {
		t.Fatalf("got %d documents, %d broken, %v", len(f.Documents), len(f.Broken), ps)
	}
	placed := f.Place([]syntax.Problem{{Line: 4, Col: 1}, {Line: 3, Col: 1}})
	if placed[0].Source != "name: payment" || placed[1].Source != "latenes: 5s" || placed[0].File != "a.yaml" {
		t.Errorf("got %+v", placed)
	}
	if f.Line(0) != "" || f.Line(99) != "" {
		t.Error("a line that is not there has a text")
	}
}

// TestSliceKeepsPlaces: a part of a text stands where the whole says.
func TestSliceKeepsPlaces(t *testing.T) {
	f, ps := syntax.Parse("", []byte("apiVersion: caltrop/v1\nkind: Rule\nname: a\nkey: k\npattern: a\nsteps: {a: {stream: s}}\n"+
		"having: \"x == \\\"y\\\" &&\n  count(a) > 1\"\n"))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	whole := *f.Documents[0].(*syntax.Rule).Having
	for lo := range len(whole.Src) {
		part := whole.Slice(lo, len(whole.Src))
		for off := range len(part.Src) {
			if got, want := part.PosAt(off), whole.PosAt(lo+off); got != want {
				t.Fatalf("byte %d of %q is at %v, in the whole at %v", off, part.Src, got, want)
			}
		}
	}
}
