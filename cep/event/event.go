// Package event holds what flows through Caltrop: typed values, the schema of
// a stream (its declared projection) and one decoded event. It is pure: no
// clock, goroutine, log or I/O. Events are immutable once accepted; values
// may be shared between goroutines after that.
package event

import (
	"slices"
	"strings"
)

// A Type is the declared type of a stream field.
type Type uint8

// The field types of language §1. Duration never appears in a schema; it is
// the type of a difference of two timestamps in an expression.
const (
	Invalid Type = iota
	String
	Int
	Double
	Bool
	Timestamp
	Decimal
	StringList
	Duration
)

// A Field is one declared field of a stream.
type Field struct {
	Name     string
	Type     Type
	Scale    uint8    // digits after the point; Decimal only
	Path     []string // where the raw event holds it, from the root
	Optional bool
	PII      PII
}

// PII says what happens to a value where the event enters the engine.
type PII uint8

// The PII policies of language §1.
const (
	PIINone PII = iota
	PIIHash
	PIIMask
	PIIDrop
)

// A Schema is the projection of one stream: what rules may read and all that
// is decoded. It is immutable and safe for concurrent use.
type Schema struct {
	Stream string
	Fields []Field
	// Dropped are the names of declared fields of PIIDrop: they are not among
	// Fields, and nothing reads them.
	Dropped []string
	// Layout numbers this revision of the stream among those that Before leads
	// to; 0 where there is only one. Both are set before the schema is shared.
	Layout int
	Before *Schema // the revision before; nil: there is none
	index  map[string]int
	texts  texts
}

// NewSchema builds the schema of a stream. Field names must be unique. Fields
// of PIIDrop are left out.
func NewSchema(stream string, fields []Field) *Schema {
	s := &Schema{Stream: stream, Fields: make([]Field, 0, len(fields)), index: make(map[string]int, len(fields))}
	for i := range fields {
		if fields[i].PII == PIIDrop {
			s.Dropped = append(s.Dropped, fields[i].Name)
			continue
		}
		s.index[fields[i].Name] = len(s.Fields)
		s.Fields = append(s.Fields, fields[i])
	}
	s.texts = textsOf(s)
	return s
}

// Drops reports whether a field of the name is declared, and dropped.
func (s *Schema) Drops(name string) bool { return slices.Contains(s.Dropped, name) }

// Index returns the position of a field in Fields, or -1.
func (s *Schema) Index(name string) int {
	if i, ok := s.index[name]; ok {
		return i
	}
	return -1
}

// layout returns the revision of the stream with a number, nil where it is not
// among those before.
func (s *Schema) layout(number int) *Schema {
	for ; s != nil && s.Layout != number; s = s.Before {
	}
	return s
}

// Follows reports whether the schema is another, or a later revision of its
// stream, which reads the compact form of its events.
func (s *Schema) Follows(before *Schema) bool {
	return s == before || before.Layout > 0 && s.layout(before.Layout) == before
}

// Alike reports whether a value of one field is one of the other.
func (f *Field) Alike(other *Field) bool {
	return f.Name == other.Name && f.Type == other.Type && f.Scale == other.Scale && f.PII == other.PII
}

// Recast makes the event one of another revision of its stream: values of fields
// that are alike are kept, others are absent.
func (e *Event) Recast(to *Schema) {
	values := make([]Value, len(to.Fields))
	for i := range to.Fields {
		if from := e.Schema.Index(to.Fields[i].Name); from >= 0 && e.Schema.Fields[from].Alike(&to.Fields[i]) {
			values[i] = e.Values[from]
		}
	}
	e.Schema, e.Values = to, values
}

// An Event is one accepted record of a stream, reduced to its projection.
type Event struct {
	Schema    *Schema
	Time      int64   // event time, µs since the Unix epoch
	ID        string  // unique within the stream and key
	Cluster   uint16  // index of the source cluster, 0 when there is one
	Partition int32   // source partition
	Offset    int64   // source offset
	Values    []Value // by position in Schema.Fields; the zero Value is absent
	// Hold is for the task that holds the event until the watermark.
	Hold Hold
}

// A Hold is what a task notes on an event that it holds, to know when the
// event's space is free.
type Hold struct {
	Queues int32 // that have the event
	Bytes  int32 // that it counts for
	Kept   bool  // an alert refers to it
	// Other is the same event in another revision of its stream, while rules of
	// both are at work; its own Other is the next.
	Other *Event
}

// Compare orders events of one key totally, as language §4 asks: event time,
// then stream name, cluster, partition and offset. It returns -1, 0 or 1.
func Compare(a, b *Event) int {
	switch {
	case a.Time != b.Time:
		return sign(a.Time < b.Time)
	case a.Schema != b.Schema && a.Schema.Stream != b.Schema.Stream:
		return strings.Compare(a.Schema.Stream, b.Schema.Stream)
	case a.Cluster != b.Cluster:
		return sign(a.Cluster < b.Cluster)
	case a.Partition != b.Partition:
		return sign(a.Partition < b.Partition)
	case a.Offset != b.Offset:
		return sign(a.Offset < b.Offset)
	}
	return 0
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// Own gives the event memory of its own for its texts, which the texts of
// other events may share. It is for events that are kept for long.
func (e *Event) Own() {
	size := len(e.ID)
	for i := range e.Values {
		size += len(e.Values[i].str)
	}
	var b strings.Builder
	b.Grow(size)
	own := func(s string) string {
		b.WriteString(s)
		return b.String()[b.Len()-len(s):]
	}
	e.ID = own(e.ID)
	for i := range e.Values {
		e.Values[i].str = own(e.Values[i].str)
	}
}
