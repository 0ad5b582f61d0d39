package prog

import (
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
)

// SchemaOf returns the schema that a stream document declares. A type that the
// document's own check refuses becomes event.Invalid.
func SchemaOf(d *syntax.Stream) *event.Schema {
	fields := make([]event.Field, len(d.Fields))
	for i := range d.Fields {
		f := &d.Fields[i]
		fields[i] = event.Field{Name: f.Name, Type: typeOf(f.Type), Scale: f.Scale, Path: f.Path, Optional: f.Optional, PII: f.Policy()}
		if len(f.Path) == 0 {
			fields[i].Path = []string{f.Name}
		}
	}
	return event.NewSchema(d.Name, fields)
}

func typeOf(written string) event.Type {
	switch written {
	case "string":
		return event.String
	case "int":
		return event.Int
	case "double":
		return event.Double
	case "bool":
		return event.Bool
	case "timestamp":
		return event.Timestamp
	case "list(string)":
		return event.StringList
	}
	if strings.HasPrefix(written, "decimal") {
		return event.Decimal
	}
	return event.Invalid
}
