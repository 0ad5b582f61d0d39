package match_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
	"github.com/caltrop/caltrop/cep/syntax"
)

const stream = `
apiVersion: caltrop/v1
kind: Stream
name: e
source: {topic: e}
time: {field: ts, unit: ms}
partition_key: k
fields: {k: string, kind: string, v: double, note: string}
---
apiVersion: caltrop/v1
kind: Rule
name: r
key: k
`

// A rig drives one evaluator over one key with a store that keeps what it is
// given.
type rig struct {
	t      *testing.T
	schema *event.Schema
	rule   *prog.Rule
	eval   match.Evaluator
	states map[string][]byte
	timers map[string]int64
	offset int64
	out    match.Output
	capped int
	cut    int
}

func newRig(t *testing.T, body string) *rig {
	t.Helper()
	return newRigs(t, body)[0]
}

// newRigs returns the rigs of rules that read one schema.
func newRigs(t *testing.T, bodies ...string) (rigs []*rig) {
	t.Helper()
	var schema *event.Schema
	for _, body := range bodies {
		r := rigOf(t, body, schema)
		schema = r.schema
		rigs = append(rigs, r)
	}
	return rigs
}

// rigOf compiles a rule against a schema, its own where that is nil.
func rigOf(t *testing.T, body string, schema *event.Schema) *rig {
	t.Helper()
	file, problems := syntax.Parse("r.yaml", []byte(stream+body))
	if syntax.Failed(problems) {
		t.Fatal(problems)
	}
	doc := file.Documents[0].(*syntax.Stream)
	if schema == nil {
		schema = prog.SchemaOf(doc)
	}
	rule, problems := prog.Compile(file.Documents[1].(*syntax.Rule), &prog.Env{
		Streams: map[string]*syntax.Stream{"e": doc}, Schemas: map[string]*event.Schema{"e": schema},
	})
	if rule == nil {
		t.Fatal(problems)
	}
	return &rig{t: t, schema: schema, rule: rule, eval: match.New(rule), states: map[string][]byte{}, timers: map[string]int64{}}
}

func (r *rig) Get(key []byte) []byte { return r.states[string(key)] }

func (r *rig) Put(key, state []byte) {
	if len(state) == 0 {
		delete(r.states, string(key))
		return
	}
	r.states[string(key)] = append([]byte(nil), state...)
}

func (r *rig) Timer(key []byte, at int64) {
	if at == 0 {
		delete(r.timers, string(key))
		return
	}
	r.timers[string(key)] = at
}

func (r *rig) Covered() int64 { return 0 }

// feed applies one event at a second and returns what was raised, deadlines
// before it included.
func (r *rig) feed(second int64, kind string, v float64) string {
	r.offset++
	return r.show(r.event(second, kind, v))
}

func (r *rig) event(second int64, kind string, v float64) *event.Event {
	return &event.Event{Schema: r.schema, Time: second * 1_000_000, ID: fmt.Sprint(kind, r.offset), Offset: r.offset, Values: []event.Value{
		event.StringOf("k1"), event.StringOf(kind), event.DoubleOf(v), event.StringOf(strings.Repeat("x", 40)),
	}}
}

// show applies an event, after the deadlines up to its time.
func (r *rig) show(ev *event.Event) string {
	found := r.fire(ev.Time)
	r.out.Reset()
	r.eval.Event([]byte("k1"), ev, 1, r, &r.out)
	return found + r.raised()
}

// fire applies the deadlines up to a time.
func (r *rig) fire(at int64) (found string) {
	for {
		due, ok := r.timers["k1"]
		if !ok || due > at {
			return found
		}
		delete(r.timers, "k1")
		r.out.Reset()
		r.eval.Deadline([]byte("k1"), due, r, &r.out)
		found += r.raised()
	}
}

func (r *rig) raised() string {
	var b strings.Builder
	r.capped += r.out.Stats.RunsCapped
	r.cut += r.out.Stats.EvidenceCapped
	for _, f := range r.out.Found {
		fmt.Fprintf(&b, "at %ds", f.At/1_000_000)
		for _, s := range f.Evidence {
			fmt.Fprintf(&b, " %s=%s", s.Step, s.Events[0].ID)
			if n := len(s.Events); n > 1 {
				fmt.Fprintf(&b, "..%s(%d)", s.Events[n-1].ID, n)
			}
		}
		if f.Capped {
			b.WriteString(" capped")
		}
		if f.Truncated {
			b.WriteString(" truncated")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (r *rig) want(got, want string) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("got %q, want %q", got, want)
	}
}

const unary = `
within: 100s
pattern: a{2,} -> b
steps:
  a: {stream: e, where: kind == "a"}
  b: {stream: e, where: kind == "b"}
`

// Of rules whose conditions read one event, one run per state is kept, so no
// number of starts reaches limits.runs_per_key (docs/language.md §5).
func TestOneRunPerStateIsNeverCapped(t *testing.T) {
	r := newRig(t, unary+"limits: {runs_per_key: 4}\n")
	for i := range int64(50) {
		r.want(r.feed(i, "a", 0), "")
	}
	r.want(r.feed(60, "b", 0), "at 60s a=a1..a50(50) b=b51\n")
	if r.capped != 0 {
		t.Errorf("%d runs capped", r.capped)
	}
}

// The widest match begins with the earliest start still inside the window.
func TestEvidenceBeginsInsideTheWindow(t *testing.T) {
	r := newRig(t, unary)
	for _, s := range []int64{0, 40, 80} {
		r.feed(s, "a", 0)
	}
	r.want(r.feed(110, "b", 0), "at 110s a=a2..a3(2) b=b4\n")
}

// Explicit runs past the limit drop the oldest start, and alerts say so.
func TestRunsAreCappedFromTheOldest(t *testing.T) {
	r := newRig(t, `
within: 100s
pattern: a -> b
steps:
  a: {stream: e, where: kind == "a"}
  b: {stream: e, where: kind == "b" && v > a.v}
limits: {runs_per_key: 4}
`)
	for i := range int64(10) {
		r.feed(i, "a", 0)
	}
	r.want(r.feed(20, "b", 1), "at 20s a=a7 b=b11 capped\n")
	if r.capped != 6 {
		t.Errorf("%d runs capped, want 6", r.capped)
	}
}

// With a trailing absence the newest start is dropped: the oldest is nearest
// to firing.
func TestTrailingAbsenceCapsTheNewest(t *testing.T) {
	r := newRig(t, `
within: 100s
pattern: a -> !b
steps:
  a: {stream: e, where: kind == "a"}
  b: {stream: e, where: kind == "b"}
limits: {runs_per_key: 2}
`)
	for i := range int64(5) {
		r.feed(i, "a", 0)
	}
	r.want(r.fire(1_000_000_000), "at 100s a=a1 capped\nat 101s a=a2 capped\n")
}

// Evidence past its limit keeps the first and the last events.
func TestEvidenceKeepsFirstAndLast(t *testing.T) {
	r := newRig(t, unary+"limits: {evidence: 10}\n")
	for i := range int64(30) {
		r.feed(i, "a", 0)
	}
	r.want(r.feed(40, "b", 0), "at 40s a=a1..a30(10) b=b31 truncated\n")
	if r.cut != 20 {
		t.Errorf("%d events were counted as forgotten, want 20", r.cut)
	}
}

// Where every event begins or ends a run, the oldest runs leave instead.
func TestEvidenceOfManyRunsIsBounded(t *testing.T) {
	r := newRig(t, unary+"having: count(a) >= 2\nlimits: {evidence: 10, runs_per_key: 1000}\n")
	for i := range int64(30) {
		r.feed(i, "a", 0)
	}
	r.want(r.feed(40, "b", 0), "at 40s a=a21..a30(10) b=b31 capped\n")
	if r.capped == 0 {
		t.Error("no run was counted as capped")
	}
}

// A key without runs has no record, and none has a timer: what has expired is
// the Store's to let go.
func TestIdleKeyLeavesNothing(t *testing.T) {
	for _, body := range []string{unary, unary + "having: count(a) >= 2\n"} {
		r := newRig(t, body)
		r.feed(0, "c", 0)
		r.feed(1, "b", 0)
		if len(r.states)+len(r.timers) != 0 {
			t.Errorf("events that begin nothing leave %d states, %d timers", len(r.states), len(r.timers))
		}
		r.feed(2, "a", 0)
		r.feed(3, "a", 0)
		if len(r.timers) != 0 {
			t.Errorf("runs that only expire set %d timers", len(r.timers))
		}
	}
}

// stateBytesMax is what one key with an open run of three events may take;
// events of 200 bytes as JSON take about 70 each.
const stateBytesMax = 290

func TestStateOfAnOpenRunIsSmall(t *testing.T) {
	r := newRig(t, unary+"having: count(a) >= 2\n")
	for i := range int64(3) {
		r.feed(i, "a", 1.25)
	}
	if n := len(r.states["k1"]); n == 0 || n > stateBytesMax {
		t.Errorf("the state has %d bytes, want at most %d", n, stateBytesMax)
	}
}

// The steady path, an event that no condition holds for, allocates nothing.
func TestUninterestingEventsAllocateNothing(t *testing.T) {
	r := newRig(t, unary)
	r.feed(0, "a", 0)
	ev := &event.Event{Schema: r.schema, Time: 1_000_000, Values: []event.Value{
		event.StringOf("k1"), event.StringOf("c"), event.DoubleOf(1), event.StringOf(""),
	}}
	key := []byte("k1")
	if n := testing.AllocsPerRun(100, func() { r.eval.Event(key, ev, 1, r, &r.out) }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

func BenchmarkProbe(b *testing.B) {
	r := newRig(&testing.T{}, unary)
	ev := &event.Event{Schema: r.schema, Values: []event.Value{
		event.StringOf("k1"), event.StringOf("a"), event.DoubleOf(1), event.StringOf("note"),
	}}
	key := []byte("k1")
	b.ReportAllocs()
	for b.Loop() {
		ev.Time += 20_000_000
		r.out.Reset()
		r.eval.Event(key, ev, 1, r, &r.out)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// Expired runs count for nothing, whether their record has gone or not: the
// cap that a key once reached is not told of a later match.
func TestExpiredStateIsAsNone(t *testing.T) {
	r := newRig(t, unary+"having: count(a) >= 1\nlimits: {runs_per_key: 2}\n")
	for i := range int64(4) {
		r.feed(i, "a", 0)
	}
	if r.capped == 0 {
		t.Fatal("no run was capped")
	}
	r.feed(100_000, "a", 0)
	r.feed(100_001, "a", 0)
	got := r.feed(100_002, "b", 0)
	if got == "" || strings.Contains(got, "capped") {
		t.Errorf("after the window: %q, want an alert that is not capped", got)
	}
}
