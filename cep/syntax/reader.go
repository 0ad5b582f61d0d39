package syntax

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A reader turns one document's YAML nodes into a tree and collects what is
// wrong with it.
type reader struct {
	file     *File
	chunk    chunk
	problems []Problem
	repaired map[int]bool // lines whose columns are not those of the file any more
	cursor   cursor
}

// A cursor remembers the last place that was looked up: nodes come in the
// order of the text, so a long line is walked once.
type cursor struct{ line, col, off int }

// full reports whether no more problems will be shown, so that hostile input
// cannot make the search for hints expensive.
func (r *reader) full() bool { return len(r.problems) >= MaxProblems }

// document reads the whole chunk. The result is nil when nothing of it can
// be used.
func (r *reader) document() Document {
	root, err := compose(r.chunk.src)
	if err != nil {
		root = r.syntaxError(err)
	}
	if root == nil || !r.plainTree(root, "", 0) {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		r.refuse(r.place(root), "", "a document is a mapping of keys to values", "it starts with `apiVersion: caltrop/v1`")
		return nil
	}
	return r.kind(r.object(root, "", ""))
}

// compose parses YAML into nodes; the root is nil when there is none. A panic
// of the YAML library on hostile input is an error like any other.
func compose(src string) (root *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, fmt.Errorf("yaml: %v", p)
		}
	}()
	dec := yaml.NewDecoder(strings.NewReader(src))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if err := dec.Decode(&more); err == nil {
		return nil, fmt.Errorf("yaml: line %d: a second document without `---` before it", more.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

// place returns where a node stands in the file.
func (r *reader) place(n *yaml.Node) Pos {
	return r.chunk.place(n.Line, n.Column)
}

func (r *reader) refuse(at Pos, pointer, detail, hint string) {
	if r.repaired[at.Line] || r.full() {
		return
	}
	r.problems = append(r.problems, problemAt(at, pointer, detail, hint))
}

// source returns the rest of the line from a place on.
func (r *reader) source(at Pos) string {
	line := r.file.Line(at.Line)
	if r.repaired[at.Line] {
		return ""
	}
	if at.Line != r.cursor.line || at.Col < r.cursor.col {
		r.cursor = cursor{line: at.Line, col: 1}
	}
	r.cursor.off += byteOffset(line[r.cursor.off:], at.Col-r.cursor.col+1)
	r.cursor.col = at.Col
	return line[r.cursor.off:]
}

// plainTree refuses what the language leaves out of YAML (tags, anchors,
// aliases, merges), keys that are no text, and hostile depth. It reports
// whether the tree can be read on.
func (r *reader) plainTree(n *yaml.Node, pointer string, depth int) bool {
	at := r.place(n)
	switch {
	case depth > MaxDepth:
		r.refuse(at, pointer, fmt.Sprintf("nested deeper than %d", MaxDepth), "no document needs more than a few levels")
		return false
	case n.Kind == yaml.AliasNode:
		r.refuse(at, pointer, "YAML reads a value that starts with `*` as an alias, which is not allowed", r.quotedHint(at))
		return false
	case n.Anchor != "":
		r.refuse(at, pointer, "YAML reads a value that starts with `&` as an anchor, which is not allowed", r.quotedHint(at))
		return false
	case n.Style&yaml.TaggedStyle != 0 || strings.HasPrefix(r.source(at), "!"):
		r.refuse(at, pointer, "YAML reads a value that starts with `!` as a tag, which is not allowed", r.quotedHint(at))
		return false
	}
	ok := true
	switch n.Kind {
	case yaml.SequenceNode:
		for i, c := range n.Content {
			ok = r.plainTree(c, fmt.Sprintf("%s/%d", pointer, i), depth+1) && ok
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			ok = r.plainEntry(n.Content[i], n.Content[i+1], pointer, depth) && ok
		}
	}
	return ok
}

func (r *reader) plainEntry(key, value *yaml.Node, pointer string, depth int) bool {
	at := r.place(key)
	if key.Kind == yaml.MappingNode && strings.HasPrefix(r.source(at), "{") {
		at.Col--
		r.refuse(at, pointer, "YAML reads a value that starts with `{` as a mapping", r.quotedHint(at))
		return false
	}
	if !r.plainTree(key, pointer, depth+1) {
		return false
	}
	if key.Kind != yaml.ScalarNode {
		r.refuse(at, pointer, "a key must be text", "write key: value")
		return false
	}
	if key.Tag == "!!merge" {
		r.refuse(at, pointer, "YAML merge keys are not allowed", "write the keys out")
		return false
	}
	return r.plainTree(value, pointer+"/"+escaped(key.Value), depth+1)
}

// escaped writes a key as a part of an RFC 6901 pointer.
func escaped(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}
