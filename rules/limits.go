package rules

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
)

// A use is one place where a rule names a stream.
type use struct {
	stream     string
	pos        syntax.Pos
	pointer    string
	key        *syntax.Key // its own key there, nil: the rule's
	keyPointer string
}

// usesOf lists a rule's uses of streams in the order of the text.
func usesOf(d *syntax.Rule) []use {
	var uses []use
	for _, s := range d.Steps {
		at := "/steps/" + s.Name
		uses = append(uses, use{stream: s.Stream, pos: s.StrPos, pointer: at + "/stream", key: s.Key, keyPointer: at + "/key"})
	}
	if d.Window == nil {
		return uses
	}
	for _, s := range d.Window.Streams {
		uses = append(uses, use{stream: s.Name, pos: s.Pos, pointer: "/window/stream",
			key: d.Window.Keys[s.Name], keyPointer: "/window/keys/" + s.Name})
	}
	return uses
}

// unservable lists what this build cannot read from a broker of a stream that
// files may use.
func unservable(d *syntax.Stream) []syntax.Problem {
	if len(d.Clusters) < 2 {
		return nil
	}
	return []syntax.Problem{{Line: d.SourcePos.Line, Col: d.SourcePos.Col, Pointer: "/source/clusters",
		Detail: "a stream with several sources is not supported yet"}}
}

// keyless refuses a stream that hashes fields where there is no key to do it
// with.
func keyless(d *syntax.Stream, key []byte) []syntax.Problem {
	if len(key) > 0 || !d.Hashes() {
		return nil
	}
	i := slices.IndexFunc(d.Fields, func(f syntax.FieldDecl) bool { return f.Policy() == event.PIIHash })
	f := &d.Fields[i]
	return []syntax.Problem{{Line: f.Pos.Line, Col: f.Pos.Col, Pointer: "/fields/" + f.Name + "/pii",
		Detail: "this process has no key to hash fields with", Hint: "give it one: pii: {key: {file: PATH}} in its configuration"}}
}
