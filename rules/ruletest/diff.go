package ruletest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/syntax"
	"github.com/caltrop/caltrop/sinks/alert"
)

// wanted lists the alerts that a test expects.
func wanted(t *syntax.Test) []Alert {
	want := []Alert{}
	for _, a := range t.Alerts {
		want = append(want, Alert{At: offset(a.At), Key: keyText(a.Key)})
	}
	return want
}

// offset writes a time after the epoch as tests do: +1m30s.
func offset(d time.Duration) string {
	text := d.String()
	text = strings.TrimSuffix(text, "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(text, "m0s")]
	text = strings.TrimSuffix(text, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(text, "h0m")]
	if d < 0 {
		return text
	}
	return "+" + text
}

// keyText writes a test's key as JSON: the value, or an array of several.
func keyText(key []any) json.RawMessage {
	var v any = key
	if len(key) == 1 {
		v = key[0]
	}
	text, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage(fmt.Sprintf("%q", fmt.Sprint(key)))
	}
	return text
}

// keyOf writes an alert's key in the same form.
func keyOf(a *alert.Alert) json.RawMessage {
	if len(a.Key) == 1 {
		return a.Key[0].AppendJSON(nil)
	}
	text := []byte{'['}
	for i, v := range a.Key {
		if i > 0 {
			text = append(text, ',')
		}
		text = v.AppendJSON(text)
	}
	return append(text, ']')
}

// diff compares expected and raised alerts as multisets of time and key and
// lists what is missing and what is too much; "" when they are equal.
func diff(want, got []Alert) string {
	var b strings.Builder
	left := slices.Clone(got)
	for _, w := range want {
		i := slices.IndexFunc(left, func(g Alert) bool { return same(w, g) })
		if i >= 0 {
			left = slices.Delete(left, i, i+1)
			continue
		}
		fmt.Fprintf(&b, "- missing:    at %s, key %s\n", w.At, w.Key)
	}
	for _, g := range left {
		fmt.Fprintf(&b, "+ unexpected: at %s, key %s", g.At, g.Key)
		if g.Summary != "" {
			fmt.Fprintf(&b, "  (%s)", g.Summary)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func same(a, b Alert) bool { return a.At == b.At && string(a.Key) == string(b.Key) }
