package ceptest_test

import (
	"slices"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
)

// A compiled draft, ready for both sides.
type compiled struct {
	setting *ceptest.Setting
	oracle  *ceptest.Oracle
	rule    *prog.Rule
}

// compileBoth compiles a draft for oracle and engine; refusal says which part
// does not take it, and why.
func compileBoth(d *ceptest.Draft) (c *compiled, refusal string) { return compileText(d.Text()) }

func compileText(text string) (c *compiled, refusal string) {
	setting, err := ceptest.Parse(text)
	if err != nil {
		return nil, firstLine(err.Error())
	}
	rule, refusal := compileEngine(setting)
	if refusal != "" {
		return nil, "engine: " + refusal
	}
	oracle, err := ceptest.New(setting.Rule, setting.Schemas)
	if err != nil {
		return nil, "oracle: " + err.Error()
	}
	return &compiled{setting, oracle, rule}, ""
}

// shrink makes a difference smaller while it remains one: fewer events, then a
// smaller rule, until neither helps.
func shrink(d *difference) *difference {
	for {
		next := smallerDifference(d)
		if next == nil {
			return d
		}
		d = next
	}
}

func smallerDifference(d *difference) *difference {
	for i := range d.events {
		c := *d
		c.events = slices.Delete(slices.Clone(d.events), i, i+1)
		if c.differs() {
			return &c
		}
	}
	for _, draft := range d.draft.Smaller() {
		c := *d
		c.draft = draft
		if c.differs() {
			return &c
		}
	}
	return nil
}

// differs reports whether oracle and engine still disagree.
func (d *difference) differs() bool {
	c, refusal := compileBoth(d.draft)
	if refusal != "" {
		return false
	}
	want, got := compare(c.oracle, c.rule, eventsOf(c.setting, d.events), d.covered)
	return want != got
}

// eventsOf moves events to the schemas of another compilation.
func eventsOf(s *ceptest.Setting, events []*event.Event) []*event.Event {
	out := make([]*event.Event, len(events))
	for i, ev := range events {
		moved := *ev
		moved.Schema = s.Schemas[ev.Schema.Stream]
		out[i] = &moved
	}
	return out
}
