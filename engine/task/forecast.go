package task

import (
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/engine/early"
)

// A forecast is what a profile will be ahead of the watermark, by key: early
// rules that read it see the accepted events before their own, held ones
// included. It is a cache, like the views of the rules.
type forecast map[string]*coming

// coming are the events of one key that a profile has not seen yet.
type coming struct {
	events []held // in key order
	state  []byte // after the first run of them
	run    int
	live   bool // state is that
}

// add files an event.
func (c *coming) add(h *held) {
	at := len(c.events)
	for at > 0 && compareHeld(&c.events[at-1], h) > 0 {
		at--
	}
	c.events = slices.Insert(c.events, at, *h)
	c.live = c.live && at >= c.run
}

// pop removes the first event if it is ev, which the profile has seen now.
func (c *coming) pop(ev *event.Event) {
	if len(c.events) == 0 || c.events[0].ev != ev {
		return
	}
	c.events = slices.Delete(c.events, 0, 1)
	if c.run > 0 {
		c.run--
	} else {
		c.live = false
	}
}

// forecasts begins the forecasts that the early slots of a group need, with the
// events held now.
func (t *Task) forecasts(g *group) {
	for _, s := range g.slots {
		if s.ahead == nil {
			continue
		}
		for _, y := range s.histories {
			if y.ahead != nil {
				continue
			}
			y.ahead = forecast{}
			for _, h := range g.held.all() {
				if h.ev = formOf(h.ev, y.prog.Stream); h.ev != nil && y.keyer.begin(h.ev) {
					y.ahead.add(y.keyer.bytes(), &h)
				}
			}
		}
	}
}

func (f forecast) add(key []byte, h *held) {
	c := f[string(key)]
	if c == nil {
		c = &coming{}
		f[string(key)] = c
	}
	c.add(h)
}

// pass takes an event that the profile has seen out of its forecast.
func (f forecast) pass(key []byte, ev *event.Event) {
	if c := f[string(key)]; c != nil {
		if c.pop(ev); len(c.events) == 0 {
			delete(f, string(key))
		}
	}
}

// A touch is a key of an early rule one of whose profiles has changed ahead of
// the watermark.
type touch struct {
	slot *slot
	key  string
}

// foretell files an accepted event with the forecasts of its stream. The events
// of early rules that come after it are to be run again: see rectify.
func (t *Task) foretell(g *group, h *held) {
	t.touched = t.touched[:0]
	for _, y := range g.feeds[h.feed].histories {
		if y.ahead == nil {
			continue
		}
		of := *h
		if of.ev = formOf(h.ev, y.prog.Stream); of.ev == nil || !y.keyer.begin(of.ev) {
			continue
		}
		key := y.keyer.bytes()
		y.ahead.add(key, &of)
		for _, s := range g.slots {
			if s.ahead == nil || !slices.Contains(s.histories, y) {
				continue
			}
			if v := s.ahead.views[string(key)]; v != nil && v.Rewind(of.ev) {
				t.touched = append(t.touched, touch{s, string(key)})
			}
		}
	}
}

// rectify runs what foretell found, unless the event itself has made it run.
func (t *Task) rectify(g *group) {
	for _, c := range t.touched {
		if v := c.slot.ahead.views[c.key]; v != nil && !v.Done() {
			t.runAhead(c.slot, []byte(c.key), v, g.mark)
		}
	}
}

// crowded reports whether a profile that the rule reads has more events to
// come than the rule may replay.
func (s *slot) crowded(key []byte) bool {
	return slices.ContainsFunc(s.histories, func(y *history) bool {
		c := y.ahead[string(key)]
		return c != nil && len(c.events) > s.rule.Limits.Replay
	})
}

// foresight makes a history ready to answer for a key as it will be before an
// item. Like recall it reads the State.
func (t *Task) foresight(y *history, key []byte, it *early.Item) {
	y.moment, y.opened = 0, false
	c := y.ahead[string(key)]
	if c == nil {
		y.state = append(y.state[:0], t.cfg.State.Get(y.id, key)...)
		return
	}
	n := len(c.events)
	for n > 0 && event.Compare(c.events[n-1].ev, it.Event) >= 0 {
		n--
	}
	if !c.live || n < c.run {
		c.state = append(c.state[:0], t.cfg.State.Get(y.id, key)...)
		c.run, c.live = 0, true
	}
	since := t.since
	for ; c.run < n; c.run++ {
		h := &c.events[c.run]
		t.since = h.epoch
		if next, _, taken := t.extend(y, c.state, h.ev); taken {
			c.state = append(c.state[:0], next...)
		}
	}
	t.since = since
	y.state = append(y.state[:0], c.state...)
}
