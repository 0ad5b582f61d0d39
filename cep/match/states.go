package match

import (
	"fmt"
	"math"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/prog"
)

// A States evaluates a pattern rule whose conditions read the current event
// only (language §5): of the runs in one state of the automaton the one that
// started last does all that the others can, and expires last. So a key has
// one run a state; runs carry no events. The key retains every event that may
// be evidence, and an alert's is found by going through them again from the
// earliest start that completes. It holds scratch space only.
type States struct {
	rule   *prog.Rule
	pat    *prog.Pattern
	layout *layout
	asked  *conditions
	scribe *Machine // writes alerts; made for the first
	sheets []*Sheet // by stream; nil where there is none
	bits   int      // bytes that conditions take in a retained event
	shape  string
	*desk
}

// A desk is what the rules of one shape, that differ in names and conditions
// only, work at one after the other: their automaton and scratch space.
type desk struct {
	*automaton
	now       int64
	seq       uint32 // of the event being applied
	holding   uint64 // what holds for it; 0: it is not to be retained
	truncated bool
	runs      []live
	next      []live
	done      []ending
	turn      uint64
	kept      retained
	buf       []byte // the state being written
	events    []byte // of it
	packed    []byte
	tagged    []byte
	past      past
	out       *Output
	facts     *expr.Facts
}

// A live is a run in one of the automaton's states.
type live struct {
	spot        *spot
	first, last uint32 // events, by number
	start       int64  // time of the first
}

// An ending is a run that completes at the event being applied.
type ending struct {
	run live
	pos int32 // where the event is taken; -1: it is not
}

// newStates returns the evaluator; false where the rule is not of its kind.
func newStates(r *prog.Rule, l *layout) (*States, bool) {
	if r.Pattern.Stateful {
		return nil, false
	}
	asked, ok := conditionsOf(r)
	if !ok {
		return nil, false
	}
	a := newAutomaton(r, l, asked.ofPred)
	if a == nil {
		return nil, false
	}
	p := r.Pattern
	return &States{rule: r, pat: p, layout: l, asked: asked, bits: (len(asked.list) + 7) / 8, sheets: make([]*Sheet, len(r.Streams)),
		shape: fmt.Sprint(p.Adjacent, p.Positions, p.Loops, p.Start, p.Follow, asked.ofPred), desk: &desk{automaton: a}}, true
}

var (
	_ Evaluator = (*States)(nil)
	_ Guarded   = (*States)(nil)
	_ Sharing   = (*States)(nil)
)

// Guards implements Guarded.
func (s *States) Guards(schema *event.Schema) ([]*expr.Program, bool) {
	return guardsOf(s.rule, schema)
}

// Share implements Sharing.
func (s *States) Share(schema *event.Schema, sheet *Sheet) {
	s.asked.share(schema, sheet)
	s.desk = sheet.desk(s.shape, s.desk)
	for i, own := range s.rule.Streams {
		if own == schema {
			s.sheets[i] = sheet
		}
	}
}

// sheetNow returns the sheet that has begun with the event being applied.
func (s *States) sheetNow() *Sheet {
	if sheet := s.sheets[s.asked.stream]; sheet != nil && sheet.frame.Event == s.asked.ev {
		return sheet
	}
	return nil
}

// Deadline implements Evaluator: no run of these rules waits for a time.
func (s *States) Deadline([]byte, int64, Store, *Output) {}

// Event advances one key by one event; see Evaluator.
func (s *States) Event(key []byte, ev *event.Event, roles uint64, store Store, out *Output) {
	if !s.asked.begin(ev, roles, out) || !s.pat.Adjacent && !s.asked.any() {
		return
	}
	s.out, s.now = out, ev.Time
	s.facts = FactsOf(s.rule, store) // before the state is read: the store may read others
	raw := store.Get(key)
	if raw == nil && s.asked.of(s.start.asks) == 0 {
		return // a start takes an event that satisfies something
	}
	s.trim()
	s.open(raw)
	switch changed := s.step(); {
	case changed:
		s.holding = s.asked.all()
		s.raise()
		store.Put(key, s.encode())
	case s.pat.Adjacent && len(s.next) > 0: // the event stands between two others
		s.holding = 0
		store.Put(key, s.encode())
	}
}

// step moves every run by the event and reports whether anything changed.
func (s *States) step() (changed bool) {
	s.next, s.done = s.next[:0], s.done[:0]
	s.turn++
	for i := range s.runs {
		r := &s.runs[i]
		mv := s.move(r.spot, s.asked.of(r.spot.asks))
		if mv.same {
			s.put(*r)
			continue
		}
		changed = true
		s.follow(r, mv)
	}
	begun := live{first: s.seq, start: s.now}
	if mv := s.move(s.start, s.asked.of(s.start.asks)); !mv.same {
		changed = true
		s.follow(&begun, mv)
	}
	return changed
}

// follow makes the runs that a move gives.
func (s *States) follow(r *live, mv *move) {
	if mv.due {
		s.done = append(s.done, ending{run: *r, pos: -1})
	}
	for _, pos := range mv.accepts {
		s.done = append(s.done, ending{run: *r, pos: pos})
	}
	if mv.next != nil {
		s.put(live{mv.next, r.first, r.last, r.start})
	}
	for _, c := range mv.children {
		s.put(live{c, r.first, s.seq, r.start})
	}
}

// put adds a run, unless one in its state started as late.
func (s *States) put(r live) {
	if r.spot.turn != s.turn {
		r.spot.turn, r.spot.run = s.turn, len(s.next)
		s.next = append(s.next, r)
		return
	}
	if o := &s.next[r.spot.run]; r.first > o.first {
		*o = r
	}
}

// cut ends what began with an event up to number last.
func (s *States) cut(last uint32) {
	s.next = slices.DeleteFunc(s.next, func(r live) bool { return r.first <= last })
	s.kept.drop(math.MinInt64, last)
	if last >= s.seq {
		s.holding = 0
	}
}
