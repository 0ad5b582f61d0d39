package window

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/cep/event"
	"github.com/caltrop/caltrop/cep/match"
	"github.com/caltrop/caltrop/cep/prog"
)

const flatRule = `apiVersion: caltrop/v1
kind: Stream
name: e
source: {topic: e}
time: {field: ts, unit: ms}
partition_key: k
fields: {k: string, v: {type: int, optional: true}, m: decimal(2)}
---
apiVersion: caltrop/v1
kind: Rule
name: case
key: k
window: {stream: e, rolling: 100s}
values: {n: count(), total: sum(m), most: max(m), least: min(v), odd: count(v > 5), last: last(v), ratio: max(double(v - 3) / double(v - 3))}
having: %s
limits: {window_events: 90, evidence: 70}
`

// Operands of having that are false for long: of all aggregates, of picks only, of
// a pick and the time, of an aggregate that may have no value.
var flatConditions = []string{
	"n >= 3 && total > 40 && (most > 19 || least < 2) && last > 1 && odd >= 0",
	"n >= 3 && most > 19.5 && least < 3",
	`most > 18 && (most > 19.9 || time.getSeconds() % 2 == 1)`,
	"least < 1 && n % 2 == 0",
}

// An event leaves the same state and raises the same whether it is taken in
// place or the long way.
func TestInPlaceIsTheSameAsTheLongWay(t *testing.T) {
	for _, having := range flatConditions {
		t.Run(having, func(t *testing.T) { compareInPlace(t, having) })
	}
}

func compareInPlace(t *testing.T, having string) {
	rule, raised := flat(t, having), 0
	for seed := range uint64(10) {
		quick, slow := newRolling(newRule(rule)), newRolling(newRule(rule))
		if slow.flat = false; !quick.flat {
			t.Fatal("the rule's slots have no fixed places")
		}
		hurry(quick)
		hurry(slow)
		raised += runBoth(t, seed, quick, slow, func(_ int, cents int64) int64 { return cents - int64(seed/5*20) }, func(short, long *memory) bool {
			return bytes.Equal(used(t, short.state), used(t, long.state)) && maps.EqualFunc(short.pages, long.pages, bytes.Equal)
		})
	}
	if raised < 100 {
		t.Errorf("%d alerts", raised)
	}
}

// used is a state but for the room that its parts do not use.
func used(t *testing.T, state []byte) []byte {
	var g ring
	if err := g.read(state); err != nil {
		t.Fatal(err)
	}
	all := slices.Clone(state[:ringBytes])
	for _, p := range g.parts {
		all = append(all, state[p.at:p.at+p.n]...)
	}
	return all
}

// flat compiles the rule of these tests.
func flat(t *testing.T, having string) *prog.Rule {
	s, err := ceptest.Parse(fmt.Sprintf(flatRule, having))
	if err != nil {
		t.Fatal(err)
	}
	rule, _ := prog.Compile(s.Rule, &prog.Env{Streams: s.Streams, Schemas: s.Schemas})
	if rule == nil {
		t.Fatal("the rule is refused")
	}
	return rule
}

// runBoth gives random events to two evaluators and returns how many alerts were
// raised. They must raise alike, and leave what is the same.
func runBoth(t *testing.T, seed uint64, quick, slow *rolling, amount func(i int, cents int64) int64, same func(short, long *memory) bool) (raised int) {
	t.Helper()
	var short, long memory
	rng := rand.New(rand.NewPCG(seed, 1))
	pace := []int64{200_000, 1_000_000, 3_000_000, 30_000_000}[seed%4]
	ev := &event.Event{Schema: quick.Streams[0], Time: 1, Values: make([]event.Value, 3)}
	for i := range 3000 {
		ev.Offset, ev.Time = int64(i), ev.Time+rng.Int64N(pace)
		ev.Values[0], ev.Values[1], ev.Values[2] = event.StringOf("a-key"), event.Value{}, event.DecimalOf(amount(i, rng.Int64N(2000)), 2)
		if rng.IntN(3) > 0 {
			ev.Values[1] = event.IntOf(rng.Int64N(9))
		}
		var a, b match.Output
		quick.Event([]byte("a-key"), ev, 1, &short, &a)
		slow.Event([]byte("a-key"), ev, 1, &long, &b)
		raised += len(a.Found)
		if !reflect.DeepEqual(a, b) || !same(&short, &long) {
			t.Fatalf("seed %d, event %d: in place\n% x, %+v\nthe long way\n% x, %+v", seed, i, short.state, a, long.state, b)
		}
	}
	return raised
}

// hurry has rows leave when they are over.
func hurry(r *rolling) {
	for i := range r.denials {
		r.denials[i].stays = stays{}
	}
}
