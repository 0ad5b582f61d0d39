package ruletest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/caltrop/caltrop/rules"
	"github.com/caltrop/caltrop/rules/ruletest"
)

const streams = `apiVersion: caltrop/v1
kind: Stream
name: order
source: {topic: orders}
time: {field: at, unit: s}
id: uid
partition_key: [shop, number]
lateness: 5s
fields:
  shop: string
  number: int
  total: {type: decimal(2), path: sums.total}
  due: timestamp
  labels: list(string)
  open: bool
`

func testRule(body, tests string) string {
	return streams + "---\napiVersion: caltrop/v1\nkind: Rule\nname: r\nkey: [shop, number]\n" + body + "\ntests:\n" + tests
}

func runTests(t *testing.T, text string) []ruletest.Result {
	t.Helper()
	set, problems := rules.Check(nil, rules.Source{Name: "documents", Text: []byte(text)})
	for _, p := range problems {
		t.Fatal(p)
	}
	results, err := ruletest.Run(set)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

const pairBody = `within: 10m
pattern: a -> b
steps:
  a: {stream: order, where: open}
  b: {stream: order, where: '!open && total > 1.5 && "x" in labels'}`

// Fields are given by name, not by path, in every type; keys may be composite;
// times may be finer than the stream's unit.
func TestEventsAreReadAsTheStreamWould(t *testing.T) {
	for _, r := range runTests(t, testRule(pairBody, `  - name: all types
    events: |
      +0s     order {shop: s, number: 7, open: true}
      +1500ms order {shop: s, number: 7, open: false, total: 1.51, labels: [y, x], due: "2026-01-01T00:00:00Z"}
    alerts: [{at: +1500ms, key: [s, 7]}]
  - name: a missing field makes the condition false
    events: |
      +0s order {shop: s, number: 7, open: true}
      +1s order {shop: s, number: 7, open: false, labels: [x]}
    alerts: []
  - name: a missing key leaves the event outside
    events: |
      +0s order {shop: s, open: true}
      +1s order {shop: s, open: false, total: 9, labels: [x]}
    alerts: []
  - name: an event later than the stream's lateness does not count
    events: |
      +10s order {shop: s, number: 8}
      +5s  order {shop: s, number: 7, open: true}
      +4s  order {shop: s, number: 7, open: true}
      +6s  order {shop: s, number: 7, open: false, total: 9, labels: [x]}
      +20s order {shop: s, number: 7, open: false, total: 9, labels: [x]}
    alerts: [{at: +6s, key: [s, 7]}]
`)) {
		if !r.Passed {
			t.Errorf("%s: %s%s", r.Test, r.Error, r.Diff)
		}
	}
}

// In tests everything before the first line is covered, so a leading absence
// is armed at once; and event time closes at the end.
func TestTimeIsCoveredBeforeAndClosedAfter(t *testing.T) {
	for _, r := range runTests(t, testRule(`within: 1h
pattern: "!x -> a -> !b"
steps:
  x: {stream: order, where: total > 100.0}
  a: {stream: order, where: open}
  b: {stream: order, where: '!open'}`, `  - name: fires on the first event, at its deadline
    events: |
      +0s order {shop: s, number: 7, open: true}
    alerts: [{at: +1h, key: [s, 7]}]
`)) {
		if !r.Passed {
			t.Errorf("%s: %s%s", r.Test, r.Error, r.Diff)
		}
	}
}

// Only first versions are listed: a suppressed alert is none.
func TestSuppressedAlertsAreNotExpected(t *testing.T) {
	results := runTests(t, testRule(strings.Replace(pairBody, "within: 10m", "within: 10m\nalert: {suppress: 1h}", 1), `  - name: twice
    events: |
      +0s order {shop: s, number: 7, open: true}
      +1s order {shop: s, number: 7, open: false, total: 9, labels: [x]}
      +2s order {shop: s, number: 7, open: true}
      +3s order {shop: s, number: 7, open: false, total: 9, labels: [x]}
    alerts: [{at: +1s, key: [s, 7]}]
`))
	if !results[0].Passed {
		t.Error(results[0].Diff)
	}
}

func TestDifferencesNameTimeAndKey(t *testing.T) {
	results := runTests(t, testRule(pairBody, `  - name: wrong
    events: |
      +0s  order {shop: s, number: 7, open: true}
      +90s order {shop: s, number: 7, open: false, total: 9, labels: [x]}
    alerts: [{at: +1h, key: [s, 7]}, {at: +90s, key: [s, 8]}]
`))
	want := `- missing:    at +1h, key ["s",7]
- missing:    at +1m30s, key ["s",8]
+ unexpected: at +1m30s, key ["s",7]
`
	if results[0].Passed || results[0].Diff != want {
		t.Errorf("diff\n%s\nwant\n%s", results[0].Diff, want)
	}
}

func TestOnlyTheNamedRulesAreTested(t *testing.T) {
	set, _ := rules.Check(nil, rules.Source{Name: "documents", Text: []byte(testRule(pairBody, `  - {name: none, events: "+0s order {shop: s}", alerts: []}`))})
	if results, err := ruletest.Run(set, "other"); err != nil || len(results) != 0 {
		t.Errorf("Run of another rule = %v, %v; want nothing", results, err)
	}
}

func TestTestsEndWithTheirContext(t *testing.T) {
	set, _ := rules.Check(nil, rules.Source{Name: "documents", Text: []byte(testRule(pairBody, `  - {name: none, events: "+0s order {shop: s}", alerts: []}`))})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ruletest.RunContext(ctx, set); !errors.Is(err, context.Canceled) {
		t.Errorf("RunContext = %v, want it to end with its context", err)
	}
}
