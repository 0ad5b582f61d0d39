package task

import (
	"math"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/window"
)

// A slot is one revision of a rule at work in a task. Around a Switch the old
// and the new one run side by side over the events held at that moment: each
// sees all events, and raises only what is its own. A match belongs to the
// revision that was live when its completing event was accepted, a deadline
// to the one that is live when it fires (language §8).
type slot struct {
	id        uint32
	place     int     // in the cohort
	cohort    *cohort // nil: its records are its own
	ref       Ref
	streams   []Ref      // the stream revisions it was compiled against, those of its profiles included
	profiles  []Ref      // the revisions of the profiles it reads, as rule.Profiles
	histories []*history // as profiles
	rule      *prog.Rule
	eval      match.Evaluator
	born      uint32    // raises for events accepted in epochs [born, died)
	died      uint32    // alive while it is live
	until     int64     // of a slot that died: it is dropped when the watermark gets here
	covered   int64     // since when its state is whole; unset before the first event
	retain    int64     // µs after which an untouched record is of no use, Never: always
	lateness  int64     // µs, the greatest of its streams
	modes     []stretch // none: always live
	level     int       // of a rule that reads alerts: above those it reads from; else 0
	counts    RuleCounts
	store     store
	ahead     *outlook // of a rule with timing early
	shown     *shown   // of a view
	shape     string   // of what may share records; "": it has its own
	keeper    *keeper  // of a first stage
	withdrawn bool     // of a view: it only takes back what it has published
}

const alive = math.MaxUint32

func (s *slot) clamp(epoch uint32) uint32 { return min(max(epoch, s.born), s.died-1) }

func (t *Task) newSlot(id uint32, r Rule, streams, profiles []Ref) *slot {
	s := &slot{id: id, ref: r.ref(), streams: streams, profiles: profiles,
		born: t.epoch, died: alive, covered: unset, retain: retention(r.Rule)}
	s.store = store{task: t, slot: s}
	s.run(r)
	return s
}

// run makes the slot's evaluator.
func (s *slot) run(r Rule) {
	s.rule, s.ahead = r.Rule, nil
	switch {
	case r.view != nil:
		s.shown = newShown(r.view)
		s.eval = s.shown.gauge
	case r.Stage == First:
		s.keeper = newKeeper(&r)
		s.eval = s.keeper.Keeper
	case r.Stage == Second:
		s.eval = window.NewMerger(r.Rule.Whole)
	case r.Evaluator != nil:
		s.eval = r.Evaluator(r.Rule)
	case r.Rule.Window != nil:
		s.eval = window.New(r.Rule)
	default:
		s.eval = match.New(r.Rule)
	}
	if r.Rule.Early {
		s.ahead = newOutlook(s)
	}
}

// retention returns how long after an event a record can matter: a match lies
// within `within` of its first event, and a leading absence looks back at most
// the longest gap.
func retention(r *prog.Rule) int64 {
	if r.Window != nil {
		return r.Window.Size
	}
	if r.Within == 0 {
		return Never
	}
	longest := int64(0)
	if r.Doc != nil {
		for _, step := range r.Doc.Steps {
			longest = max(longest, step.Gap.Microseconds())
		}
	}
	return r.Within + longest
}

// reads reports whether the rule was compiled against this very schema.
func (s *slot) reads(schema *event.Schema) bool {
	return slices.Contains(s.rule.Streams, schema)
}

// mentions reports whether the rule reads the schema's stream, at some
// revision.
func (s *slot) mentions(schema *event.Schema) bool {
	return slices.ContainsFunc(s.rule.Streams, func(own *event.Schema) bool { return own.Stream == schema.Stream })
}

// paged reports whether the rule's evaluator keeps pages.
func (s *slot) paged() bool { return s.rule.Window != nil && s.rule.Window.Kind == "rolling" }
