package prog

import (
	"fmt"

	"github.com/caltrop/caltrop/cep/event"
)

// keyField finds a field that a key names: its position, or what is wrong, with
// a hint where there is a better one than the caller's.
func keyField(s *event.Schema, field, what string) (at int, detail, hint string) {
	at = s.Index(field)
	switch {
	case s.Drops(field):
		return -1, fmt.Sprintf("field %s of stream %s is dropped where events enter, and cannot be a key", field, s.Stream), "with pii: hash it can be one"
	case at < 0:
		return -1, fmt.Sprintf("stream %s has no field %s for the %s's key", s.Stream, field, what), ""
	case !s.Fields[at].PII.Telling():
		return -1, fmt.Sprintf("field %s of stream %s is masked where events enter, and cannot be a key: different values would be one", field, s.Stream), "with pii: hash it can be one"
	}
	if t := s.Fields[at].Type; t != event.String && t != event.Int && t != event.Bool {
		return -1, fmt.Sprintf("field %s of stream %s cannot be a key", field, s.Stream), "key by a string, int or bool field"
	}
	return at, "", ""
}

const hashedKeyHint = "give the field the same policy in all streams"

// hashedOf tells which of the fields at these positions are hashed.
func hashedOf(s *event.Schema, at []int) []bool {
	hashed := make([]bool, len(at))
	for i := range at {
		hashed[i] = s.Fields[at[i]].PII == event.PIIHash
	}
	return hashed
}
