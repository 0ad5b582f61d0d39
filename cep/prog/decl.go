package prog

import (
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
)

// DeclOf returns what a decoder of the stream's records needs. s is the
// stream's schema, which the decoded events will point to. A time unit or a
// partition key field that the document's own check refuses is left out, and so
// is the key of hashes.
func DeclOf(d *syntax.Stream, s *event.Schema) event.Decl {
	decl := event.Decl{Schema: s, Time: d.TimeField, ID: d.ID, MaxBytes: d.MaxBytes, HashID: d.HashesID()}
	if u, err := event.UnitOf(d.TimeUnit); err == nil {
		decl.Unit = u
	}
	for _, name := range d.PartitionKey {
		if i := s.Index(name); i >= 0 {
			decl.Keys = append(decl.Keys, i)
		}
	}
	return decl
}
