package window_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/window"
)

// A store keeps the states, pages and timers of all keys of one rule.
type store struct {
	states map[string][]byte
	timers map[string]int64
	pages  map[string][]byte
	raised []raised
}

func (s *store) Page(key []byte, number uint64) []byte {
	return slices.Clone(s.pages[fmt.Sprint(string(key), number)])
}

func (s *store) PutPage(key []byte, number uint64, page []byte) {
	name := fmt.Sprint(string(key), number)
	delete(s.pages, name)
	if len(page) > 0 {
		s.pages[name] = slices.Clone(page)
	}
}

func (s *store) Edit(key []byte) []byte { return s.states[string(key)] }

type raised struct {
	key   event.Value
	found match.Found
}

func newStore() *store {
	return &store{states: map[string][]byte{}, timers: map[string]int64{}, pages: map[string][]byte{}}
}

func (s *store) Get(key []byte) []byte { return s.states[string(key)] }
func (s *store) Covered() int64        { return 0 }

func (s *store) Put(key, state []byte) {
	delete(s.states, string(key))
	if len(state) > 0 {
		s.states[string(key)] = slices.Clone(state)
	}
}

func (s *store) Timer(key []byte, at int64) {
	delete(s.timers, string(key))
	if at != 0 {
		s.timers[string(key)] = at
	}
}

// due returns the key with the earliest deadline up to a time.
func (s *store) due(until int64) (key string, at int64) {
	for k, t := range s.timers {
		if t <= until && (at == 0 || t < at || t == at && k < key) {
			key, at = k, t
		}
	}
	return key, at
}

// deadlinesMax bounds the deadlines of one case, so that an evaluator that
// sets them for ever fails.
const deadlinesMax = 10_000

func (s *store) fire(t testing.TB, e match.Evaluator, until int64) {
	for n := 0; ; n++ {
		key, at := s.due(until)
		if at == 0 {
			return
		}
		if n == deadlinesMax {
			t.Fatalf("%d deadlines fired", n)
		}
		delete(s.timers, key)
		var out match.Output
		e.Deadline([]byte(key), at, s, &out)
		s.take(event.StringOf(key), &out)
	}
}

func (s *store) take(key event.Value, out *match.Output) {
	for _, f := range out.Found {
		s.raised = append(s.raised, raised{key, f})
	}
}

// feed runs events, in any order, through an evaluator and closes event time.
func (s *store) feed(t testing.TB, rule *prog.Rule, events []*event.Event) {
	t.Helper()
	e := window.New(rule)
	events = slices.SortedFunc(slices.Values(events), event.Compare)
	for _, ev := range events {
		i := slices.Index(rule.Streams, ev.Schema)
		if i < 0 {
			continue
		}
		key := ev.Values[rule.Keys[i].Roles[0][0]]
		if !key.Present() {
			continue
		}
		s.fire(t, e, ev.Time)
		var out match.Output
		e.Event([]byte(key.Str()), ev, 1, s, &out)
		s.take(key, &out)
	}
	s.fire(t, e, 1<<62)
}

func (s *store) alerts() []ceptest.Alert {
	var alerts []ceptest.Alert
	for _, r := range s.raised {
		f := r.found
		a := ceptest.Alert{At: f.At, Key: []event.Value{r.key}, By: ceptest.By(f.By), Event: f.Event, Instant: f.Instant}
		for _, st := range f.Evidence {
			a.Evidence = append(a.Evidence, ceptest.StepEvents(st))
		}
		for _, m := range f.Measures {
			a.Measures = append(a.Measures, ceptest.Measured(m))
		}
		alerts = append(alerts, a)
	}
	return alerts
}

// compile returns the program of a setting's rule.
func compile(t testing.TB, s *ceptest.Setting) *prog.Rule {
	t.Helper()
	rule, problems := prog.Compile(s.Rule, &prog.Env{Streams: s.Streams, Schemas: s.Schemas})
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("%s\nis refused: %s", s.Text, p.Detail)
		}
	}
	return rule
}

func setting(t testing.TB, text string) *ceptest.Setting {
	t.Helper()
	s, err := ceptest.Parse(text)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return s
}

// format writes alerts with their keys and all evidence fields, one a line,
// sorted.
func format(alerts []ceptest.Alert) string {
	lines := make([]string, len(alerts))
	for i := range alerts {
		a := &alerts[i]
		lines[i] = fmt.Sprintf("%d %s %s", a.At, a.Key[0].Str(), ceptest.FormatAlerts(alerts[i:i+1]))
		for _, m := range a.Measures {
			lines[i] += fmt.Sprintf("    %s is %v\n", m.Name, m.Value.Type())
		}
		for _, s := range a.Evidence {
			for _, ev := range s.Events {
				lines[i] += "    " + string(ev.AppendJSON(nil)) + "\n"
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
