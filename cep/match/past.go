package match

import (
	"cmp"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
)

// A past is the retained events of a key, gone through again for the evidence
// of an alert. Of the runs that began with the same event, one a state is
// kept, the widest: what follows widens all of them alike.
type past struct {
	events []pastEvent // in order; the event being applied is the last
	runs   []pastRun
	next   []pastRun
	links  []pastLink
	steps  [2][][]int32
	chain  []int32
	ends   []uint32
	near   []neighbour
}

type pastEvent struct {
	seq     uint32
	time    int64
	holding uint64
	rest    []byte // stream and compact form; nil for the event being applied
}

type pastRun struct {
	spot *spot
	link int32
}

// A pastLink is an event taken at a position, and the link before it.
type pastLink struct{ event, pos, prev int32 }

const noLink = -1

// raise emits the widest match that completes at the event being applied, then
// cuts.
func (s *States) raise() {
	if len(s.done) > 0 {
		tail, partial := s.widest()
		s.skip(s.emit(tail, partial))
	}
}

// widest returns the last link of the widest match that completes now; partial
// where some event of it is forgotten.
func (s *States) widest() (tail int32, partial bool) {
	p := &s.past
	p.load(s)
	for i := range p.events {
		if link := s.rebuild(i); link != noLink {
			return link, false
		}
	}
	return s.outline(), true
}

// skip ends what a match that ended with an event of a number ends.
func (s *States) skip(last uint32) {
	if !s.rule.NoSkip {
		s.cut(last)
	}
}

func (p *past) load(s *States) {
	p.events = p.events[:0]
	last := s.kept.before
	for b := s.kept.b; len(b) > 0; {
		e := s.kept.at(b, last)
		p.events = append(p.events, pastEvent{e.seq, e.time, e.holding, e.rest})
		last, b = e.instant, b[e.size:]
	}
	p.events = append(p.events, pastEvent{seq: s.seq, time: s.now, holding: s.holding})
}

// rebuild follows the runs that the event at index from begins, and returns
// the last link of the widest match that completes now; noLink when none does.
func (s *States) rebuild(from int) int32 {
	p := &s.past
	p.links, p.runs = p.links[:0], p.runs[:0]
	best := int32(noLink)
	for i := from; i < len(p.events); i++ {
		s.turn++
		p.next = p.next[:0]
		e := &p.events[i]
		last := i == len(p.events)-1
		visit := func(r pastRun) {
			mv := s.move(r.spot, e.holding)
			s.goOn(r, mv, int32(i))
			if last {
				best = s.finish(r, mv, int32(i), best)
			}
		}
		if i == from {
			visit(pastRun{s.start, noLink})
		}
		for _, r := range p.runs {
			if r.spot.fresh && e.seq != p.events[i-1].seq+1 {
				r.spot = r.spot.stale
			}
			visit(r)
		}
		p.runs, p.next = p.next, p.runs
		if len(p.runs) == 0 {
			return best
		}
	}
	return best
}

// goOn makes the runs that a move gives.
func (s *States) goOn(r pastRun, mv *move, at int32) {
	if mv.next != nil {
		s.meet(pastRun{mv.next, r.link})
	}
	if mv.same && r.spot.pos >= 0 {
		return
	}
	for _, c := range mv.children {
		s.meet(pastRun{c, s.past.add(at, c.pos, r.link)})
	}
}

// meet adds a run, or lets the wider of two in one state go on.
func (s *States) meet(r pastRun) {
	p := &s.past
	if r.spot.turn != s.turn {
		r.spot.turn, r.spot.run = s.turn, len(p.next)
		p.next = append(p.next, r)
		return
	}
	if o := &p.next[r.spot.run]; s.wider(r.link, o.link) {
		*o = r
	}
}

// finish returns the widest of best and the matches that complete with a move.
func (s *States) finish(r pastRun, mv *move, at, best int32) int32 {
	widen := func(link int32) {
		if best == noLink || s.wider(link, best) {
			best = link
		}
	}
	if mv.due {
		widen(r.link)
	}
	for _, pos := range mv.accepts {
		widen(s.past.add(at, pos, r.link))
	}
	return best
}

func (p *past) add(event, pos, prev int32) int32 {
	p.links = append(p.links, pastLink{event, pos, prev})
	return int32(len(p.links)) - 1
}

// wider reports whether the match that ends at link a is wider than that at b,
// both having begun with the same event.
func (s *States) wider(a, b int32) bool {
	s.spread(0, a)
	s.spread(1, b)
	return compareSteps(s.past.steps[0], s.past.steps[1]) < 0
}

// spread lists the events of a match by step.
func (s *States) spread(to int, link int32) {
	p := &s.past
	if p.steps[to] == nil {
		p.steps[to] = make([][]int32, len(s.pat.Steps))
	}
	steps := p.steps[to]
	for i := range steps {
		steps[i] = steps[i][:0]
	}
	for ; link != noLink; link = p.links[link].prev {
		l := &p.links[link]
		step := s.pat.Positions[l.pos].Step
		steps[step] = append(steps[step], l.event)
	}
	for _, events := range steps {
		slices.Reverse(events)
	}
}

// outline returns the last link of what is left of a match of which an event
// in the middle is forgotten: its first and its last event.
func (s *States) outline() int32 {
	p := &s.past
	p.links = p.links[:0]
	d := slices.MinFunc(s.done, func(a, b ending) int { return cmp.Compare(a.run.first, b.run.first) })
	link := int32(noLink)
	for i := range p.events {
		e := &p.events[i]
		switch {
		case e.seq == s.seq && d.pos >= 0:
			link = p.add(int32(i), d.pos, link)
		case e.seq == d.run.first:
			link = p.add(int32(i), s.begun(e.holding), link)
		case e.seq == d.run.last && d.pos < 0:
			link = p.add(int32(i), d.run.spot.pos, link)
		}
	}
	return link
}

// begun returns a position at which an event may start a match.
func (s *States) begun(holding uint64) int32 {
	mv := s.move(s.start, holding)
	if len(mv.children) > 0 {
		return mv.children[0].pos
	}
	return mv.accepts[0]
}

// emit writes the match that ends at a link, and returns the number of its last
// event.
func (s *States) emit(tail int32, partial bool) (last uint32) {
	p, m := &s.past, s.writer()
	m.begin(s.asked.ev, s.asked.roles, s.out)
	m.load(nil)
	m.st.truncated = s.truncated || partial
	p.chain = p.chain[:0]
	for l := tail; l != noLink; l = p.links[l].prev {
		p.chain = append(p.chain, l)
	}
	slices.Reverse(p.chain)
	for i, l := range p.chain {
		e := &p.events[p.links[l].event]
		last = e.seq
		ev := s.recall(e)
		m.st.held = append(m.st.held, held{time: e.time, seq: uint64(e.seq), ev: ev, kept: ev})
		m.st.links = append(m.st.links, link{event: int32(i), pos: p.links[l].pos, prev: int32(i) - 1})
	}
	c := candidate{tail: int32(len(p.chain)) - 1}
	m.picked.reset()
	c.steps = m.stepsOf(c.tail)
	if last != s.seq {
		ev := s.lasting()
		m.st.held = append(m.st.held, held{time: s.now, seq: uint64(s.seq), ev: ev, kept: ev})
	}
	m.emit(&c, ByEvent)
	return last
}

// writer returns the machine that writes the alerts of the rule.
func (s *States) writer() *Machine {
	if s.scribe == nil {
		s.scribe = newMachine(s.rule)
		s.scribe.layout = s.layout
	}
	s.scribe.frame.Facts = s.facts
	return s.scribe
}

// recall returns an event of the past, to last.
func (s *States) recall(e *pastEvent) *event.Event {
	if e.rest == nil {
		return s.lasting()
	}
	stream, packed := 0, e.rest
	if len(s.rule.Streams) > 1 {
		stream, packed = int(packed[0]), packed[1:]
	}
	if sheet := s.sheetNow(); sheet != nil {
		return sheet.recall(s.rule.Streams[stream], e.time, packed)
	}
	return unpack(s.rule.Streams[stream], e.time, packed)
}

// lasting returns a copy of the event being applied that lasts.
func (s *States) lasting() *event.Event {
	if sheet := s.sheetNow(); sheet != nil {
		return sheet.lasting()
	}
	return clone(s.asked.ev)
}

// unpack reads an event that was packed with its own time as the base.
func unpack(schema *event.Schema, time int64, packed []byte) *event.Event {
	ev := &event.Event{}
	if _, err := event.DecodeEvent(schema, packed, ev, event.Packing{Base: time, Layouts: true}); err != nil {
		panic("match: state: " + err.Error())
	}
	ev.Schema = schema
	return ev
}
