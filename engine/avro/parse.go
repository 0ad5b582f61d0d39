package avro

import (
	"errors"
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	library "github.com/twmb/avro"
)

// ErrSchema says that a text is no Avro schema that is read.
var ErrSchema = errors.New("no Avro schema")

// Parse reads a schema as its text says; refs are the texts that it refers to,
// those that others refer to first. An error matches ErrSchema.
func Parse(text string, refs ...string) (*event.AvroSchema, error) {
	var cache library.SchemaCache
	for _, ref := range refs {
		if _, err := cache.Parse(ref); err != nil {
			return nil, fmt.Errorf("%w: a schema that it refers to: %w", ErrSchema, err)
		}
	}
	parsed, err := cache.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	c := converter{named: map[string]*event.AvroSchema{}}
	s := c.schema(parsed.Root(), "")
	if c.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, c.err)
	}
	return s, nil
}

var kinds = map[string]event.AvroKind{
	"null": event.AvroNull, "boolean": event.AvroBoolean, "int": event.AvroInt, "long": event.AvroLong,
	"float": event.AvroFloat, "double": event.AvroDouble, "bytes": event.AvroBytes, "string": event.AvroString,
	"fixed": event.AvroFixed, "enum": event.AvroEnum, "array": event.AvroArray, "map": event.AvroMap,
	"union": event.AvroUnion, "record": event.AvroRecord, "error": event.AvroRecord,
}

// A converter makes our schema of the library's. A named type is there once,
// where it is defined; later its name refers to it.
type converter struct {
	named map[string]*event.AvroSchema // by full name
	err   error
}

// schema converts a node that stands within a namespace.
func (c *converter) schema(n *library.SchemaNode, namespace string) *event.AvroSchema {
	kind, known := kinds[n.Type]
	if !known {
		return c.reference(n.Type, namespace)
	}
	s := &event.AvroSchema{Kind: kind, Size: n.Size, Symbols: slices.Clone(n.Symbols)}
	s.Logical = logical(kind, n.LogicalType)
	if s.Logical == event.AvroDecimal {
		s.Scale = n.Scale
	}
	if n.Name != "" {
		namespace = n.Namespace
		c.named[join(namespace, n.Name)] = s
	}
	for i := range n.Fields {
		s.Fields = append(s.Fields, event.AvroField{Name: n.Fields[i].Name, Schema: c.schema(&n.Fields[i].Type, namespace)})
	}
	for i := range n.Branches {
		s.Branches = append(s.Branches, c.schema(&n.Branches[i], namespace))
	}
	switch {
	case kind == event.AvroArray && n.Items != nil:
		s.Items = c.schema(n.Items, namespace)
	case kind == event.AvroMap && n.Values != nil:
		s.Items = c.schema(n.Values, namespace)
	}
	return s
}

func (c *converter) reference(name, namespace string) *event.AvroSchema {
	if s := c.named[join(namespace, name)]; s != nil {
		return s
	}
	if s := c.named[name]; s != nil {
		return s
	}
	c.err = fmt.Errorf("it refers to %s, which it does not define", name)
	return &event.AvroSchema{}
}

func join(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "." + name
}

// logical returns the logical types that say what a number means; any other is
// read as its plain type, as Avro has it.
func logical(kind event.AvroKind, name string) event.AvroLogical {
	switch {
	case name == "decimal" && (kind == event.AvroBytes || kind == event.AvroFixed):
		return event.AvroDecimal
	case name == "date" && kind == event.AvroInt:
		return event.AvroDate
	case kind != event.AvroLong:
		return event.AvroPlain
	}
	switch name {
	case "timestamp-millis":
		return event.AvroMillis
	case "timestamp-micros":
		return event.AvroMicros
	case "timestamp-nanos":
		return event.AvroNanos
	}
	return event.AvroPlain
}
