package ceptest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/caltrop/caltrop/cep/event"
)

// Events in scripts are one a line, in key order:
//
//	+5s e a 3 u=1
//
// is an event of stream e at Epoch + 5 s, of kind a and value v 3, with further
// fields by name. Its id is its kind and the number of its line; its key is k1
// unless a field says otherwise.

// FormatEvents writes events of drafts as lines of a script.
func FormatEvents(events []*event.Event) string {
	var b strings.Builder
	for _, ev := range events {
		fmt.Fprintf(&b, "+%s %s %s %d", time.Duration(ev.Time-Epoch)*time.Microsecond, ev.Schema.Stream, fieldOf(ev, "kind").Str(), fieldOf(ev, "v").Int())
		for _, name := range []string{"u", "rate", "cost"} {
			if v := fieldOf(ev, name); v.Present() {
				fmt.Fprintf(&b, " %s=%s", name, v.AppendText(nil))
			}
		}
		for _, name := range []string{"k", "to"} {
			if v := fieldOf(ev, name); v.Present() && (v.Str() != draftKey || name == "to") {
				fmt.Fprintf(&b, " %s=%s", name, v.Str())
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func fieldOf(ev *event.Event, name string) event.Value {
	if at := ev.Schema.Index(name); at >= 0 {
		return ev.Values[at]
	}
	return event.Value{}
}

// ParseEvents reads the events of a script.
func ParseEvents(s *Setting, text string) ([]*event.Event, error) {
	var events []*event.Event
	for n, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if line == "" {
			continue
		}
		ev, err := parseEvent(s, strings.Fields(line), n+1)
		if err != nil {
			return nil, fmt.Errorf("reading event line %d: %w", n+1, err)
		}
		events = append(events, ev)
	}
	return events, nil
}

func parseEvent(s *Setting, words []string, n int) (*event.Event, error) {
	if len(words) < 4 {
		return nil, fmt.Errorf("want time, stream, kind and value, got %q", words)
	}
	at, err := time.ParseDuration(words[0])
	if err != nil {
		return nil, fmt.Errorf("reading the time: %w", err)
	}
	schema := s.Schemas[words[1]]
	if schema == nil {
		return nil, fmt.Errorf("no stream %q", words[1])
	}
	ev := &event.Event{Schema: schema, Time: Epoch + at.Microseconds(), ID: words[2] + strconv.Itoa(n), Offset: int64(n), Values: make([]event.Value, len(schema.Fields))}
	fields := append([]string{"k=" + draftKey, "kind=" + words[2], "v=" + words[3]}, words[4:]...)
	for _, f := range fields {
		name, text, _ := strings.Cut(f, "=")
		at := schema.Index(name)
		if at < 0 {
			return nil, fmt.Errorf("stream %s has no field %q", words[1], name)
		}
		if ev.Values[at], err = parseValue(&schema.Fields[at], text); err != nil {
			return nil, fmt.Errorf("reading field %s: %w", name, err)
		}
	}
	return ev, nil
}

func parseValue(f *event.Field, text string) (event.Value, error) {
	switch f.Type {
	case event.String:
		return event.StringOf(text), nil
	case event.Double, event.Decimal:
		x, err := strconv.ParseFloat(text, 64)
		if f.Type == event.Decimal {
			return event.DecimalOf(int64(math.Round(x*math.Pow10(int(f.Scale)))), f.Scale), err
		}
		return event.DoubleOf(x), err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return event.IntOf(n), err
}

// FormatAlerts writes alerts one a line: time, what completed it, evidence,
// measures, summary.
func FormatAlerts(alerts []Alert) string {
	var b strings.Builder
	for i := range alerts {
		a := &alerts[i]
		fmt.Fprintf(&b, "+%s", time.Duration(a.At-Epoch)*time.Microsecond)
		switch a.By {
		case ByEvent:
			fmt.Fprintf(&b, " by %s:", a.Event.ID)
		case ByDeadline:
			b.WriteString(" by deadline:")
		case ByWindow:
			fmt.Fprintf(&b, " by window +%s:", time.Duration(a.Instant-Epoch)*time.Microsecond)
		}
		for _, s := range a.Evidence {
			fmt.Fprintf(&b, " %s=%s", s.Step, strings.Join(ids(s.Events), ","))
		}
		for _, m := range a.Measures {
			fmt.Fprintf(&b, " %s=%.9g", m.Name, number(m.Value))
		}
		if a.Capped {
			b.WriteString(" capped")
		}
		if a.Summary != "" {
			fmt.Fprintf(&b, " %q", a.Summary)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
