package rules

import (
	"fmt"

	"github.com/caltrop/caltrop/cep/syntax"
)

// unsupportedStream lists what this build cannot run of a stream that is
// well written.
func unsupportedStream(d *syntax.Stream) []syntax.Problem {
	var found []syntax.Problem
	refuse := func(pos syntax.Pos, pointer, detail, hint string) {
		found = append(found, syntax.Problem{Line: pos.Line, Col: pos.Col, Pointer: pointer, Detail: detail, Hint: hint})
	}
	for _, f := range d.Fields {
		if f.PII != "" && f.PII != "none" {
			refuse(f.Pos, "/fields/"+f.Name+"/pii", fmt.Sprintf("pii: %s is not supported yet", f.PII), "leave pii out, and keep such fields out of the stream's projection")
		}
	}
	return found
}

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
