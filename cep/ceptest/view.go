package ceptest

import (
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/syntax"
)

// An Update is one value that a view must publish.
type Update struct {
	Key    []event.Value
	At     int64  // event time, µs
	Status string // open | closed | empty
	Start  int64  // of the window; 0 when empty
	Last   int64  // of the window's latest event; 0 when empty and of tumbling and sliding windows
	End    int64  // when the window ends or empties if no other event comes; 0 when empty
	Events int
	Values []Measured // in the order of the document; those in error are left out
}

// A ViewOracle judges one view.
type ViewOracle struct {
	o     *Oracle
	names []string
	every int64
}

// ViewOracle returns the oracle of the view, as Oracle does that of a rule.
func (s *Setting) ViewOracle() (*ViewOracle, error) {
	doc := s.View
	rule := &syntax.Rule{Meta: doc.Meta, Key: doc.Key, Window: doc.Window, Values: doc.Values, Limits: syntax.DefaultLimits()}
	o, err := newOracle(rule, s.Schemas, s.Profiles, s.known, s.Tables)
	if err != nil {
		return nil, fmt.Errorf("compiling view %s: %w", doc.Name, err)
	}
	v := &ViewOracle{o: o, every: doc.Every.Microseconds()}
	for _, value := range doc.Values {
		v.names = append(v.names, value.Name)
	}
	return v, nil
}

// Updates returns what the view must publish for accepted events, as
// Oracle.Alerts does for a rule, by key and then in the order of time.
func (v *ViewOracle) Updates(events []*event.Event) []Update {
	var all []Update
	for _, h := range v.o.histories(events) {
		inside := slices.DeleteFunc(slices.Clone(h.events), func(ev *event.Event) bool { return !v.o.windowTakes(h, ev) })
		switch w := v.o.window; w.kind {
		case "rolling":
			for _, run := range w.sessions(inside) { // it empties when the last event is as old as the window is long
				all = v.open(all, h, run)
				all = append(all, Update{Key: h.key, At: run.at, Status: "empty"})
			}
		case "session":
			for _, s := range w.sessions(inside) {
				all = v.open(all, h, s)
				all = append(all, v.update(h, s.at, "closed", s.events))
			}
		default:
			all = v.panes(all, h, w.panes(inside))
		}
	}
	return all
}

// panes publishes each window at its end; what it said is out of date when the
// next one would end and has no event.
func (v *ViewOracle) panes(all []Update, h *history, spans []span) []Update {
	for i := range spans {
		s := &spans[i]
		u := v.values(h, s, Update{Key: h.key, At: s.at, Status: "closed", Start: s.start, End: s.at, Events: len(s.events)})
		all = append(all, u)
		if next := s.at + v.o.window.every; i == len(spans)-1 || spans[i+1].at > next {
			all = append(all, Update{Key: h.key, At: next, Status: "empty"})
		}
	}
	return all
}

// open publishes one session, or one time in which a rolling window is not
// empty, while it goes on: when an event changes it, but not before every has
// passed since it last was; then at that moment, ahead of the events there.
func (v *ViewOracle) open(all []Update, h *history, s span) []Update {
	next, due := s.events[0].Time, false
	for i, ev := range s.events {
		if due && next <= ev.Time {
			all = append(all, v.update(h, next, "open", s.events[:i]))
			next, due = next+v.every, false
		}
		switch {
		case ev.Time < next:
			due = true
		default:
			all = append(all, v.update(h, ev.Time, "open", s.events[:i+1]))
			next = ev.Time + v.every
		}
	}
	if due && next < s.at {
		all = append(all, v.update(h, next, "open", s.events))
	}
	return all
}

// update is the window as its events so far make it.
func (v *ViewOracle) update(h *history, at int64, status string, events []*event.Event) Update {
	w, last := v.o.window, events[len(events)-1]
	s := span{start: events[0].Time, at: at, events: events}
	if w.kind == "rolling" {
		s.start = last.Time - w.size
		s.events = slices.DeleteFunc(slices.Clone(events), func(e *event.Event) bool { return e.Time <= s.start })
		s.events = s.events[max(0, len(s.events)-w.capacity):]
	}
	return v.values(h, &s, Update{Key: h.key, At: at, Status: status, Start: s.start, Last: last.Time, End: last.Time + w.size, Events: len(s.events)})
}

func (v *ViewOracle) values(h *history, s *span, u Update) Update {
	for i, value := range v.o.frame(h, s).Values {
		if value.Present() {
			u.Values = append(u.Values, Measured{v.names[i], value})
		}
	}
	return u
}
