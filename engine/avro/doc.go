// Package avro finds the schemas that Avro records name: it asks a Schema
// Registry for the schema of an id, and remembers the answers. It refuses to
// decode: event.AvroDecoder does, without I/O. The callers are the readers of
// source topics.
package avro
