// Package format writes rule documents in one way: canonical order of keys and
// indentation, comments and the author's choice of {} or lines kept. It changes
// no meaning, and formatting twice changes nothing more: both are checked each
// time.
package format

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ErrUnsafe says that formatting would change or lose something; the text is
// to be left as it is.
var ErrUnsafe = errors.New("this file cannot be formatted without loss")

// Source formats all documents of a YAML text. JSON is returned as it is. The
// error is that of text that is no YAML, or ErrUnsafe.
func Source(src []byte) ([]byte, error) {
	if head := bytes.TrimSpace(src); len(head) == 0 || head[0] == '{' || head[0] == '[' {
		return src, nil
	}
	text := strings.ReplaceAll(strings.ReplaceAll(string(src), "\r\n", "\n"), "\r", "\n")
	out, err := documents(text)
	if err != nil {
		return nil, err
	}
	if again, err := documents(out); err != nil || again != out {
		return nil, ErrUnsafe
	}
	return []byte(out), nil
}

func documents(src string) (string, error) {
	var out []string
	for i, chunk := range chunks(src) {
		text, err := document(chunk)
		if err != nil {
			return "", fmt.Errorf("document %d: %w", i+1, err)
		}
		out = append(out, text)
	}
	return strings.Join(out, "---\n"), nil
}

// chunks splits a file at its `---` lines.
func chunks(src string) []string {
	var all []string
	var b strings.Builder
	for line := range strings.Lines(src) {
		if text := strings.TrimRight(line, " \r\n"); text == "---" {
			all = append(all, b.String())
			b.Reset()
			continue
		}
		b.WriteString(line)
	}
	all = append(all, b.String())
	if len(all) > 1 && strings.TrimSpace(all[0]) == "" {
		all = all[1:]
	}
	return all
}

func document(src string) (string, error) {
	root, err := parse(src)
	if err != nil {
		return "", err
	}
	if root == nil || len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return strings.TrimRight(src, " \n") + "\n", nil // comments alone, or what check will refuse
	}
	p := &printer{lines: strings.Split(src, "\n")}
	p.document(root)
	text := strings.TrimLeft(p.out.String(), "\n")
	again, err := parse(text)
	if err != nil || again == nil || !equal(root.Content[0], again.Content[0]) || !slices.Equal(comments(root), comments(again)) {
		return "", ErrUnsafe
	}
	return text, nil
}

// parse reads one document with its comments; nil without one.
func parse(src string) (root *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, fmt.Errorf("yaml: %v", p)
		}
	}()
	root = &yaml.Node{}
	if err := yaml.Unmarshal([]byte(src), root); err != nil {
		return nil, err
	}
	if root.Kind == 0 {
		return nil, nil
	}
	return root, nil
}

// equal compares two trees by what they mean: keys in any order, values by
// their text and type. Of patterns the spacing does not count.
func equal(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Anchor != b.Anchor || len(a.Content) != len(b.Content) {
		return false
	}
	switch a.Kind {
	case yaml.ScalarNode:
		return a.Tag == b.Tag && a.Value == b.Value
	case yaml.MappingNode:
		return equalMappings(a, b)
	case yaml.SequenceNode:
		for i := range a.Content {
			if !equal(a.Content[i], b.Content[i]) {
				return false
			}
		}
		return true
	}
	return false // an alias: the language has none
}

func equalMappings(a, b *yaml.Node) bool {
	values := map[string]*yaml.Node{}
	for i := 0; i < len(b.Content); i += 2 {
		values[b.Content[i].Value] = b.Content[i+1]
	}
	for i := 0; i < len(a.Content); i += 2 {
		key, x := a.Content[i], a.Content[i+1]
		y := values[key.Value]
		if key.Kind != yaml.ScalarNode || y == nil || len(values) != len(a.Content)/2 {
			return false
		}
		same := equal(x, y)
		if key.Value == "pattern" && x.Kind == yaml.ScalarNode {
			same = y.Kind == yaml.ScalarNode && strings.Join(strings.Fields(x.Value), "") == strings.Join(strings.Fields(y.Value), "")
		}
		if !same {
			return false
		}
	}
	return true
}

// comments are all lines of comments, sorted.
func comments(root *yaml.Node) []string {
	var all []string
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		for _, text := range []string{n.HeadComment, n.LineComment, n.FootComment} {
			for line := range strings.Lines(text) {
				if line = strings.TrimSpace(line); line != "" {
					all = append(all, line)
				}
			}
		}
		for _, c := range n.Content {
			visit(c)
		}
	}
	visit(root)
	slices.Sort(all)
	return all
}
