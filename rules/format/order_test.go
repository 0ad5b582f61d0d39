package format

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/docs/schema"
)

// A part is a piece of the published schema.
type part struct {
	Ref                  string `json:"$ref"`
	Properties           map[string]part
	AdditionalProperties json.RawMessage
	AnyOf                []part
	Items                *part
	Defs                 map[string]part `json:"$defs"`
}

// at finds the object that a path of orders means.
func (p part) at(path []string, defs map[string]part) part {
	if name, ok := strings.CutPrefix(p.Ref, "#/$defs/"); ok {
		return defs[name].at(path, defs)
	}
	for _, alternative := range p.AnyOf {
		if p.Properties == nil && (alternative.Properties != nil || alternative.AnyOf != nil) {
			p = alternative
		}
	}
	switch {
	case len(path) == 0:
		return p
	case path[0] != "*":
		return p.Properties[path[0]].at(path[1:], defs)
	case p.Items != nil:
		return p.Items.at(path[1:], defs)
	}
	var below part
	if err := json.Unmarshal(p.AdditionalProperties, &below); err != nil {
		return part{}
	}
	return below.at(path[1:], defs)
}

// TestOrdersHaveTheKeysOfTheSchema: no key of a document lacks its place.
func TestOrdersHaveTheKeysOfTheSchema(t *testing.T) {
	var root part
	if err := json.Unmarshal(schema.Document(), &root); err != nil {
		t.Fatal(err)
	}
	for path, keys := range orders {
		parts := strings.Split(path, "/")
		got := root.Defs[parts[0]].at(parts[1:], root.Defs)
		want := slices.Sorted(maps.Keys(got.Properties))
		if have := slices.Sorted(slices.Values(keys)); !slices.Equal(have, want) {
			t.Errorf("%s has the keys %q, the schema %q", path, have, want)
		}
	}
}
