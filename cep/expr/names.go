package expr

import (
	"cmp"
	"fmt"
	"sort"
	"strings"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
)

const boolType = event.Bool

// fieldFault as an Error's Offset says: the name after the point is at fault.
const fieldFault = 1

// name resolves a bare name. Both results are nil for a type of CEL.
func (r *resolver) name(name string) (*datum, *Error) {
	if d := r.bareField(name); d != nil {
		return d, nil
	}
	if name == "time" {
		return r.timeHere()
	}
	for i, v := range r.sc.Values {
		if v.Name == name {
			return &datum{kind: windowValue, text: name, typ: v.Type, pos: i, grows: v.Grows, count: v.Count}, nil
		}
	}
	if s := r.step(name); s != nil {
		return &datum{kind: wholeStep, text: name, step: *s}, nil
	}
	if name == "prev" && r.sc.Prev != nil {
		return &datum{kind: wholePrev, text: name}, nil
	}
	if celTypes[name] {
		return nil, nil
	}
	return nil, r.unknown(name)
}

// celTypes are CEL's names of types, which may stand in an expression.
var celTypes = map[string]bool{
	"bool": true, "bytes": true, "double": true, "int": true, "list": true, "map": true,
	"null_type": true, "string": true, "type": true, "uint": true, "google": true,
}

func (r *resolver) bareField(name string) *datum {
	if r.sc.Event == nil || r.sc.Window != nil {
		return nil
	}
	i := r.sc.Event.Index(name)
	if i < 0 {
		return nil
	}
	f := r.sc.Event.Fields[i]
	r.sc.Outside.readsField(r.sc.Event.Stream, name)
	return &datum{kind: inEvent, text: name, typ: f.Type, scale: f.Scale, pos: i, needed: !f.Optional, pii: f.PII}
}

func (r *resolver) timeHere() (*datum, *Error) {
	switch {
	case r.sc.At:
		return &datum{kind: alertTime, text: "time", typ: event.Timestamp}, nil
	case r.sc.Window == nil && (r.sc.Event != nil || r.sc.Streams != nil):
		return &datum{kind: eventTime, text: "time", typ: event.Timestamp}, nil
	}
	return nil, &Error{Detail: "there is no time here: a window's value covers many events", Hint: "max(time) is the latest"}
}

func (r *resolver) step(name string) *Step {
	for i := range r.sc.Steps {
		if r.sc.Steps[i].Name == name {
			return &r.sc.Steps[i]
		}
	}
	return nil
}

func (r *resolver) stream(name string) *event.Schema {
	if r.sc.Window != nil {
		return nil
	}
	for _, s := range r.sc.Streams {
		if identName(s.Stream) == name {
			return s
		}
	}
	return nil
}

// identName is a document's name as expressions spell it.
func identName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// dotted resolves owner.field. Both results are nil when owner is not
// something with fields of ours.
func (r *resolver) dotted(owner, field string) (*datum, *Error) {
	if owner == profileWord && r.stream(owner) == nil {
		return nil, r.wholeProfile(field)
	}
	if s := r.step(owner); s != nil {
		return r.stepField(s, field)
	}
	if owner == "prev" && r.bareField("prev") == nil {
		return r.prevField(field)
	}
	if s := r.stream(owner); s != nil {
		return r.streamField(s, owner, field)
	}
	if r.bareField(owner) != nil || celTypes[owner] || owner == "time" || r.value(owner) {
		return nil, nil
	}
	return nil, r.unknown(owner)
}

func (r *resolver) value(name string) bool {
	for _, v := range r.sc.Values {
		if v.Name == name {
			return true
		}
	}
	return false
}

func (r *resolver) stepField(s *Step, field string) (*datum, *Error) {
	text := s.Name + "." + field
	if field == "time" {
		return &datum{kind: stepTime, text: text, typ: event.Timestamp, step: *s}, nil
	}
	i := s.Schema.Index(field)
	if i < 0 {
		return nil, noField(s.Schema, field)
	}
	f := s.Schema.Fields[i]
	r.sc.Outside.readsField(s.Schema.Stream, field)
	return &datum{kind: inStep, text: text, typ: f.Type, scale: f.Scale, pos: i, step: *s, pii: f.PII}, nil
}

func (r *resolver) streamField(s *event.Schema, owner, field string) (*datum, *Error) {
	text := owner + "." + field
	if field == "time" {
		return &datum{kind: eventTime, text: text, typ: event.Timestamp, stream: s.Stream}, nil
	}
	i := s.Index(field)
	if i < 0 {
		return nil, noField(s, field)
	}
	f := s.Fields[i]
	r.sc.Outside.readsField(s.Stream, field)
	return &datum{kind: inStream, text: text, typ: f.Type, scale: f.Scale, pos: i, stream: s.Stream, pii: f.PII}, nil
}

func noField(s *event.Schema, field string) *Error {
	if err := dropped(s, field); err != nil {
		err.Offset = fieldFault
		return err
	}
	return &Error{
		Offset: fieldFault,
		Detail: fmt.Sprintf("stream %s has no field %q", s.Stream, field),
		Hint:   suggest(field, fieldNames(s)),
	}
}

func (r *resolver) prevField(field string) (*datum, *Error) {
	if r.sc.Prev == nil {
		return nil, &Error{Detail: "prev is not known here", Hint: cmp.Or(r.sc.Hidden["prev"], prevHint)}
	}
	text := "prev." + field
	if field == "time" {
		return &datum{kind: prevTime, text: text, typ: event.Timestamp}, nil
	}
	var names []string
	for _, f := range r.sc.Prev {
		if f.Name == field {
			r.sc.Outside.readsField("", field)
			return &datum{kind: inPrev, text: text, typ: f.Type, scale: f.Scale, name: field, pii: f.PII}, nil
		}
		names = append(names, f.Name)
	}
	return nil, &Error{
		Offset: fieldFault,
		Detail: fmt.Sprintf("prev has no field %q: every step that can come before needs it, with one type", field),
		Hint:   suggest(field, names),
	}
}

const prevHint = "prev is the event matched before; only the where of a step has it"

// unknown explains a name that means nothing here.
func (r *resolver) unknown(name string) *Error {
	if why, ok := r.sc.Hidden[name]; ok {
		return &Error{Detail: fmt.Sprintf("%s cannot be read here: %s", name, why), Hint: "compare the two in the where of the step that is matched last"}
	}
	if err := r.droppedHere(name); err != nil {
		return err
	}
	switch {
	case name == profileWord:
		return &Error{Detail: "profile is no value by itself", Hint: profileHint}
	case name == "prev":
		return &Error{Detail: "prev is not known here", Hint: prevHint}
	case r.sc.Window != nil && r.sc.Event != nil && r.sc.Event.Index(name) >= 0:
		return &Error{
			Detail: fmt.Sprintf("%s belongs to one event; a window's value is made of aggregates", name),
			Hint:   fmt.Sprintf("max(%s), last(%s), distinct(%s)", name, name, name),
		}
	}
	for _, s := range r.sc.Streams {
		if s.Index(name) >= 0 {
			return &Error{
				Detail: fmt.Sprintf("%s needs its stream's name", name),
				Hint:   identName(s.Stream) + "." + name,
			}
		}
	}
	return &Error{Detail: fmt.Sprintf("nothing here is called %q", name), Hint: r.absentHint(name)}
}

// visible lists the names that may stand in the expression.
func (r *resolver) visible() []string {
	var names []string
	if r.sc.Event != nil {
		names = append(names, fieldNames(r.sc.Event)...)
		names = append(names, "time")
	}
	for _, s := range r.sc.Streams {
		names = append(names, identName(s.Stream))
	}
	for _, s := range r.sc.Steps {
		names = append(names, s.Name)
	}
	for _, v := range r.sc.Values {
		names = append(names, v.Name)
	}
	if r.sc.At {
		names = append(names, "time")
	}
	return names
}

func fieldNames(s *event.Schema) []string {
	names := make([]string, len(s.Fields))
	for i := range s.Fields {
		names[i] = s.Fields[i].Name
	}
	return names
}

// listedNames is how many names a hint lists when none is near.
const listedNames = 12

// suggest says which name was probably meant, or which there are.
func suggest(name string, known []string) string {
	if near := nearest(name, known); near != "" || len(known) == 0 {
		return near
	}
	known = append([]string(nil), known...)
	sort.Strings(known)
	if len(known) > listedNames {
		known = append(known[:listedNames:listedNames], "…")
	}
	return "there are: " + strings.Join(known, ", ")
}

// nearest says which name was probably meant: one that differs little, or
// that begins or ends so; "" when none does.
func nearest(name string, known []string) string {
	const tellingLetters = 3
	best, least := "", len(name)/3+2
	for _, k := range known {
		d := syntax.Distance(strings.ToLower(name), strings.ToLower(k))
		if len(name) >= tellingLetters && (strings.HasPrefix(k, name) || strings.HasSuffix(k, name)) {
			d = 1
		}
		if d < least || d == least && best != "" && k < best {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %s?", best)
}
