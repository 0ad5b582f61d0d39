package match_test

import (
	"fmt"
	"strings"
	"testing"
)

// counted is a rule whose end asks for aggregates over more events than it
// keeps.
const counted = `
within: 1000s
pattern: s -> a+ -> b
steps:
  s: {stream: e, where: kind == "s"}
  a: {stream: e, where: 'kind == "a" && count(a) < 60'}
  b: {stream: e, where: 'kind == "b" && CONDITION'}
limits: {evidence: 10}
`

// Conditions and having cover every event of a step, those no longer kept as
// evidence included (docs/language.md §2).
func TestAggregatesCoverForgottenEvents(t *testing.T) {
	for _, c := range []struct {
		condition, having string
		fires             bool
	}{
		{"count(a) == 30", "true", true},
		{"sum(a.v) == 435.0 && avg(a.v) == 14.5 && min(a.v) == 0.0 && max(a.v) == 29.0", "true", true},
		{"first(a.v) == 0.0 && last(a.v) == 29.0 && distinct(a.v) == 30", "true", true},
		{"seconds(last(a.time) - first(a.time)) == 29.0 && stddev(a.v) > 8.65 && stddev(a.v) < 8.66", "true", true},
		{"true", "count(a) == 30 && distinct(a.v) == 30", true},
		{"true", "has(s) && has(a) && sum(a.v) < 435.0", false},
		{"count(a) < 30", "true", false},
	} {
		r := newRig(t, strings.Replace(counted, "CONDITION", c.condition, 1)+"having: '"+c.having+"'\n")
		r.feed(0, "s", 0)
		for i := range int64(30) {
			r.feed(1+i, "a", float64(i))
		}
		want := ""
		if c.fires {
			want = "at 40s s=s1 a=a2..a31(9) b=b32 truncated\n"
		}
		if got := r.feed(40, "b", 0); got != want {
			t.Errorf("%s, having %s: got %q, want %q", c.condition, c.having, got, want)
		}
	}
}

// A loop's own condition counts the iterations that are no longer kept.
func TestLoopCountsForgottenIterations(t *testing.T) {
	r := newRig(t, strings.Replace(counted, "CONDITION", "count(a) == 60", 1))
	r.feed(0, "s", 0)
	for i := range int64(70) {
		r.feed(1+i, "a", 0)
	}
	r.want(r.feed(80, "b", 0), "at 80s s=s1 a=a2..a61(9) b=b72 truncated\n")
}

// A step matched once is kept while a condition may read it, however many
// events of loops leave.
func TestSingleStepsAreKept(t *testing.T) {
	r := newRig(t, `
within: 1000s
pattern: a+ -> m -> c+ -> b
steps:
  a: {stream: e, where: kind == "a"}
  m: {stream: e, where: kind == "m"}
  c: {stream: e, where: kind == "c"}
  b: {stream: e, where: 'kind == "b" && v == m.v && has(c) && count(a) == 1'}
limits: {evidence: 4}
`)
	r.feed(0, "a", 0)
	r.feed(1, "m", 7)
	for i := range int64(30) {
		r.feed(2+i, "c", 0)
	}
	r.want(r.feed(40, "b", 7), "at 40s a=a1 m=m2 c=c3..c32(2) b=b33 truncated\n")
}

// Of an alert with too much evidence, the measures and the summary speak of the
// events that it keeps: the first and last hundred, or what the key's state
// still has (docs/language.md, "Alerts").
func TestMeasuresSpeakOfTheEvidenceThatIsKept(t *testing.T) {
	const rule = `
within: 10000s
pattern: a+ -> b
steps:
  a: {stream: e, where: kind == "a"}
  b: {stream: e, where: 'kind == "b"CONDITION'}
LIMITS
alert: {summary: "{{count(a)}} {{last(a.v)}}", measures: {n: count(a), sum: sum(a.v), last: last(a.v)}}
`
	for _, c := range []struct {
		name, condition, limits string
		events                  int
		summary                 string
		n, sum                  float64
	}{
		{"one run per state, all", "", "", 199, "199 198", 199, 199 * 198 / 2},
		{"one run per state, trimmed", "", "", 300, "199 299", 199, 99*100/2 + 99*500/2},
		{"runs, all", " && sum(a.v) >= 0.0", "limits: {runs_per_key: 1000}", 199, "199 198", 199, 199 * 198 / 2},
		{"runs, trimmed", " && sum(a.v) >= 0.0", "limits: {runs_per_key: 1000}", 300, "199 299", 199, 99*100/2 + 99*500/2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, strings.NewReplacer("CONDITION", c.condition, "LIMITS", c.limits).Replace(rule))
			for i := range c.events {
				r.feed(int64(i), "a", float64(i))
			}
			r.feed(5000, "b", 0)
			if len(r.out.Found) != 1 {
				t.Fatalf("%d alerts", len(r.out.Found))
			}
			f := &r.out.Found[0]
			if f.Summary != c.summary || f.Measures[0].Value.Int() != int64(c.n) || f.Measures[1].Value.Double() != c.sum {
				t.Errorf("summary %q, measures %v; want %q, %v and %v", f.Summary, f.Measures, c.summary, c.n, c.sum)
			}
			if got := len(f.Evidence[0].Events); got != c.events {
				t.Errorf("%d events of evidence, want all: the alert's id depends on them", got)
			}
		})
	}
}

// Where the key's state no longer has an event, no measure counts it.
func TestMeasuresLeaveOutForgottenEvents(t *testing.T) {
	r := newRig(t, strings.Replace(counted, "CONDITION", "count(a) == 30", 1)+"alert: {summary: '{{count(a)}} {{first(a.v)}} {{last(a.v)}}'}\n")
	r.feed(0, "s", 0)
	for i := range int64(30) {
		r.feed(1+i, "a", float64(i))
	}
	r.want(r.feed(40, "b", 0), "at 40s s=s1 a=a2..a31(9) b=b32 truncated\n")
	r.want(r.out.Found[0].Summary, "9 0 29")
}

// An alert is never lost because the key has too many events to keep: events
// between others like them leave first, and where even then the match cannot
// be told, its first and last event are the evidence.
func TestNoAlertIsLostToTheEvidenceLimit(t *testing.T) {
	for _, c := range []struct {
		name, pattern, limit, events, want string
	}{
		{"others like them leave first", "a -> b -> c -> d", "10", "aaaaaabaaaaaacaaaaaad", "at 20s a=a1 b=b7 c=c14 d=d21 truncated\n"},
		{"nothing is like its neighbour", "a -> b -> c -> d", "2", "abbcccaccd", "at 9s a=a1 d=d10 truncated\n"},
		{"what forbids is kept", "a -> !x -> b", "5", "aaaaaaxaaaaaaaab", "at 15s a=a8 b=b16 truncated\n"},
		{"a loop at the end", "a -> b -> c{2,}", "7", "aaabaaacaaac", "at 11s a=a1 b=b4 c=c8..c12(2) truncated\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule := "within: 100s\npattern: " + c.pattern + "\nlimits: {evidence: " + c.limit + "}\nsteps:\n"
			for _, s := range "abcdx" {
				if strings.ContainsRune(c.pattern, s) {
					rule += fmt.Sprintf("  %c: {stream: e, where: kind == \"%c\"}\n", s, s)
				}
			}
			r, got := newRig(t, rule), ""
			for i, kind := range c.events {
				got += r.feed(int64(i), string(kind), 0)
			}
			r.want(got, c.want)
		})
	}
}
