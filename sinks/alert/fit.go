package alert

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caltrop/caltrop/cep/event"
)

// The bounds of one alert (language §5). Past them first and last evidence is
// kept and the alert says truncated.
const (
	EvidenceMax = 200      // events; the first and last half are kept
	BytesMax    = 64 << 10 // of the JSON object
	RecordMax   = 1 << 20  // of the JSON object whose names and ids alone are over BytesMax
	summaryMax  = 4 << 10  // bytes of a summary in an alert over BytesMax
	measureMax  = 1 << 10  // bytes of a string measure in an alert over BytesMax
	ellipsis    = "\u2026" // ends a text that was cut
)

// AppendRecord appends the alert as a record of the alerts topic: as its JSON,
// after it was made to fit BytesMax. One whose names and ids alone are over
// RecordMax loses its evidence.
func (a *Alert) AppendRecord(dst []byte) []byte {
	begin := len(dst)
	dst = a.AppendJSON(dst)
	if len(dst)-begin > BytesMax {
		a.Fit(BytesMax)
		dst = a.AppendJSON(dst[:begin])
	}
	if len(dst)-begin > RecordMax {
		a.Evidence, a.Truncated = nil, true
		dst = a.AppendJSON(dst[:begin])
	}
	return dst
}

// Fit brings the alert within EvidenceMax events and bytesMax bytes of JSON,
// and marks it truncated where anything had to go. It drops evidence from the
// middle first, never the first and last event; then the fields of those two;
// then it cuts the summary and string measures. The key, names and event ids
// are never touched: an alert made of those alone may stay larger.
// Evidence events are shared and are not changed.
func (a *Alert) Fit(bytesMax int) {
	if steps, cut := Trim(a.Evidence, EvidenceMax); cut {
		a.Evidence, a.Truncated = steps, true
	}
	over := a.bytes() - bytesMax
	if over <= 0 {
		return
	}
	a.Truncated = true
	a.dropMiddle(over)
	if a.bytes() <= bytesMax {
		return
	}
	for i := range a.Evidence {
		a.Evidence[i].Events = bare(a.Evidence[i].Events)
	}
	a.Summary = cut(a.Summary, summaryMax)
	for i := range a.Measures {
		if m := &a.Measures[i]; m.Value.Type() == event.String {
			m.Value = event.StringOf(cut(m.Value.Str(), measureMax))
		}
	}
}

// Trim keeps the first and last max/2 evidence events in key order, and
// reports whether any went. Steps left empty are dropped; steps is not
// changed.
func Trim(steps []Step, max int) ([]Step, bool) {
	n := 0
	for _, s := range steps {
		n += len(s.Events)
	}
	if n <= max {
		return steps, false
	}
	all := inOrder(steps)
	return without(steps, all[max/2:len(all)-max/2]), true
}

// dropMiddle drops events from the middle outwards until over bytes are saved
// or two are left.
func (a *Alert) dropMiddle(over int) {
	all := inOrder(a.Evidence)
	lo, hi := len(all)/2, len(all)/2 // all[lo:hi] goes
	for over > 0 && (lo > 1 || hi < len(all)-1) {
		if hi-len(all)/2 <= len(all)/2-lo && hi < len(all)-1 || lo <= 1 {
			over -= all[hi].JSONBytes() + 1
			hi++
		} else {
			lo--
			over -= all[lo].JSONBytes() + 1
		}
	}
	a.Evidence = without(a.Evidence, all[lo:hi])
}

// inOrder returns all events of the steps in key order.
func inOrder(steps []Step) []*event.Event {
	var all []*event.Event
	for _, s := range steps {
		all = append(all, s.Events...)
	}
	slices.SortStableFunc(all, event.Compare)
	return all
}

func without(steps []Step, gone []*event.Event) []Step {
	drop := make(map[*event.Event]bool, len(gone))
	for _, e := range gone {
		drop[e] = true
	}
	var kept []Step
	for _, s := range steps {
		var events []*event.Event
		for _, e := range s.Events {
			if !drop[e] {
				events = append(events, e)
			}
		}
		if len(events) > 0 {
			kept = append(kept, Step{Name: s.Name, Events: events})
		}
	}
	return kept
}

// bare returns copies of the events without their fields.
func bare(events []*event.Event) []*event.Event {
	copies := make([]*event.Event, len(events))
	for i, e := range events {
		c := *e
		c.Values = nil
		copies[i] = &c
	}
	return copies
}

// cut shortens s to at most max bytes of whole runes, ellipsis included.
func cut(s string, max int) string {
	if len(s) <= max {
		return s
	}
	end := max - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.Clone(s[:end]) + ellipsis
}
