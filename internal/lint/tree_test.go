package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/caltrop/caltrop/"
)

// A source is one Go file of the tree.
type source struct {
	path string // from the root, with slashes
	dir  string
	test bool
	text string
	fset *token.FileSet
	file *ast.File
}

// line returns the line of a place.
func (s *source) line(p token.Pos) int { return s.fset.Position(p).Line }

// sources parses every Go file of the tree, once.
var sources = sync.OnceValues(func() ([]*source, error) {
	var all []*source
	err := walk(func(name string, text []byte) error {
		if path.Ext(name) != ".go" {
			return nil
		}
		s := &source{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), text: string(text), fset: token.NewFileSet()}
		var err error
		s.file, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		all = append(all, s)
		return err
	})
	return all, err
})

func goFiles(t *testing.T) []*source {
	t.Helper()
	all, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no Go files found: the tree has moved")
	}
	return all
}

// binaryMax is the size above which a file is data, not text to be read.
const binaryMax = 1 << 20

// walk calls visit for every file of the tree that git could hold: hidden
// folders, build output and data of the services are left out.
func walk(visit func(name string, text []byte) error) error {
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if name == "bin" || name == "data" || name == "vendor" || len(name) > 1 && strings.HasPrefix(path.Base(name), ".") && name != ".ci" {
				return fs.SkipDir
			}
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > binaryMax || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return visit(name, text)
	})
}

// within reports whether dir is the folder named by pattern, or below it where
// the pattern ends in "/...". The pattern "..." is every folder.
func within(dir, pattern string) bool {
	base, all := strings.CutSuffix(pattern, "...")
	base = strings.TrimSuffix(base, "/")
	return dir == base || all && (base == "" || strings.HasPrefix(dir, base+"/"))
}

func withinAny(dir string, patterns []string) bool {
	for _, p := range patterns {
		if within(dir, p) {
			return true
		}
	}
	return false
}
