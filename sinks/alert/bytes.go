package alert

import "github.com/caltrop/caltrop/cep/event"

// What parts of an alert take as JSON at most.
const (
	alertBytes  = 512 // the fixed members: names, numbers, times
	eventBytes  = 192 // likewise of an event
	scalarBytes = 48  // a number, a bool, a time
	memberBytes = 8   // quotes, colon, comma, and the underscore of a name that is taken
	escapeBytes = 6   // of one byte of a text
)

// bytesAtMost bounds the length of the alert's JSON without writing it.
func (a *Alert) bytesAtMost() int {
	n := alertBytes + textAtMost(string(a.Status)) + textAtMost(a.Rule) + textAtMost(a.Mode) + textAtMost(a.Severity) + textAtMost(a.Summary)
	for _, v := range a.Key {
		n += valueAtMost(v)
	}
	for _, m := range a.Measures {
		n += textAtMost(m.Name) + valueAtMost(m.Value)
	}
	for name := range a.Lists {
		n += textAtMost(name) + scalarBytes
	}
	for _, s := range a.Evidence {
		n += textAtMost(s.Name)
		for _, e := range s.Events {
			n += eventAtMost(e)
		}
	}
	return n
}

func eventAtMost(e *event.Event) int {
	n := eventBytes + textAtMost(e.ID) + textAtMost(e.Schema.Stream)
	for i, v := range e.Values {
		if v.Present() {
			n += textAtMost(e.Schema.Fields[i].Name) + valueAtMost(v)
		}
	}
	return n
}

func valueAtMost(v event.Value) int {
	n := scalarBytes + escapeBytes*len(v.Str())
	if v.Type() == event.StringList {
		n += int(v.Int()) * memberBytes
	}
	return n
}

func textAtMost(s string) int { return memberBytes + escapeBytes*len(s) }
