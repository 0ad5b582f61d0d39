package ceptest_test

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
)

// caseKey is the key of all random and scripted events.
const caseKey = "k1"

// compileEngine compiles the rule of a setting for the engine. The text says
// why it is refused.
func compileEngine(s *ceptest.Setting) (*prog.Rule, string) {
	rule, problems := prog.Compile(s.Rule, &prog.Env{Streams: s.Streams, Schemas: s.Schemas})
	for _, p := range problems {
		if !p.Warning {
			return nil, p.Detail
		}
	}
	return rule, ""
}

// A keyStore is the match.Store of the one key of a case.
type keyStore struct {
	state   []byte
	timer   int64
	covered int64
}

func (s *keyStore) Get([]byte) []byte        { return s.state }
func (s *keyStore) Put(_, state []byte)      { s.state = slices.Clone(state) }
func (s *keyStore) Timer(_ []byte, at int64) { s.timer = at }
func (s *keyStore) Covered() int64           { return s.covered }

// timersMax bounds the deadlines of one case: an engine that sets them for
// ever fails instead of hanging.
const timersMax = 1000

// runEngine drives an evaluator over the events of one key, deadlines before
// the events of their time, and to the last deadline. A panic becomes an error.
func runEngine(rule *prog.Rule, events []*event.Event, covered int64) (alerts []ceptest.Alert, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the engine panics: %v\n%s", r, debug.Stack())
		}
	}()
	store, evaluator, out := &keyStore{covered: covered}, match.New(rule), &match.Output{}
	fired := 0
	fire := func(until int64) {
		for ; store.timer != 0 && store.timer <= until && fired < timersMax; fired++ {
			at := store.timer
			store.timer = 0
			evaluator.Deadline([]byte(caseKey), at, store, out)
		}
	}
	for _, ev := range events {
		roles := rolesOf(rule, ev)
		if roles == 0 {
			continue
		}
		fire(ev.Time)
		evaluator.Event([]byte(caseKey), ev, roles, store, out)
	}
	fire(1<<63 - 1)
	if fired == timersMax {
		return nil, fmt.Errorf("the engine set %d deadlines", fired)
	}
	for i := range out.Found {
		alerts = append(alerts, alertOf(&out.Found[i]))
	}
	return alerts, nil
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
	a := ceptest.Alert{At: f.At, By: ceptest.By(f.By), Event: f.Event, Instant: f.Instant}
	for _, s := range f.Evidence {
		a.Evidence = append(a.Evidence, ceptest.StepEvents(s))
	}
	for _, m := range f.Measures {
		a.Measures = append(a.Measures, ceptest.Measured(m))
	}
	return a
}

// compare runs engine and oracle over the same events and returns both
// answers as text; they are equal when the two agree.
func compare(o *ceptest.Oracle, rule *prog.Rule, events []*event.Event, covered int64) (want, got string) {
	judged := slices.DeleteFunc(o.Alerts(events, covered), func(a ceptest.Alert) bool { return a.Key[0] != event.StringOf(caseKey) })
	want = ceptest.FormatAlerts(judged)
	alerts, err := runEngine(rule, events, covered)
	if err != nil {
		return want, err.Error()
	}
	return want, ceptest.FormatAlerts(alerts)
}

// firstLine returns the first line of a text.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
