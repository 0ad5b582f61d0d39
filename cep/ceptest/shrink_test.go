package ceptest_test

import (
	"errors"
	"slices"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/prog"
)

// A compiled rule, ready for both sides.
type compiled struct {
	setting *ceptest.Setting
	oracle  *ceptest.Oracle
	rule    *prog.Rule
}

// compileBoth compiles a rule for oracle and engine; refusal says which part
// does not take it, and why.
func compileBoth(text string) (c *compiled, refusal string) {
	setting, err := ceptest.Parse(text)
	if err != nil {
		var r *ceptest.Refused
		if errors.As(err, &r) {
			return nil, "syntax: " + r.Problem.Detail
		}
		return nil, err.Error()
	}
	rule, refusal := compileEngine(setting)
	if refusal != "" {
		return nil, "engine: " + refusal
	}
	oracle, err := setting.Oracle()
	if err != nil {
		return nil, "oracle: " + err.Error()
	}
	return &compiled{setting, oracle, rule}, ""
}

// adopt moves events to the schemas of this compilation.
func (c *compiled) adopt(sequences [][]*event.Event) [][]*event.Event {
	out := make([][]*event.Event, len(sequences))
	for i, events := range sequences {
		for _, ev := range events {
			moved := *ev
			moved.Schema = c.setting.Schemas[ev.Schema.Stream]
			out[i] = append(out[i], &moved)
		}
	}
	return out
}

// A difference is a case on which engine and oracle disagree.
type difference struct {
	draft     *ceptest.Draft
	sequences [][]*event.Event // one a key
	covered   int64
	index     uint64 // of the rule
}

// shrink makes a difference smaller while it remains one: fewer keys, fewer
// events, then a smaller rule, until nothing helps.
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
	for key, events := range d.sequences {
		if len(d.sequences) > 1 {
			c := *d
			c.sequences = slices.Delete(slices.Clone(d.sequences), key, key+1)
			if c.differs() {
				return &c
			}
		}
		for i := range events {
			c := *d
			c.sequences = slices.Clone(d.sequences)
			c.sequences[key] = slices.Delete(slices.Clone(events), i, i+1)
			if c.differs() {
				return &c
			}
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
	c, refusal := compileBoth(d.draft.Text())
	if refusal != "" {
		return false
	}
	want, got := compare(c, d.sequences, d.covered)
	return want != got
}
