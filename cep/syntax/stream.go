package syntax

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/caltrop/caltrop/cep/event"
)

// Defaults of a Stream, language §1.1.
const (
	defaultLateness  = 30 * time.Second
	defaultIdle      = 10 * time.Second
	defaultMaxFuture = 5 * time.Minute
	defaultMaxSkew   = time.Hour
	defaultMaxBytes  = 1 << 20
	maxMaxBytes      = 64 << 20
	maxFields        = 1000
	maxScale         = 18 // digits of a decimal after the point; an int64 holds no more
)

func (r *reader) stream(o *object, m Meta) *Stream {
	s := &Stream{Meta: m}
	if m.Name == "alerts" {
		o.get("name").refuse("the stream `alerts` exists always and cannot be declared", "give your stream another name")
	}
	if src := o.need("source", "write it as source: {topic: NAME}").object("`source`"); src != nil {
		s.SourcePos = o.get("source").at()
		s.Topic = src.need("topic", "as in source: {topic: payments}").str()
		if v := src.get("clusters"); v != nil {
			s.Clusters = v.strings()
		}
		src.done()
	}
	s.Format = o.get("format").word("json", "json", "avro")
	if t := o.need("time", "write it as time: {field: ts, unit: ms}").object("`time`"); t != nil {
		s.TimeField = t.need("field", "the path of the event time in the raw event: field: ts").path()
		if u := t.need("unit", "it is one of s, ms, us, ns, rfc3339"); u != nil {
			s.TimeUnit = u.word("", "s", "ms", "us", "ns", "rfc3339")
		}
		t.done()
	}
	s.ID = o.get("id").path()
	s.Partitioner = o.get("partitioner").word("unknown", "murmur2", "crc32", "unknown")
	s.Lateness = o.get("lateness").duration(defaultLateness, 0)
	s.Idle = o.get("idle").duration(defaultIdle, 0)
	s.MaxFuture = o.get("max_future").duration(defaultMaxFuture, 0)
	s.MaxSkew = o.get("max_skew").duration(defaultMaxSkew, time.Millisecond)
	s.MaxBytes = o.get("max_bytes").bytes(defaultMaxBytes)
	s.Fields = r.fieldDecls(o.need("fields", "write it as fields: {card_id: string, amount: double}"))
	r.partitionKey(o.get("partition_key"), s)
	s.personal(o)
	return s
}

// path reads a dotted path of the raw event.
func (v *value) path() []string {
	text := v.str()
	if text == "" {
		return nil
	}
	parts := strings.Split(text, ".")
	for _, p := range parts {
		if p == "" || strings.ContainsAny(p, " \t") {
			v.refuse(fmt.Sprintf("`%s` is not a path", shortened(text)), "a path is names joined by dots: card.country")
			return nil
		}
	}
	return parts
}

// bytes reads a size: a whole number of bytes, or one with KiB or MiB.
func (v *value) bytes(def int) int {
	if v == nil {
		return def
	}
	number, unit := strings.TrimSpace(v.node.Value), 1
	for suffix, n := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20} {
		if head, ok := strings.CutSuffix(number, suffix); ok {
			number, unit = strings.TrimSpace(head), n
		}
	}
	n, err := strconv.Atoi(number)
	if !v.scalar() || err != nil || n < 1 || n > maxMaxBytes/unit {
		v.wrong("a size from 1 to 64 MiB", "write it as 1048576, 512 KiB or 1 MiB")
		return def
	}
	return n * unit
}

// fieldDecls reads `fields: {name: type}` of a stream.
func (r *reader) fieldDecls(v *value) []FieldDecl {
	entries := v.entries("`fields`", fieldName, fieldNameRule)
	if v.empty() {
		v.refuse("a stream needs at least one field", "as in fields: {card_id: string}")
	}
	if len(entries) > maxFields {
		v.refuse(fmt.Sprintf("%d fields; the limit is %d", len(entries), maxFields), "declare what rules read; nothing else is decoded")
		return nil
	}
	var fields []FieldDecl
	for _, e := range entries {
		r.reserved(e, fmt.Sprintf("name it otherwise and read it by path: %s_value: {type: …, path: %s}", e.key.Name, e.key.Name))
		fields = append(fields, fieldDecl(e))
	}
	return fields
}

// fieldDecl reads `type` or `{type, path, optional, pii}`.
func fieldDecl(e entry) FieldDecl {
	f := FieldDecl{Name: e.key.Name, Pos: e.key.Pos, Path: []string{e.key.Name}}
	if e.val.node.Kind != yaml.MappingNode {
		f.Type, f.Scale = e.val.fieldType()
		return f
	}
	o := e.val.object("field `" + e.key.Name + "`")
	if t := o.need("type", fieldTypeHint); t != nil {
		f.Type, f.Scale = t.fieldType()
	}
	if p := o.get("path").path(); p != nil {
		f.Path = p
	}
	f.Optional = o.get("optional").boolean()
	f.pii(o.get("pii"))
	o.done()
	return f
}

const fieldTypeHint = "types are string, int, double, bool, timestamp, decimal(n) and list(string)"

var fieldTypes = map[string]event.Type{
	"string": event.String, "int": event.Int, "double": event.Double, "bool": event.Bool,
	"timestamp": event.Timestamp, "decimal": event.Decimal, "list(string)": event.StringList,
}

// fieldType reads a type, for decimal(n) its scale too.
func (v *value) fieldType() (string, uint8) {
	if !v.scalar() {
		v.wrong("a type", fieldTypeHint)
		return "", 0
	}
	text := strings.ReplaceAll(v.node.Value, " ", "")
	if digits, ok := strings.CutPrefix(text, "decimal("); ok && strings.HasSuffix(digits, ")") {
		n, err := strconv.Atoi(strings.TrimSuffix(digits, ")"))
		if err != nil || n < 0 || n > maxScale {
			v.refuse(fmt.Sprintf("`%s` is not a type", shortened(text)), fmt.Sprintf("decimal(n) has n = 0 to %d digits after the point", maxScale))
			return "", 0
		}
		return "decimal", uint8(n)
	}
	if _, ok := fieldTypes[text]; ok && text != "decimal" {
		return text, 0
	}
	v.refuse(fmt.Sprintf("`%s` is not a type", shortened(v.node.Value)), typeHint(text))
	return "", 0
}

// typeHint knows what other systems call our types.
func typeHint(text string) string {
	aliases := map[string]string{
		"float": "double", "number": "double", "float64": "double", "integer": "int", "int64": "int", "long": "int",
		"boolean": "bool", "text": "string", "varchar": "string", "str": "string", "datetime": "timestamp",
		"date": "timestamp", "time": "timestamp", "decimal": "decimal(2)", "list": "list(string)", "array": "list(string)",
	}
	if s, ok := aliases[strings.ToLower(text)]; ok {
		return fmt.Sprintf("did you mean `%s`?", s)
	}
	if s := Closest(text, []string{"string", "int", "double", "bool", "timestamp", "list(string)"}); s != "" {
		return fmt.Sprintf("did you mean `%s`?", s)
	}
	return fieldTypeHint
}

// partitionKey reads the fields the producer keys by; they must be declared.
func (r *reader) partitionKey(v *value, s *Stream) {
	k := v.fields()
	if k == nil {
		return
	}
	s.PartitionKey = k.Fields
	for _, name := range k.Fields {
		i := slices.IndexFunc(s.Fields, func(f FieldDecl) bool { return f.Name == name })
		switch {
		case i < 0:
			v.refuse(fmt.Sprintf("`partition_key` names `%s`, which is not among `fields`", name), fieldHint(name, s.Fields))
		case !keyType(s.Fields[i].Type):
			v.refuse(fmt.Sprintf("`partition_key` names `%s`, a %s", name, s.Fields[i].Type), "key fields are string, int or bool")
		case !s.Fields[i].Policy().Telling():
			v.refuse(fmt.Sprintf("`partition_key` names `%s`, which is `pii: %s`", name, s.Fields[i].PII), "with `pii: hash` different values stay different")
		}
	}
}

func keyType(t string) bool { return t == "" || t == "string" || t == "int" || t == "bool" }

func fieldHint(name string, fields []FieldDecl) string {
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
	}
	if s := Closest(name, names); s != "" {
		return fmt.Sprintf("did you mean `%s`?", s)
	}
	return "declare it, or leave it out"
}

// Schema builds what rules may read of the stream.
func (s *Stream) Schema() *event.Schema {
	fields := make([]event.Field, len(s.Fields))
	for i, f := range s.Fields {
		fields[i] = event.Field{
			Name: f.Name, Type: fieldTypes[f.Type], Scale: f.Scale, Path: f.Path, Optional: f.Optional, PII: f.Policy(),
		}
	}
	return event.NewSchema(s.Name, fields)
}
