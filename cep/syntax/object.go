package syntax

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An object is a mapping being read: every key that is asked for is known,
// and done refuses the others.
type object struct {
	r       *reader
	at      Pos
	pointer string
	what    string // for messages: "a step"; "" for a document
	flow    bool   // written with {}
	entries []entry
	known   []string
	missing []string // required keys that are absent, with their hints
	hints   []string
	asked   map[string]bool
}

// An entry is a key with its value.
type entry struct {
	key Name
	val *value
}

// object reads a mapping node; a key that occurs twice is refused and its
// first value kept.
func (r *reader) object(n *yaml.Node, pointer, what string) *object {
	o := &object{r: r, at: r.place(n), pointer: pointer, what: what, asked: map[string]bool{}}
	o.flow = n.Style&yaml.FlowStyle != 0
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		at := r.place(k)
		if line, twice := first[k.Value]; twice {
			where := fmt.Sprintf("on line %d", line)
			if line == at.Line {
				where = "on the same line"
			}
			r.refuse(at, pointer+"/"+escaped(k.Value), fmt.Sprintf("`%s` is written twice; the first is %s", k.Value, where), "delete one of them")
			continue
		}
		first[k.Value] = at.Line
		v := &value{r: r, node: n.Content[i+1], pointer: pointer + "/" + escaped(k.Value), key: k.Value}
		if r.cut(n, i, v) {
			continue
		}
		o.entries = append(o.entries, entry{Name{k.Value, at}, v})
	}
	return o
}

// get returns the value of a key, nil when it is absent.
func (o *object) get(key string) *value {
	if !o.asked[key] {
		o.asked[key] = true
		o.known = append(o.known, key)
	}
	for _, e := range o.entries {
		if e.key.Name == key {
			return e.val
		}
	}
	return nil
}

// need is get for a required key: its absence is a problem, which done
// reports.
func (o *object) need(key, hint string) *value {
	v := o.get(key)
	if v == nil {
		o.missing, o.hints = append(o.missing, key), append(o.hints, hint)
	}
	return v
}

func (o *object) title() string {
	if o.what == "" {
		return "the document"
	}
	return o.what
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// done refuses the keys nobody asked for, and required ones that are missing;
// of one that is merely misspelt only the misspelling is reported.
func (o *object) done() {
	o.lacking(o.unknown())
}

// lacking refuses the absence of required keys but for those that were meant
// by others.
func (o *object) lacking(meant []string) {
	for i, key := range o.missing {
		if !slices.Contains(meant, key) {
			o.refuse(fmt.Sprintf("%s needs `%s`", o.title(), key), o.hints[i])
		}
	}
}

// unknown refuses the keys nobody asked for and returns what they were
// probably meant to be.
func (o *object) unknown() (meant []string) {
	for i, e := range o.entries {
		if o.asked[e.key.Name] || o.r.full() {
			continue
		}
		if o.flow && i > 0 && !plainKey.MatchString(e.key.Name) {
			before := o.entries[i-1].val
			before.refuse("inside {} YAML ends a value without quotes at `,`", o.r.quotedHint(before.at()))
			continue
		}
		detail := fmt.Sprintf("%s has no key `%s`", o.title(), e.key.Name)
		o.r.refuse(e.key.Pos, e.val.pointer, detail, o.unknownHint(e.key.Name))
		meant = append(meant, Closest(strings.ToLower(e.key.Name), o.known))
	}
	return meant
}

// homes says where keys belong that are often written elsewhere.
var homes = map[string]string{
	"gap": "a step", "where": "a step or a window", "stream": "a step or a window", "within": "the rule",
	"having": "the rule", "suppress": "`alert`", "measures": "`alert`", "summary": "`alert`",
	"runs_per_key": "`limits`", "matches_per_event": "`limits`", "evidence": "`limits`", "lateness": "the stream",
	"rolling": "`window`", "tumbling": "`window`", "sliding": "`window`", "session": "`window`", "every": "`window`",
	"topic": "the `source` of a stream, or `options` of a sink of type kafka", "unit": "`time`", "optional": "a field", "pii": "a field",
}

func (o *object) unknownHint(key string) string {
	if s := Closest(strings.ToLower(key), o.known); s != "" {
		return fmt.Sprintf("did you mean `%s`?", s)
	}
	if home, ok := homes[key]; ok {
		return fmt.Sprintf("`%s` belongs in %s", key, home)
	}
	if len(o.known) == 0 {
		return "it has no keys: delete it"
	}
	return "its keys are " + strings.Join(o.known, ", ")
}

// refuse reports a problem of the object as a whole.
func (o *object) refuse(detail, hint string) { o.r.refuse(o.at, o.pointer, detail, hint) }
