package rules

import (
	"fmt"
	"slices"

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

// unsupportedList lists what this build cannot run of a list that is well
// written.
func unsupportedList(d *syntax.List) []syntax.Problem {
	if d.Topic == "" {
		return nil
	}
	return []syntax.Problem{{Line: d.Pos.Line, Col: d.Pos.Col, Pointer: "/topic",
		Detail: "a list from a topic is not supported yet", Hint: "write its values under entries"}}
}

// indirect lists why the direct path cannot run a rule: its key is not its
// one stream's partition key, so its events would need the hop through a keyed
// topic. Files are checked, tested and matched all the same; only a rule that
// is to go live is refused.
func indirect(r *Rule, set *Set) []syntax.Problem {
	var found []syntax.Problem
	refuse := func(pos syntax.Pos, pointer, detail string) {
		found = append(found, syntax.Problem{Line: pos.Line, Col: pos.Col, Pointer: pointer, Detail: detail,
			Hint: "the rule can be checked, tested and matched over files"})
	}
	uses := usesOf(r.Doc)
	if r.Prog.Upstream != nil {
		return indirectReader(r, set)
	}
	for _, u := range uses {
		if u.stream != uses[0].stream {
			refuse(u.pos, u.pointer, fmt.Sprintf("a live rule over several streams (%s and %s) is not supported yet", uses[0].stream, u.stream))
			break
		}
	}
	for _, u := range uses {
		if u.key != nil {
			refuse(u.key.Pos, u.keyPointer, "a live rule with a key of its own for a stream is not supported yet")
		}
	}
	for _, p := range r.Prog.Profiles {
		if p.Stream.Stream != uses[0].stream {
			refuse(r.Doc.Pos, "", fmt.Sprintf("a live rule over stream %s that reads profile %s of stream %s is not supported yet", uses[0].stream, p.Name, p.Stream.Stream))
		}
	}
	st := set.Stream(uses[0].stream)
	if st == nil {
		return found
	}
	if !slices.Equal(r.Doc.Key.Fields, st.Doc.PartitionKey) {
		refuse(r.Doc.Key.Pos, "/key", fmt.Sprintf("a live rule with key %v is not supported yet where its stream %s has partition_key %v",
			r.Doc.Key.Fields, st.Doc.Name, st.Doc.PartitionKey))
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
