package syntax

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A value is what a key holds. Its methods read it as one type; when it is of
// another they report that and return ok false. A nil value reads as absent.
type value struct {
	r       *reader
	node    *yaml.Node
	pointer string
	key     string
}

func (v *value) at() Pos { return v.r.place(v.node) }

func (v *value) refuse(detail, hint string) { v.r.refuse(v.at(), v.pointer, detail, hint) }

// wrong reports a value of the wrong type.
func (v *value) wrong(want, hint string) {
	if v.null() {
		v.refuse(fmt.Sprintf("`%s` has no value; it must be %s", v.key, want), hint)
		return
	}
	v.refuse(fmt.Sprintf("`%s` must be %s, not %s", v.key, want, v.shape()), hint)
}

func (v *value) null() bool {
	return v.node.Kind == yaml.ScalarNode && v.node.Tag == "!!null"
}

// shape names the type that the value has.
func (v *value) shape() string {
	switch {
	case v.node.Kind == yaml.MappingNode:
		return "a mapping"
	case v.node.Kind == yaml.SequenceNode:
		return "a list"
	case v.node.Tag == "!!int" || v.node.Tag == "!!float":
		return "the number " + v.node.Value
	case v.node.Tag == "!!bool":
		return v.node.Value
	case v.null():
		return "nothing"
	}
	return fmt.Sprintf("%q", shortened(v.node.Value))
}

func shortened(s string) string {
	const longest = 40
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "…"
	}
	return s
}

// scalar reports whether the value is a single one, null excluded.
func (v *value) scalar() bool { return v.node.Kind == yaml.ScalarNode && !v.null() }

// str reads text; numbers and booleans must be quoted to be text.
func (v *value) str() string {
	if v == nil {
		return ""
	}
	switch {
	case !v.scalar():
		v.wrong("text", fmt.Sprintf("write it as %s: text", v.key))
	case v.node.Value == "":
		v.refuse(fmt.Sprintf("`%s` is empty", v.key), "write it, or leave the key out")
	case v.node.Tag == "!!str" || v.node.Tag == "!!timestamp" || v.node.Tag == "!!binary":
		return v.node.Value
	default:
		v.wrong("text", fmt.Sprintf("quote it: %s: '%s'", v.key, v.node.Value))
	}
	return ""
}

// text reads an expression, pattern or template with its place; nil when the
// value is absent or wrong.
func (v *value) text(what string) *Text {
	if v == nil {
		return nil
	}
	if !v.scalar() {
		v.wrong(what, v.r.trapHint(v, what))
		return nil
	}
	t := scalarText(v.r.file.lines, v.at(), v.node)
	t.Pointer = v.pointer
	if strings.TrimSpace(t.Src) == "" {
		v.refuse(fmt.Sprintf("`%s` is empty; it must be %s", v.key, what), "write it, or leave the key out")
		return nil
	}
	return &t
}

// template is text of what is shown, where numbers and booleans must be quoted
// as for str.
func (v *value) template() *Text {
	if v != nil && v.scalar() && v.node.Value != "" && v.str() == "" {
		return nil
	}
	return v.text("text")
}

// word reads one of a few words; absent or wrong it is the default.
func (v *value) word(def string, choices ...string) string {
	if v == nil {
		return def
	}
	if v.scalar() && slices.Contains(choices, v.node.Value) {
		return v.node.Value
	}
	list := strings.Join(choices, ", ")
	if !v.scalar() {
		v.wrong("one of "+list, fmt.Sprintf("as in %s: %s", v.key, choices[0]))
		return def
	}
	hint := "it is one of " + list
	if s := Closest(strings.ToLower(v.node.Value), choices); s != "" {
		hint = fmt.Sprintf("did you mean `%s`?", s)
	}
	v.refuse(fmt.Sprintf("`%s` cannot be `%s`", v.key, shortened(v.node.Value)), hint)
	return def
}

// integer reads a whole number within bounds; absent or wrong it is the
// default.
func (v *value) integer(def, low, high int) int {
	if v == nil {
		return def
	}
	if !v.scalar() || v.node.Tag != "!!int" || v.node.Style != 0 {
		v.wrong(fmt.Sprintf("a whole number from %d to %d", low, high), defaultHint(v.key, def))
		return def
	}
	n, err := strconv.Atoi(v.node.Value)
	if err != nil || n < low || n > high {
		v.refuse(fmt.Sprintf("`%s` must be a whole number from %d to %d, not %s", v.key, low, high, shortened(v.node.Value)), defaultHint(v.key, def))
		return def
	}
	return n
}

// defaultHint says what holds without the key.
func defaultHint(key string, def int) string {
	if def == 0 {
		return fmt.Sprintf("write it as a plain number: %s: 10", key)
	}
	return fmt.Sprintf("without the key it is %d", def)
}

func (v *value) boolean() bool {
	if v == nil {
		return false
	}
	if v.node.Kind != yaml.ScalarNode || v.node.Tag != "!!bool" || v.node.Style != 0 {
		v.wrong("true or false", fmt.Sprintf("as in %s: true", v.key))
		return false
	}
	return strings.EqualFold(v.node.Value, "true")
}

// duration reads a duration of at least least; absent or wrong it is the
// default.
func (v *value) duration(def, least time.Duration) time.Duration {
	if v == nil {
		return def
	}
	if !v.scalar() {
		v.wrong("a duration", durationHint)
		return def
	}
	d, err := ParseDuration(v.node.Value)
	if err != nil {
		v.refuse(fmt.Sprintf("`%s` must be a duration: %s", v.key, err), durationHint)
		return def
	}
	if d < least {
		v.refuse(fmt.Sprintf("`%s` must be longer than 0", v.key), durationHint)
		return def
	}
	return d
}

// instant reads an RFC 3339 time.
func (v *value) instant() time.Time {
	if v == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v.node.Value)
	if !v.scalar() || err != nil {
		v.wrong("an RFC 3339 time", "write it as 2026-01-31T18:00:00Z")
		return time.Time{}
	}
	return t
}

// object reads a mapping of known keys; nil when it is absent or wrong.
func (v *value) object(what string) *object {
	if v == nil {
		return nil
	}
	if v.node.Kind != yaml.MappingNode {
		v.wrong("a mapping of keys to values", fmt.Sprintf("as in %s: {key: value}", v.key))
		return nil
	}
	return v.r.object(v.node, v.pointer, what)
}

// entries reads a mapping whose keys are the author's, which must be names.
func (v *value) entries(what string, ok func(string) bool, rule string) []entry {
	o := v.object(what)
	if o == nil {
		return nil
	}
	for _, e := range o.entries {
		if !ok(e.key.Name) {
			v.r.refuse(e.key.Pos, e.val.pointer, fmt.Sprintf("`%s` is not a name", shortened(e.key.Name)), nameHint(e.key.Name, ok, rule))
		}
	}
	return o.entries
}

// empty reports whether the value is a mapping without a key.
func (v *value) empty() bool {
	return v != nil && v.node.Kind == yaml.MappingNode && len(v.node.Content) == 0
}

// items reads a list; a single value is not one.
func (v *value) items() []*value {
	if v == nil {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		v.wrong("a list", fmt.Sprintf("write it as %s: [a, b]", v.key))
		return nil
	}
	items := make([]*value, len(v.node.Content))
	for i, n := range v.node.Content {
		items[i] = &value{r: v.r, node: n, pointer: fmt.Sprintf("%s/%d", v.pointer, i), key: v.key}
	}
	return items
}

// strings reads a list of texts.
func (v *value) strings() []string {
	var list []string
	for _, i := range v.items() {
		if s := i.str(); s != "" {
			list = append(list, s)
		}
	}
	return list
}

// key reads a field name or a list of them.
func (v *value) fields() *Key {
	if v == nil {
		return nil
	}
	k := &Key{Pos: v.at(), List: v.node.Kind == yaml.SequenceNode}
	parts := []*value{v}
	if k.List {
		parts = v.items()
	}
	for _, p := range parts {
		if n := p.name(fieldName, fieldNameRule); n.Name != "" {
			k.Fields = append(k.Fields, n.Name)
		}
	}
	if k.List && len(parts) == 0 {
		v.refuse(fmt.Sprintf("`%s` lists no field", v.key), fmt.Sprintf("as in %s: card_id", v.key))
	}
	v.r.repeated(v, k.Fields)
	return k
}

func (r *reader) repeated(v *value, names []string) {
	for i, n := range names {
		if slices.Contains(names[:i], n) {
			v.refuse(fmt.Sprintf("`%s` names `%s` twice", v.key, n), "delete one of them")
		}
	}
}

// name reads a name that a test accepts.
func (v *value) name(ok func(string) bool, rule string) Name {
	if v == nil {
		return Name{}
	}
	s := v.str()
	if s == "" {
		return Name{Pos: v.at()}
	}
	if !ok(s) {
		v.refuse(fmt.Sprintf("`%s` is not a name", shortened(s)), nameHint(s, ok, rule))
		return Name{Pos: v.at()}
	}
	return Name{Name: s, Pos: v.at()}
}
