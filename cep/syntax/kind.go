package syntax

import (
	"fmt"
	"strings"
)

// apiVersion is the only version of the document format.
const apiVersion = "caltrop/v1"

var kinds = []string{"Stream", "Rule", "Profile", "View", "List", "Silence", "Sink"}

// kind reads a document by its kind; nil when it has none.
func (r *reader) kind(o *object) Document {
	m := r.meta(o)
	if v := o.get("apiVersion"); v == nil {
		o.refuse("the document needs `apiVersion`", "it starts with `apiVersion: "+apiVersion+"`")
	} else {
		v.word("", apiVersion)
	}
	if m.Kind != "" {
		o.what = "a " + strings.ToLower(m.Kind)
	}
	var d Document
	switch m.Kind {
	case "Stream":
		d = r.stream(o, m)
	case "Rule":
		d = r.rule(o, m)
	case "Profile":
		d = r.profile(o, m)
	case "View":
		d = r.view(o, m)
	case "List":
		d = r.list(o, m)
	case "Silence":
		d = r.silence(o, m)
	case "Sink":
		d = r.sink(o, m)
	default:
		o.lacking(nil)
		return nil
	}
	o.done()
	return d
}

func (r *reader) meta(o *object) Meta {
	m := Meta{Pos: o.at}
	if v := o.need("kind", fmt.Sprintf("it is one of %s", joined(kinds))); v != nil {
		m.Kind = v.word("", kinds...)
	}
	m.Name = o.need("name", "as in name: card-testing").name(documentName, documentNameRule).Name
	m.Title = o.get("title").str()
	m.Owner = o.get("owner").str()
	if v := o.get("tags"); v != nil {
		m.Tags = v.strings()
	}
	return m
}
