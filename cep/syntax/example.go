package syntax

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Bounds of the tests of one rule.
const (
	maxTests      = 1000
	maxTestEvents = 10_000
	maxTestAlerts = 10_000
)

// tests reads the examples of a rule.
func (r *reader) tests(v *value, d *Rule) []*Test {
	items := v.items()
	if len(items) > maxTests {
		v.refuse(fmt.Sprintf("%d tests; the limit is %d", len(items), maxTests), "split the rule's tests over several files, or drop some")
		return nil
	}
	var list []*Test
	for _, i := range items {
		if t := r.test(i, d); t != nil {
			list = append(list, t)
		}
	}
	return list
}

func (r *reader) test(v *value, d *Rule) *Test {
	o := v.object("the test")
	if o == nil {
		return nil
	}
	t := &Test{Pos: o.at, Name: o.need("name", "say in a few words what it shows: name: fires on the third probe").str()}
	if events := o.need("events", "one line an event: +0s payment {card_id: c1}").text("lines of events"); events != nil {
		t.Events = r.testEvents(*events)
	}
	alerts := o.need("alerts", "list the expected alerts, or write alerts: []").items()
	if len(alerts) > maxTestAlerts {
		o.refuse(fmt.Sprintf("%d alerts; the limit is %d", len(alerts), maxTestAlerts), "test fewer events at once")
		return t
	}
	for _, a := range alerts {
		if ao := a.object("an expected alert"); ao != nil {
			t.Alerts = append(t.Alerts, r.testAlert(ao, d))
		}
	}
	o.done()
	return t
}

func (r *reader) testAlert(o *object, d *Rule) TestAlert {
	a := TestAlert{Pos: o.at}
	if v := o.need("at", "when it is raised: at: +60s"); v != nil {
		at, err := testTime(v.node.Value)
		if !v.scalar() || err != nil {
			v.wrong("a time after the start, as +60s", durationHint)
		}
		a.At = at
	}
	if v := o.need("key", "whose alert it is: key: c1"); v != nil {
		a.Key = v.testKey(d)
	}
	o.done()
	return a
}

// testKey reads a scalar, or a list for a composite key.
func (v *value) testKey(d *Rule) []any {
	if v.node.Kind != yaml.SequenceNode {
		if d.Key.List && len(d.Key.Fields) > 1 {
			v.wrong(fmt.Sprintf("a list of %d values, as the rule's key is", len(d.Key.Fields)), "in the order of "+joined(d.Key.Fields))
			return nil
		}
		return []any{v.any()}
	}
	var key []any
	for _, i := range v.items() {
		key = append(key, i.any())
	}
	if n := len(d.Key.Fields); n > 0 && n != len(key) {
		v.refuse(fmt.Sprintf("the key has %d values; the rule's has %d", len(key), n), "the rule's key is "+joined(d.Key.Fields))
	}
	return key
}

// testTime reads `+60s`.
func testTime(s string) (time.Duration, error) {
	rest, ok := strings.CutPrefix(s, "+")
	if !ok {
		return 0, fmt.Errorf("`%s` does not start with +", shortened(s))
	}
	return ParseDuration(rest)
}

// testEvents reads lines `+0s payment {card_id: c1, amount: 1.0}`.
func (r *reader) testEvents(t Text) []TestEvent {
	var events []TestEvent
	off := 0
	for _, line := range strings.SplitAfter(t.Src, "\n") {
		trimmed := strings.TrimSpace(line)
		if trimmed != "" && trimmed[0] != '#' {
			start := off + strings.Index(line, trimmed)
			if e, ok := r.testEvent(t.Slice(start, start+len(trimmed))); ok {
				events = append(events, e)
			}
		}
		off += len(line)
		if len(events) > maxTestEvents {
			r.problems = append(r.problems, t.problem(off, fmt.Sprintf("more than %d events in a test", maxTestEvents), "test fewer events at once"))
			return nil
		}
	}
	return events
}

var eventLine = regexp.MustCompile(`^(\S+)(\s+)(\S+)(\s+)(\{.*\})$`)

const eventHint = "write it as `+5s payment {card_id: c1, amount: 2.0}`"

func (r *reader) testEvent(line Text) (TestEvent, bool) {
	m := eventLine.FindStringSubmatchIndex(line.Src)
	if m == nil {
		r.problems = append(r.problems, line.problem(0, "the line is not an event: time, stream and fields", eventHint))
		return TestEvent{}, false
	}
	e := TestEvent{Pos: line.PosAt(0), Stream: line.Src[m[6]:m[7]]}
	var err error
	if e.At, err = testTime(line.Src[m[2]:m[3]]); err != nil {
		r.problems = append(r.problems, line.problem(0, "the event's time must be like +5s: "+err.Error(), durationHint))
		return e, false
	}
	if !documentName(e.Stream) {
		r.problems = append(r.problems, line.problem(m[6], fmt.Sprintf("`%s` is not a stream's name", shortened(e.Stream)), documentNameRule))
		return e, false
	}
	e.StreamPos = line.PosAt(m[6])
	return e, r.testFields(line.Slice(m[10], m[11]), &e)
}

// testFields reads the fields of an event, a flow mapping of its own. It
// reports whether nothing is wrong with them.
func (r *reader) testFields(t Text, to *TestEvent) bool {
	line := &File{lines: []string{t.Src}}
	sub := &reader{file: line, chunk: chunk{to: 1, src: t.Src + "\n"}}
	root, err := compose(sub.chunk.src)
	to.Fields, to.FieldPos = map[string]any{}, map[string]Pos{}
	if err != nil {
		sub.syntaxError(err)
	} else if root != nil && sub.plainTree(root, "", MaxDepth-2) {
		o := sub.object(root, "", "an event")
		for _, e := range o.entries {
			if !fieldName(e.key.Name) {
				sub.refuse(e.key.Pos, "", fmt.Sprintf("`%s` is not a field's name", shortened(e.key.Name)), fieldNameRule)
			}
			to.Fields[e.key.Name] = e.val.any()
			to.FieldPos[e.key.Name] = t.PosAt(byteOffset(t.Src, e.key.Pos.Col))
		}
	}
	for _, p := range sub.problems {
		r.problems = append(r.problems, t.problem(byteOffset(t.Src, p.Col), p.Detail, p.Hint))
	}
	return len(sub.problems) == 0
}

var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// any reads a value as JSON would: string, int64, float64, bool, nil or a
// list of strings. What JSON would not read as a number is text, so that
// 00123 stays a string.
func (v *value) any() any {
	switch {
	case v.node.Kind == yaml.SequenceNode:
		list := []string{}
		for _, i := range v.items() {
			if i.scalar() {
				list = append(list, i.node.Value)
			} else {
				i.wrong("a list of texts", "as in [a, b]")
			}
		}
		return list
	case v.node.Kind != yaml.ScalarNode:
		v.wrong("a single value or a list of texts", "fields are given by name, not nested as in the raw event")
		return nil
	case v.node.Style != 0:
		return v.node.Value
	}
	switch text := v.node.Value; {
	case text == "true" || text == "false":
		return text == "true"
	case text == "null" || text == "~" || text == "":
		return nil
	case jsonNumber.MatchString(text):
		return v.number(text)
	default:
		return text
	}
}

func (v *value) number(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		v.refuse(fmt.Sprintf("the number %s is too large", shortened(text)), "quote it if it is text")
	}
	return f
}
