package ceptest_test

import (
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/expr"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
)

// caseKey is the key of all random and scripted events.
const caseKey = "k1"

// compileEngine compiles the rule of a setting for the engine. The text says
// why it is refused.
func compileEngine(s *ceptest.Setting) (*prog.Rule, string) {
	env, err := s.Env()
	if err != nil {
		return nil, err.Error()
	}
	rule, problems := prog.Compile(s.Rule, env)
	for _, p := range problems {
		if !p.Warning {
			return nil, p.Detail
		}
	}
	return rule, ""
}

// An engine drives evaluators of one rule over several keys. Two evaluators
// take turns and every event is spoilt after its call, so that whatever an
// evaluator remembers outside its store shows.
type engine struct {
	rule       *prog.Rule
	evaluators [2]match.Evaluator
	turn       int
	covered    int64
	states     [][]byte // by key
	pages      []map[uint64][]byte
	past       *past
	timers     []int64
	alerts     [][]ceptest.Alert
	fired      int
	out        match.Output
}

// Keys are one byte: the position of their sequence.

func (e *engine) Get(key []byte) []byte      { return e.states[key[0]] }
func (e *engine) Put(key, state []byte)      { e.states[key[0]] = slices.Clone(state) }
func (e *engine) Edit(key []byte) []byte     { return e.states[key[0]] }
func (e *engine) Timer(key []byte, at int64) { e.timers[key[0]] = at }
func (e *engine) Covered() int64             { return e.covered }
func (e *engine) evaluator() match.Evaluator { e.turn ^= 1; return e.evaluators[e.turn] }

func (e *engine) Page(key []byte, number uint64) []byte {
	return slices.Clone(e.pages[key[0]][number])
}

func (e *engine) PutPage(key []byte, number uint64, page []byte) {
	if e.pages[key[0]] == nil {
		e.pages[key[0]] = map[uint64][]byte{}
	}
	e.pages[key[0]][number] = slices.Clone(page)
}

// timersMax bounds the deadlines of one case: an engine that sets them for
// ever fails instead of hanging.
const timersMax = 1000

// run drives the rule over sequences of events, one a key, merged by time:
// deadlines before the events of their time, and to the last deadline. A panic
// becomes an error.
func run(rule *prog.Rule, tables map[string]*expr.Table, sequences [][]*event.Event, covered int64) (alerts [][]ceptest.Alert, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the engine panics: %v\n%s", r, debug.Stack())
		}
	}()
	n := len(sequences)
	e := &engine{rule: rule, evaluators: [2]match.Evaluator{match.New(rule), match.New(rule)}, covered: covered,
		states: make([][]byte, n), pages: make([]map[uint64][]byte, n), timers: make([]int64, n), alerts: make([][]ceptest.Alert, n), past: newPast(rule, tables, n)}
	left := slices.Clone(sequences)
	for {
		key := earliest(left)
		if key < 0 {
			break
		}
		ev := left[key][0]
		left[key] = left[key][1:]
		e.fire(ev.Time)
		e.event(key, ev)
	}
	e.fire(1<<63 - 1)
	if e.fired == timersMax {
		return nil, fmt.Errorf("the engine set %d deadlines", e.fired)
	}
	return e.alerts, nil
}

// earliest returns the sequence whose next event comes first, or -1.
func earliest(left [][]*event.Event) int {
	first := -1
	for key, events := range left {
		if len(events) > 0 && (first < 0 || events[0].Time < left[first][0].Time) {
			first = key
		}
	}
	return first
}

// fire fires the deadlines up to a time, in order of time and key.
func (e *engine) fire(until int64) {
	for ; e.fired < timersMax; e.fired++ {
		key := -1
		for k, at := range e.timers {
			if at != 0 && at <= until && (key < 0 || at < e.timers[key]) {
				key = k
			}
		}
		if key < 0 {
			return
		}
		at := e.timers[key]
		e.timers[key] = 0
		e.past.at(key, at)
		e.evaluator().Deadline([]byte{byte(key)}, at, e, &e.out)
		e.collect(key)
	}
}

func (e *engine) event(key int, ev *event.Event) {
	defer e.past.add(key, ev)
	roles := rolesOf(e.rule, ev)
	if roles == 0 {
		return
	}
	e.past.at(key, ev.Time)
	lent := *ev
	lent.Values = slices.Clone(ev.Values)
	e.evaluator().Event([]byte{byte(key)}, &lent, roles, e, &e.out)
	e.collect(key)
	clear(lent.Values)
	lent.ID, lent.Time = "spoilt", 0
}

// collect moves what one call raised to the alerts of its key.
func (e *engine) collect(key int) {
	for i := range e.out.Found {
		e.alerts[key] = append(e.alerts[key], alertOf(&e.out.Found[i]))
	}
	e.out.Reset()
}

// rolesOf returns the bits of the roles under which an event has the case's
// key; 0 when it has none or is of another stream.
func rolesOf(rule *prog.Rule, ev *event.Event) uint64 {
	at := slices.Index(rule.Streams, ev.Schema)
	if at < 0 {
		return 0
	}
	var bits uint64
	for i, role := range rule.Keys[at].Roles {
		if len(role) == 1 && ev.Values[role[0]] == event.StringOf(caseKey) {
			bits |= 1 << i
		}
	}
	return bits
}

func alertOf(f *match.Found) ceptest.Alert {
	a := ceptest.Alert{At: f.At, By: ceptest.By(f.By), Event: copyOf(f.Event), Instant: f.Instant, Summary: f.Summary, Capped: f.Capped, Truncated: f.Truncated}
	for _, s := range f.Evidence {
		step := ceptest.StepEvents{Step: s.Step}
		for _, ev := range s.Events {
			step.Events = append(step.Events, copyOf(ev))
		}
		a.Evidence = append(a.Evidence, step)
	}
	for _, m := range f.Measures {
		a.Measures = append(a.Measures, ceptest.Measured(m))
	}
	return a
}

func copyOf(ev *event.Event) *event.Event {
	if ev == nil {
		return nil
	}
	c := *ev
	return &c
}

// compare runs engine and oracle over sequences of events, one a key, and
// returns both answers as text; they are equal when the two agree.
func compare(c *compiled, sequences [][]*event.Event, covered int64) (want, got string) {
	sequences = c.adopt(sequences)
	alerts, err := run(c.rule, c.setting.Tables, sequences, covered)
	for key, events := range sequences {
		judged := slices.DeleteFunc(c.oracle.Alerts(events, covered), func(a ceptest.Alert) bool { return a.Key[0] != event.StringOf(caseKey) })
		if key > 0 {
			want, got = want+"--\n", got+"--\n"
		}
		want += ceptest.FormatAlerts(judged)
		if err == nil {
			got += ceptest.FormatAlerts(alerts[key])
		}
	}
	if err != nil {
		got = err.Error()
	}
	return want, got
}
