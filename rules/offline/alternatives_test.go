package offline_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/cep/ceptest"
	"github.com/caltrop/caltrop/rules"
)

const orderStreams = `apiVersion: caltrop/v1
kind: Stream
name: order
source: {topic: o}
time: {field: ts, unit: s}
id: id
partition_key: k
lateness: 0s
fields: {k: string, kind: string}
---
apiVersion: caltrop/v1
kind: Stream
name: refund
source: {topic: r}
time: {field: ts, unit: s}
id: id
partition_key: k
lateness: 0s
fields: {k: string, kind: string}
---
`

const unservedRule = `apiVersion: caltrop/v1
kind: Rule
name: unserved
key: k
within: 10s
pattern: (o1 -> !delivery) | (o2 -> r1 -> r2)
steps:
  o1: {stream: order, where: kind == "paid"}
  delivery: {stream: order, where: kind == "delivered"}
  o2: {stream: order, where: kind != "delivered"}
  r1: {stream: refund}
  r2: {stream: refund}
`

// Fault 53: alternatives over two streams, one of which ends at a deadline and
// the other at an event, over events in order whose deadlines and completions
// fall between each other: what is raised is what the oracle says, and nothing
// is ever taken back. That such a rule raises nothing before its deadlines is
// not a choice: `timing: early` is refused.
func TestT53AlternativesWithDeadlinesBetween(t *testing.T) {
	if _, problems := rules.Check(nil, rules.Source{Name: "early", Text: []byte(orderStreams + unservedRule + "timing: early\n")}); !strings.Contains(refused(problems), "early") {
		t.Errorf("early timing: %v", problems)
	}
	for _, after := range []string{"", "after_match: no_skip\n", "after_match: skip_past_last\n"} {
		text := orderStreams + unservedRule + after
		set, problems := rules.Check(nil, rules.Source{Name: "orders", Text: []byte(text)})
		if p := refused(problems); p != "" {
			t.Fatal(p)
		}
		setting, err := ceptest.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		atDeadlines, atEvents := 0, 0
		for seed := range uint64(300) {
			lines := orderEvents(rand.New(rand.NewPCG(seed, 53)))
			got, want := runSet(t, set, lines)["unserved"], judged(t, setting, lines)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, %q\n%s\ngot\n%s\nwant\n%s", seed, after, strings.Join(lines, "\n"), strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for _, line := range got {
				if !strings.Contains(line, " v1 ") {
					t.Fatalf("seed %d: a second version: %s", seed, line)
				}
				if strings.Contains(line, " o1 ") {
					atDeadlines++
				} else {
					atEvents++
				}
			}
		}
		if atDeadlines < 100 || atEvents < 100 {
			t.Errorf("%q: %d alerts at deadlines, %d at events: little was shown", after, atDeadlines, atEvents)
		}
		t.Logf("%q: %d alerts at deadlines, %d at events", after, atDeadlines, atEvents)
	}
}

// orderEvents are orders, deliveries and refunds of two keys, in order.
func orderEvents(rng *rand.Rand) []string {
	at := 1_700_000_000
	var lines []string
	for i := range 60 {
		at += rng.IntN(4)
		key := rng.IntN(2)
		stream, kind := "order", []string{"paid", "paid", "placed", "delivered"}[rng.IntN(4)]
		if rng.IntN(2) == 0 {
			stream, kind = "refund", "money"
		}
		lines = append(lines, fmt.Sprintf(`{"stream":%q,"ts":%d,"id":"e%d","k":"k%d","kind":%q}`, stream, at, i, key, kind))
	}
	return lines
}
