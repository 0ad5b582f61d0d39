package event

// An AvroKind is the type of an Avro schema.
type AvroKind uint8

// The types of Avro 1.12.
const (
	AvroNull AvroKind = iota
	AvroBoolean
	AvroInt
	AvroLong
	AvroFloat
	AvroDouble
	AvroBytes
	AvroString
	AvroFixed
	AvroEnum
	AvroArray
	AvroMap
	AvroUnion
	AvroRecord
)

// String returns the type's name in Avro.
func (k AvroKind) String() string {
	names := [...]string{"null", "boolean", "int", "long", "float", "double", "bytes", "string", "fixed", "enum", "array", "map", "union", "record"}
	if int(k) < len(names) {
		return names[k]
	}
	return "invalid"
}

// An AvroLogical is a logical type that decoding heeds; any other is none.
type AvroLogical uint8

// The logical types that say what a number means.
const (
	AvroPlain   AvroLogical = iota
	AvroDecimal             // of bytes or fixed, with a scale
	AvroDate                // days since the epoch
	AvroMillis              // timestamp-millis
	AvroMicros              // timestamp-micros
	AvroNanos               // timestamp-nanos
)

// An AvroSchema is the schema that records were written with. A type that
// contains itself is a loop of pointers. It is not changed once it is made,
// and so is safe for concurrent use.
type AvroSchema struct {
	Kind     AvroKind
	Logical  AvroLogical
	Scale    int           // of AvroDecimal: digits after the point
	Size     int           // of AvroFixed: bytes
	Symbols  []string      // of AvroEnum
	Fields   []AvroField   // of AvroRecord, in the order in which they are written
	Items    *AvroSchema   // of AvroArray, and the values of AvroMap
	Branches []*AvroSchema // of AvroUnion
}

// An AvroField is one field of a record.
type AvroField struct {
	Name   string
	Schema *AvroSchema
}

// An avroNode is a schema as one stream reads it: which of its parts are
// wanted, and where they go.
type avroNode struct {
	schema *AvroSchema
	leaf   int         // noLeaf: only passed over
	parts  []*avroNode // fields, branches, or the one kind of items
}

// An avroCompiler makes nodes. What is only passed over is made once a schema,
// so that types that contain themselves or each other stay small.
type avroCompiler struct{ passed map[*AvroSchema]*avroNode }

// node returns how a schema is read where m is wanted; nil: nothing is.
func (c *avroCompiler) node(s *AvroSchema, m *member) *avroNode {
	if m == nil {
		return c.pass(s)
	}
	n := &avroNode{schema: s, leaf: m.leaf}
	switch s.Kind {
	case AvroRecord:
		for _, f := range s.Fields {
			var wanted *member
			if m.inside != nil {
				wanted = m.inside.members[f.Name]
			}
			n.parts = append(n.parts, c.node(f.Schema, wanted))
		}
	case AvroUnion:
		n.leaf = noLeaf // its branches have it
		for _, b := range s.Branches {
			n.parts = append(n.parts, c.node(b, m))
		}
	case AvroArray, AvroMap:
		n.parts = []*avroNode{c.pass(s.Items)}
	}
	return n
}

func (c *avroCompiler) pass(s *AvroSchema) *avroNode {
	if n := c.passed[s]; n != nil {
		return n
	}
	n := &avroNode{schema: s, leaf: noLeaf}
	c.passed[s] = n
	for _, f := range s.Fields {
		n.parts = append(n.parts, c.pass(f.Schema))
	}
	for _, b := range s.Branches {
		n.parts = append(n.parts, c.pass(b))
	}
	if s.Items != nil {
		n.parts = append(n.parts, c.pass(s.Items))
	}
	return n
}
