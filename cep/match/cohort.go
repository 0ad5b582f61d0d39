package match

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/caltrop/caltrop/cep/event"
)

// A Cohort evaluates rules of one shape together: those of a States that differ
// in names, texts and conditions only. What they remember of a key is one
// record, in which members that remember the same stand together: they are
// told apart by what holds for the event, and each such part takes it once. A
// member remembers what it would alone, to the byte. Owned by one goroutine.
type Cohort struct {
	members []*States // by place; nil: free
	voices  []string  // by place: what its alerts are made from, besides the events
	present set
	readers []reading
	holding []set // by condition: the members for which it holds

	crowds []crowd
	next   []crowd
	parts  []part
	split  []part
	states []byte
	buf    []byte
	out    Output
	said   []saying
	at     []int // by place: in said; -1: it said nothing
	loud   []int
	sets   slab
}

// A reading is what the members ask of events of one schema, by condition.
type reading struct {
	schema  *event.Schema
	columns []column
}

// A crowd is members of which each remembers the same of a key.
type crowd struct {
	set   set
	state []byte
}

// A part is members of a crowd for which the same conditions hold.
type part struct {
	set     set
	holding uint64
}

// A saying is what one member has to tell of an event.
type saying struct {
	place int
	found []Found
	stats Stats
}

// Shape returns what evaluators that may be in one Cohort have in common, ""
// for one that may be in none.
func Shape(e Evaluator) string {
	s, ok := e.(*States)
	if !ok || s.pat.Adjacent || len(s.pat.Leads) > 0 || s.rule.Early || s.rule.Upstream != nil || !s.rule.Outside.None() {
		return ""
	}
	text := fmt.Sprint(s.shape, s.rule.Within, s.rule.First, s.rule.NoSkip, s.rule.Limits.Evidence, s.rule.KeyTypes)
	for i := range s.asked.list {
		k := &s.asked.list[i]
		if k.cond != nil && k.cond.Text == "" {
			return ""
		}
		text += fmt.Sprint(";", k.stream, k.role, k.cond == nil)
	}
	for i, schema := range s.rule.Streams {
		if len(s.rule.Keys[i].Roles) != 1 {
			return ""
		}
		text += fmt.Sprintf(";%p%v", schema, s.rule.Keys[i].Roles)
	}
	for i := range s.pat.Steps {
		text += fmt.Sprint(";", s.pat.Steps[i].Stream, s.pat.Steps[i].Many, s.pat.Steps[i].Gap)
	}
	return text
}

// Join gives an evaluator with the Cohort's Shape a free place.
func (c *Cohort) Join(e Evaluator, place int) {
	for len(c.members) <= place {
		c.members, c.voices, c.at = append(c.members, nil), append(c.voices, ""), append(c.at, -1)
	}
	c.members[place] = e.(*States)
	c.voices[place] = c.members[place].voice()
	c.present = c.present.grown(len(c.members))
	c.present.add(place)
	c.readers = nil
}

// Leave frees places. What their members remembered must be taken out of each
// record: see Without.
func (c *Cohort) Leave(places []int) {
	for _, p := range places {
		c.members[p] = nil
		c.present.remove(p)
	}
	c.readers = nil
}

// Share makes the Cohort ready for events of a schema, once its members share a
// sheet for them.
func (c *Cohort) Share(schema *event.Schema) {
	first := c.members[c.present.first()]
	for place := range c.present.all() {
		c.members[place].desk = first.desk
	}
	c.readers = append(c.readers, reading{schema, c.columnsOf(slices.Index(first.rule.Streams, schema))})
}

// Said returns what a member found at the latest event.
func (c *Cohort) Said(place int) ([]Found, Stats) {
	if c.at[place] < 0 {
		return nil, Stats{}
	}
	s := &c.said[c.at[place]]
	return s.found, s.stats
}

// Event advances the key of a record by an event with which the sheet has begun.
// It returns the new record where it changed, and the places of the members that
// have something to say; both are valid until the next call. ok is false where
// the members must be asked one by one, as a condition ends in an error: then
// nothing has changed.
func (c *Cohort) Event(raw []byte, ev *event.Event) (record []byte, changed bool, loud []int, ok bool) {
	c.forget()
	at := slices.IndexFunc(c.readers, func(r reading) bool { return r.schema == ev.Schema })
	if at < 0 || !c.judge(ev, c.readers[at].columns) {
		return nil, false, nil, false
	}
	c.read(raw)
	rest := c.sets.copy(c.present)
	for i := range c.crowds {
		k := &c.crowds[i]
		rest.subtract(k.set)
		k.set.intersect(c.present)
		changed = c.advance(k, ev) || changed
	}
	changed = c.advance(&crowd{set: rest}, ev) || changed
	if changed {
		c.crowds, c.next = c.next, c.crowds
		record = c.write()
	}
	return record, changed, c.loud, true
}

func (c *Cohort) forget() {
	for i := range c.said {
		c.at[c.said[i].place] = -1
		clear(c.said[i].found)
	}
	c.said, c.loud, c.next, c.states = c.said[:0], c.loud[:0], c.next[:0], c.states[:0]
	c.sets.reset(len(c.present))
}

// advance divides a crowd by what holds for it, and lets each part take the
// event. It reports whether anything changed.
func (c *Cohort) advance(k *crowd, ev *event.Event) (changed bool) {
	c.parts = append(c.parts[:0], part{set: k.set})
	for i, holding := range c.holding {
		c.split = c.split[:0]
		for _, p := range c.parts {
			with := c.sets.copy(p.set)
			if with.intersect(holding); !with.empty() {
				c.split = append(c.split, part{with, p.holding | 1<<i})
				p.set.subtract(with)
			}
			if !p.set.empty() {
				c.split = append(c.split, p)
			}
		}
		c.parts, c.split = c.split, c.parts
	}
	for i := range c.parts {
		changed = c.take(&c.parts[i], k.state, ev) || changed
	}
	return changed
}

// take lets members that remember the same, and for which the same holds, take
// the event.
func (c *Cohort) take(p *part, state []byte, ev *event.Event) (changed bool) {
	if p.holding == 0 {
		c.put(p.set, state)
		return false
	}
	s := c.members[p.set.first()]
	s.preset(ev, p.holding, &c.out)
	if state == nil && s.asked.of(s.start.asks) == 0 {
		return false
	}
	s.trim()
	s.open(state)
	if len(s.runs) == 0 && state != nil {
		state, changed = nil, true // all of it has expired
	}
	if !s.step() {
		c.put(p.set, state)
		return changed
	}
	s.holding = s.asked.all()
	c.raise(s, p, ev)
	from := len(c.states)
	c.states = append(c.states, s.encode()...)
	c.put(p.set, c.states[from:])
	if c.out.Stats != (Stats{}) {
		c.tell(p.set, c.out.Stats)
		c.out.Stats = Stats{}
	}
	return true
}

// preset makes ev the event that is asked about, of which it is known what holds.
func (s *States) preset(ev *event.Event, holding uint64, out *Output) {
	s.asked.begin(ev, 1, out)
	s.asked.known, s.asked.yes = ^uint64(0), holding
	s.out, s.now, s.facts = out, ev.Time, nil
}

// raise lets each member of a part write the match that completes for it.
func (c *Cohort) raise(s *States, p *part, ev *event.Event) {
	if len(s.done) == 0 {
		return
	}
	tail, partial := s.widest()
	last, voice := uint32(0), ""
	for place := range p.set.all() {
		if c.voices[place] != voice {
			m := c.members[place]
			m.preset(ev, p.holding, &c.out)
			c.out.Reset()
			last, voice = m.emit(tail, partial), c.voices[place]
		}
		said := c.saying(place)
		said.found = append(said.found[:0], c.out.Found...)
	}
	c.out.Reset()
	s.skip(last)
}

// voice is what the alerts of the rule are made from, besides the events: of two
// rules of one voice they differ in their names only.
func (s *States) voice() string {
	text := s.rule.Summary.Text()
	for i := range s.pat.Steps {
		text += fmt.Sprintf(";%q", s.pat.Steps[i].Name)
	}
	for _, m := range s.rule.Measures {
		text += fmt.Sprintf(";%q %q", m.Name, m.Expr.Text)
	}
	return text
}

// saying returns what a member says of the event, nothing yet at first.
func (c *Cohort) saying(place int) *saying {
	if c.at[place] < 0 {
		c.at[place], c.loud = len(c.said), append(c.loud, place)
		if len(c.said) < cap(c.said) {
			c.said = c.said[:len(c.said)+1]
		} else {
			c.said = append(c.said, saying{})
		}
		s := &c.said[len(c.said)-1]
		s.place, s.stats, s.found = place, Stats{}, s.found[:0]
	}
	return &c.said[c.at[place]]
}

func (c *Cohort) tell(of set, stats Stats) {
	for place := range of.all() {
		c.saying(place).stats = stats
	}
}

// put adds members to the record being made, with those that remember the same.
func (c *Cohort) put(members set, state []byte) {
	if len(state) == 0 || members.empty() {
		return
	}
	if len(c.next) <= mergeMax {
		for i := range c.next {
			if bytes.Equal(c.next[i].state, state) {
				c.next[i].set.unite(members)
				return
			}
		}
	}
	c.next = append(c.next, crowd{members, state})
}

// mergeMax is up to how many crowds of a key are looked through for one that
// remembers the same.
const mergeMax = 64
