package lint

import (
	"fmt"
	"go/ast"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A policy is imports.txt.
type policy struct {
	allowed map[string][]string // folder -> folders on its line
	bans    []ban
	only    []ban // used nowhere but in the folders
	nocall  []ban
	nogo    []ban
}

// A ban is one line about what some folders must not, or only they may, use.
type ban struct {
	what   []string
	in     []string
	reason string
}

func parsePolicy(text string) (*policy, error) {
	p := &policy{allowed: map[string][]string{}}
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.add(line); err != nil {
			return nil, fmt.Errorf("imports.txt:%d: %w", i+1, err)
		}
	}
	for folder, imports := range p.allowed {
		for _, i := range imports {
			if _, known := p.allowed[i]; !known {
				return nil, fmt.Errorf("imports.txt: %s may import %s, which has no line", folder, i)
			}
		}
	}
	return p, nil
}

func (p *policy) add(line string) error {
	head, rest, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("no colon in %q", line)
	}
	verb, words := strings.Fields(head)[0], strings.Fields(head)[1:]
	lists := map[string]*[]ban{"ban": &p.bans, "only": &p.only, "nocall": &p.nocall, "nogo": &p.nogo}
	if list, is := lists[verb]; is {
		in := slices.Index(words, "in")
		if in < 0 || in == len(words)-1 || strings.TrimSpace(rest) == "" {
			return fmt.Errorf("%q does not say in which folder and why", line)
		}
		*list = append(*list, ban{what: words[:in], in: words[in+1:], reason: strings.TrimSpace(rest)})
		return nil
	}
	if _, twice := p.allowed[verb]; twice || len(words) > 0 {
		return fmt.Errorf("%q is not one folder with one line", head)
	}
	p.allowed[verb] = strings.Fields(rest)
	return nil
}

// mayImport reports whether folder may import target.
func (p *policy) mayImport(folder, target string) bool {
	for _, direct := range p.allowed[folder] {
		if direct == target || p.mayImport(direct, target) {
			return true
		}
	}
	return false
}

// check returns what is wrong with one file, one line each.
func (p *policy) check(s *source) (problems []string) {
	report := func(line int, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s:%d: %s", s.path, line, fmt.Sprintf(format, args...)))
	}
	if s.test {
		return nil
	}
	if _, known := p.allowed[s.dir]; !known {
		report(1, "folder %s has no line in imports.txt", s.dir)
	}
	for _, spec := range s.file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			report(s.line(spec.Pos()), "%v", err)
			continue
		}
		if ours, is := strings.CutPrefix(name, module); is && !p.mayImport(s.dir, ours) {
			report(s.line(spec.Pos()), "%s may not import %s", s.dir, ours)
		}
		for _, b := range p.bans {
			if slices.Contains(b.what, name) && withinAny(s.dir, b.in) {
				report(s.line(spec.Pos()), "%s is not used here: %s", name, b.reason)
			}
		}
		for _, b := range p.only {
			if within(name, b.what[0]+"/...") && !withinAny(s.dir, b.in) {
				report(s.line(spec.Pos()), "%s is used only in %s: %s", name, strings.Join(b.in, ", "), b.reason)
			}
		}
	}
	p.checkBodies(s, report)
	return problems
}

func (p *policy) checkBodies(s *source, report func(int, string, ...any)) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok {
				return true
			}
			for _, b := range p.nocall {
				if slices.Contains(b.what, x.Name+"."+n.Sel.Name) && withinAny(s.dir, b.in) {
					report(s.line(n.Pos()), "%s.%s is not used here: %s", x.Name, n.Sel.Name, b.reason)
				}
			}
		case *ast.GoStmt:
			for _, b := range p.nogo {
				if withinAny(s.dir, b.in) {
					report(s.line(n.Pos()), "go statement: %s", b.reason)
				}
			}
		}
		return true
	})
}

func TestImports(t *testing.T) {
	text, err := os.ReadFile("imports.txt")
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePolicy(string(text))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, s := range goFiles(t) {
		there[s.dir] = true
		for _, problem := range p.check(s) {
			t.Error(problem)
		}
	}
	for folder := range p.allowed {
		if !there[folder] {
			t.Errorf("imports.txt has a line for %s, which is not there", folder)
		}
	}
}
