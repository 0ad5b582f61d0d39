package syntax

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
)

var piiPolicies = map[string]event.PII{"hash": event.PIIHash, "mask": event.PIIMask, "drop": event.PIIDrop}

// Policy is what becomes of the field's values where events enter.
func (f *FieldDecl) Policy() event.PII { return piiPolicies[f.PII] }

// HashesID reports whether the id of the stream's events is read where a hashed
// field is: then it is hashed too.
func (s *Stream) HashesID() bool {
	return slices.ContainsFunc(s.Fields, func(f FieldDecl) bool { return f.Policy() == event.PIIHash && slices.Equal(f.Path, s.ID) })
}

// Hashes reports whether the stream needs a key for hashes.
func (s *Stream) Hashes() bool {
	return slices.ContainsFunc(s.Fields, func(f FieldDecl) bool { return f.Policy() == event.PIIHash })
}

// Private reports whether some field of the stream has a policy: then a record
// of it is shown to nobody as it is.
func (s *Stream) Private() bool {
	return slices.ContainsFunc(s.Fields, func(f FieldDecl) bool { return f.Policy() != event.PIINone })
}

// pii reads the policy of a field.
func (f *FieldDecl) pii(v *value) {
	if f.PII = v.word("none", "none", "hash", "mask", "drop"); f.PII == "none" {
		f.PII = ""
	}
	if t, known := fieldTypes[f.Type]; known && !f.Policy().Takes(t) {
		v.refuse(fmt.Sprintf("`pii: %s` takes text, and `%s` is %s", f.PII, f.Name, f.Type), "hash and mask take string and list(string); `pii: drop` takes every type")
		f.PII = ""
	}
}

// personal refuses ways by which what a policy hides would come out, and keys
// that would take different values for one.
func (s *Stream) personal(o *object) {
	for i := range s.Fields {
		f := &s.Fields[i]
		switch policy := f.Policy(); {
		case policy == event.PIINone:
		case slices.Equal(f.Path, s.TimeField):
			o.get("time").refuse(fmt.Sprintf("the time of events is read from `%s`, which is `pii: %s`: alerts show it", f.Name, f.PII), "take `pii` away, or another field for the time")
		case slices.Equal(f.Path, s.ID) && !policy.Telling():
			o.get("id").refuse(fmt.Sprintf("the id of events is read from `%s`, which is `pii: %s`", f.Name, f.PII), "with `pii: hash` the id is hashed too")
		default:
			s.bare(o, f)
		}
	}
}

// bare refuses a field without a policy that reads the same place as f.
func (s *Stream) bare(o *object, f *FieldDecl) {
	for _, other := range s.Fields {
		if other.Policy() == event.PIINone && slices.Equal(other.Path, f.Path) {
			o.r.refuse(other.Pos, o.pointer+"/fields/"+other.Name, fmt.Sprintf("`%s` shows what `%s` hides: both read the same place, and `%s` is `pii: %s`", other.Name, f.Name, f.Name, f.PII),
				fmt.Sprintf("give `%s` a policy too", other.Name))
		}
	}
}
