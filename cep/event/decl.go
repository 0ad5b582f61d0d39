package event

import "fmt"

// A TimeUnit is how a raw event writes times.
type TimeUnit uint8

// The units of `time.unit`.
const (
	Millis TimeUnit = iota
	Seconds
	Micros
	Nanos
	RFC3339
)

// UnitOf returns the unit that a stream document calls name.
func UnitOf(name string) (TimeUnit, error) {
	switch name {
	case "ms":
		return Millis, nil
	case "s":
		return Seconds, nil
	case "us":
		return Micros, nil
	case "ns":
		return Nanos, nil
	case "rfc3339":
		return RFC3339, nil
	}
	return 0, fmt.Errorf("time unit %q is none of s, ms, us, ns, rfc3339", name)
}

// A Decl is what a Decoder knows of a stream.
type Decl struct {
	Schema   *Schema
	Time     []string // path of the event time in the raw event
	Unit     TimeUnit // of the event time, and of timestamp fields given as numbers
	ID       []string // path of the event id; nil: the reader gives one by position
	Keys     []int    // partition key: positions in Schema.Fields, which every event must have
	MaxBytes int      // of one record; 0 means DefaultMaxBytes
	HashKey  []byte   // of PIIHash; needed where a field has it, or HashID
	HashID   bool     // the event's id is hashed too
}

// Limits of one record. They bound what one event may cost, whatever its
// stream declares.
const (
	DefaultMaxBytes = 1 << 20  // max_bytes where a Decl leaves it out
	DepthMax        = 300      // nesting of objects and arrays
	FieldsMax       = 5_000    // members of the top object
	FieldBytesMax   = 64 << 10 // one text, or all items of one list
)

func (d *Decl) maxBytes() int {
	if d.MaxBytes == 0 {
		return DefaultMaxBytes
	}
	return d.MaxBytes
}

// String returns the type as a stream document writes it, without the scale
// of a decimal.
func (t Type) String() string {
	switch t {
	case String:
		return "string"
	case Int:
		return "int"
	case Double:
		return "double"
	case Bool:
		return "bool"
	case Timestamp:
		return "timestamp"
	case Decimal:
		return "decimal"
	case StringList:
		return "list(string)"
	case Duration:
		return "duration"
	}
	return "invalid"
}
