// Package schema holds the published JSON Schemas, so that the program can
// hand them out.
package schema

import _ "embed" // the schema is a file of this folder

//go:embed document.v1.json
var document []byte

// Document returns the JSON Schema (draft 2020-12) of documents of all kinds.
func Document() []byte { return append([]byte(nil), document...) }
