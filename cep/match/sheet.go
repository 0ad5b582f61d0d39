package match

import (
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
)

// A Sharing evaluator asks its conditions on events of a schema of a sheet.
// Its owner begins the sheet with an event before it calls Event, and ends it
// after that; of any other event the evaluator judges by itself.
type Sharing interface {
	Share(schema *event.Schema, s *Sheet)
}

// A Sheet answers the conditions of many rules on the events of one schema:
// each distinct one at most once an event, and only when it is asked for. One
// goroutine at a time.
type Sheet struct {
	places      map[string]int // by the condition's text
	conditions  []*expr.Program
	answers     []answer
	number      uint64 // of the event; an answer of another number is none
	evaluations uint64
	frame       expr.Frame
	packed      []byte // compact form of the event, once asked for
	clone       *event.Event
	keepsakes   []keepsake
	texts       []byte
	desks       map[string]*desk // by the shape of the rules
}

// A keepsake is an event of the past that alerts at one event refer to.
type keepsake struct {
	schema *event.Schema
	time   int64
	packed []byte
	ev     *event.Event
}

// keepsakesMax bounds the events of the past that rules share at one event.
const keepsakesMax = 64

type answer struct {
	number    uint64
	truth, ok bool
}

// NewSheet returns a sheet without conditions.
func NewSheet() *Sheet { return &Sheet{places: map[string]int{}, desks: map[string]*desk{}} }

// notShared is the place of a condition that is no sheet's.
const notShared = -1

// place returns the place of a condition, adding it when it is new; notShared
// when it reads more than the event.
func (s *Sheet) place(c *expr.Program) int {
	if c == nil || c.Text == "" || len(c.Reads.Steps) > 0 || c.Reads.Prev || c.Reads.Outside {
		return notShared
	}
	i, ok := s.places[c.Text]
	if !ok {
		i = len(s.conditions)
		s.places[c.Text] = i
		s.conditions, s.answers = append(s.conditions, c), append(s.answers, answer{})
	}
	return i
}

// Begin makes ev the event that is asked about.
func (s *Sheet) Begin(ev *event.Event) {
	s.number++
	s.frame.Event, s.frame.Time = ev, ev.Time
}

// End forgets the event: its memory may be another's from now on.
func (s *Sheet) End() {
	s.frame.Event, s.clone, s.packed = nil, nil, s.packed[:0]
	clear(s.keepsakes)
	s.keepsakes, s.texts = s.keepsakes[:0], s.texts[:0]
}

// pack returns the compact form of the event, its times from its own.
func (s *Sheet) pack() []byte {
	if len(s.packed) == 0 {
		ev := s.frame.Event
		s.packed = event.AppendEvent(s.packed, ev, event.Packing{Base: ev.Time, Layouts: true})
	}
	return s.packed
}

// lasting returns a copy of the event that lasts, the same one to all who ask.
func (s *Sheet) lasting() *event.Event {
	if s.clone == nil {
		s.clone = clone(s.frame.Event)
	}
	return s.clone
}

// recall returns an event of the past from its compact form, the same one to
// all who ask.
func (s *Sheet) recall(schema *event.Schema, time int64, packed []byte) *event.Event {
	for i := range s.keepsakes {
		if k := &s.keepsakes[i]; k.time == time && k.schema == schema && string(k.packed) == string(packed) {
			return k.ev
		}
	}
	ev := unpack(schema, time, packed)
	if len(s.keepsakes) < keepsakesMax {
		from := len(s.texts)
		s.texts = append(s.texts, packed...)
		s.keepsakes = append(s.keepsakes, keepsake{schema, time, s.texts[from:], ev})
	}
	return ev
}

// desk returns the desk of the rules of a shape; own becomes it for the first.
func (s *Sheet) desk(shape string, own *desk) *desk {
	if d := s.desks[shape]; d != nil {
		return d
	}
	s.desks[shape] = own
	return own
}

// Evaluations returns how many conditions have been evaluated.
func (s *Sheet) Evaluations() uint64 { return s.evaluations }

// holds answers the condition at a place as expr.Program.Holds does.
func (s *Sheet) holds(place int) (truth, ok bool) {
	a := &s.answers[place]
	if a.number != s.number {
		s.evaluations++
		a.number = s.number
		a.truth, a.ok = s.conditions[place].Holds(&s.frame)
	}
	return a.truth, a.ok
}

var _ Sharing = (*Machine)(nil)

// Share implements Sharing.
func (m *Machine) Share(schema *event.Schema, s *Sheet) {
	if m.shared == nil {
		m.shared = make([]sharedCondition, len(m.pat.Preds))
	}
	for i := range m.pat.Preds {
		p := &m.pat.Preds[i]
		if m.rule.Streams[p.Stream] != schema || !p.Unary {
			continue
		}
		if at := s.place(p.Cond); at != notShared {
			m.shared[i] = sharedCondition{s, at}
		}
	}
}

// A sharedCondition is one that a sheet answers; without a sheet the machine
// evaluates it.
type sharedCondition struct {
	sheet *Sheet
	place int
}

// evalUnary evaluates a condition that reads the current event only.
func (m *Machine) evalUnary(i int) bool {
	if m.shared == nil || m.shared[i].sheet == nil || m.shared[i].sheet.frame.Event != m.ev {
		return m.eval(m.pat.Preds[i].Cond)
	}
	truth, ok := m.shared[i].sheet.holds(m.shared[i].place)
	if !ok {
		m.out.Stats.ConditionErrors++
	}
	return truth && ok
}
