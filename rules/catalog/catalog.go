// Package catalog holds the shipped fraud rules: one YAML file each, with
// tests that fire and tests that must not, and the streams they read. The
// files are documents like anyone's; nothing in the engine knows them.
package catalog

import (
	"bytes"
	"embed"
	"fmt"
	"time"
)

//go:embed *.yaml
var files embed.FS

// streamsFile declares the streams that the rules and the traffic generator
// share.
const streamsFile = "streams.yaml"

// lateness is what streamsFile gives every stream.
const lateness = "lateness: 30s"

// A File is one shipped file of documents.
type File struct {
	Name string // within the catalogue, e.g. "01-failed-payments.yaml"
	Data []byte
}

// Streams returns the stream documents.
func Streams() File { return read(streamsFile) }

// StreamsWith returns the stream documents with another lateness, for traffic
// whose disorder is known, and with an idle time.
func StreamsWith(late, idle time.Duration) File {
	f := Streams()
	f.Data = bytes.ReplaceAll(f.Data, []byte(lateness), fmt.Appendf(nil, "lateness: %dms\nidle: %dms", late.Milliseconds(), idle.Milliseconds()))
	return f
}

// Rules returns the rule documents, a file each, in the order of their
// numbers in the catalogue.
func Rules() []File {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("catalog: reading the embedded folder: %v", err))
	}
	var rules []File
	for _, e := range entries {
		if e.Name() != streamsFile {
			rules = append(rules, read(e.Name()))
		}
	}
	return rules
}

func read(name string) File {
	data, err := files.ReadFile(name)
	if err != nil {
		panic(fmt.Sprintf("catalog: reading %s: %v", name, err))
	}
	return File{Name: name, Data: data}
}
