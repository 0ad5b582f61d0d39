package enginetest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/caltrop/caltrop/engine/task"
)

// A Script is one run: the records of the log and what the driver decides
// between them. The same seed gives the same script.
type Script struct {
	Seed    uint64
	Library *Library
	Sources []task.Source
	Records []task.Record // by offset, with gaps
	// Acts are new journal entries by the task's offset at which they are made.
	Acts map[int64][]task.Entry
	// Start tells how a revision starts: "warm", "carry", or else empty; nil:
	// all start empty.
	Start func(task.Ref) string
}

const paymentText = `
apiVersion: caltrop/v1
kind: Stream
name: payment
source: {topic: payments}
time: {field: ts, unit: ms}
id: event_id
partition_key: card
lateness: 5s
max_future: 30s
fields:
  card: string
  amount: double
  status: string
  shop: {type: string, optional: true}
`

const streamsText = paymentText + `---
apiVersion: caltrop/v1
kind: Stream
name: challenge
source: {topic: challenges}
time: {field: ts, unit: ms}
partition_key: card
lateness: 3s
fields: {card: string, result: string}
`

// ruleTexts are templates of the simulated rules; N varies by revision.
var ruleTexts = []string{`
apiVersion: caltrop/v1
kind: Rule
name: card-testing
key: card
within: 60s
pattern: probe{2,} -> !step_up -> hit
steps:
  probe: {stream: payment, where: amount < 5.0}
  step_up: {stream: challenge, where: result == "passed"}
  hit: {stream: payment, where: amount > %[1]d00.0 && amount > 5 * avg(probe.amount), gap: 20s}
alert: {summary: "{{count(probe)}} then {{hit.amount}}", measures: {probed: sum(probe.amount)}, suppress: 30s}
`, `
apiVersion: caltrop/v1
kind: Rule
name: failures
key: card
within: 40s
pattern: fail{%[1]d,}
steps:
  fail: {stream: payment, where: status == "declined"}
alert: {suppress: 15s}
`, `
apiVersion: caltrop/v1
kind: Rule
name: never-answered
key: card
within: 1%[1]ds
pattern: ask -> !answer
steps:
  ask: {stream: payment, where: amount > 400.0}
  answer: {stream: challenge}
`, `
apiVersion: caltrop/v1
kind: Rule
name: out-of-nothing
key: card
within: 30s
pattern: "!before -> big"
steps:
  before: {stream: payment, where: amount < 5.0, gap: 1%[1]ds}
  big: {stream: payment, where: amount > 450.0}
`, `
apiVersion: caltrop/v1
kind: Rule
name: straight
key: card
within: 50s
pattern: low , high , !low2
after_match: no_skip
steps:
  low: {stream: payment, where: amount < %[1]d0.0}
  high: {stream: payment, where: amount > 100.0}
  low2: {stream: payment, where: amount < 5.0}
`, `
apiVersion: caltrop/v1
kind: Rule
name: velocity
key: card
window: {stream: payment, where: 'status == "approved"', rolling: 900s}
values: {n: count(), total: sum(amount), shops: distinct(shop), top: max(amount), most: 'percentile(amount, 0.9)'}
having: n %% %[1]d == 0 && shops >= 2 && top >= most
`}

var ruleNames = []string{"card-testing", "failures", "never-answered", "out-of-nothing", "straight", "velocity"}

// aboveTexts are templates of rules on the alerts of those, and on theirs.
var aboveTexts = []string{`
apiVersion: caltrop/v1
kind: Rule
name: trouble
score: 7%[1]d
key: key
window: {stream: alerts, where: 'rule in ["card-testing", "failures", "velocity"]', rolling: 40s}
values: {n: count(), rules: distinct(rule)}
having: n >= %[1]d || rules >= 2
alert: {suppress: 10s}
`, `
apiVersion: caltrop/v1
kind: Rule
name: nobody-cared
key: key
within: 1%[1]ds
pattern: alarm -> !care
steps:
  alarm: {stream: alerts, where: rule == "straight" || (rule == "trouble" && score > 0)}
  care: {stream: challenge, where: result == "passed", key: card}
`}

var aboveNames = []string{"trouble", "nobody-cared"}

// viewTexts are templates of views of every kind of window.
var viewTexts = []string{`
apiVersion: caltrop/v1
kind: View
name: current-session
key: card
window: {stream: payment, session: 1%[1]ds}
values: {n: count(), total: sum(amount), shops: distinct(shop)}
to: [redis]
every: 3s
`, `
apiVersion: caltrop/v1
kind: View
name: velocity
key: card
window: {stream: payment, where: 'status == "approved"', rolling: 2%[1]ds}
values: {n: count(), top: max(amount)}
to: [kafka, redis]
`, `
apiVersion: caltrop/v1
kind: View
name: answers
key: card
window: {stream: challenge, tumbling: 1%[1]ds}
values: {passed: 'count(result == "passed")', asked: count()}
to: [cassandra]
`, `
apiVersion: caltrop/v1
kind: View
name: both
key: card
window: {stream: [payment, challenge], sliding: 2%[1]ds, every: 2%[1]ds, offset: 1s}
values: {n: count(), most: 'percentile(payment.amount, 0.5)'}
to: [redis, cassandra]
`, `
apiVersion: caltrop/v1
kind: View
name: alarms
key: key
window: {stream: alerts, where: 'rule != "failures"', session: 2%[1]ds}
values: {n: count(), rules: distinct(rule), most: max(score)}
to: [redis]
every: 4s
`}

var viewNames = []string{"current-session", "velocity", "answers", "both", "alarms"}

const revisions = 3

// NewLibraryOfRules returns the library that scripts draw from: twelve rules,
// two on their alerts, four views and one on alerts, in three revisions.
func NewLibraryOfRules() (*Library, error) {
	lib, err := NewLibrary(streamsText + historyText)
	if err != nil {
		return nil, err
	}
	texts, _ := streamRules()
	for rev := 1; rev <= revisions; rev++ {
		for _, text := range slices.Concat(texts, aboveTexts, viewTexts) {
			if err := lib.Add(rev, fmt.Sprintf(text, rev+1)); err != nil {
				return nil, err
			}
		}
	}
	return lib, nil
}

// scriptStart is the event time of a script's first event, in ms: 2026-11-21.
const scriptStart = 1_795_219_200_000

// NewScript makes a run of about n records: two streams, six cards, disorder
// within and beyond lateness, duplicates, future stamps, bad records, idle
// ticks and rule switches.
func NewScript(seed uint64, n int, lib *Library) *Script {
	g := &generator{rand: rand.New(rand.NewPCG(seed, 7)), above: rand.New(rand.NewPCG(seed, 13)), views: rand.New(rand.NewPCG(seed, 17)),
		closed: rand.New(rand.NewPCG(seed, 19)), now: scriptStart}
	s := &Script{Seed: seed, Library: lib, Acts: map[int64][]task.Entry{}, Sources: []task.Source{
		{Stream: "payment", Partition: 3, Origin: "payments"}, {Stream: "challenge", Partition: 3, Origin: "challenges"}}}
	s.Acts[0] = []task.Entry{{Kind: task.Switch, Set: g.set(lib)}}
	at := int64(0)
	for range n {
		at += 1 + int64(g.rand.IntN(20)/19) // gaps, as transaction markers leave
		s.Records = append(s.Records, g.record(at))
		switch g.rand.IntN(60) {
		case 0:
			s.Acts[at+1] = append(s.Acts[at+1], task.Entry{Kind: task.Switch, Set: g.set(lib)})
		case 1, 2:
			s.Acts[at+1] = append(s.Acts[at+1], g.tick())
		}
	}
	g.now += 600_000
	for _, stream := range []string{"payment", "challenge"} {
		s.Acts[at+1] = append(s.Acts[at+1], task.Entry{Kind: task.Tick, Stream: stream, Now: g.now * 1000})
	}
	return s
}

type generator struct {
	rand    *rand.Rand
	above   *rand.Rand // of the rules on alerts
	views   *rand.Rand
	closed  *rand.Rand // of closedTexts
	now     int64      // ms; the wall clock of the script
	ids     int
	offsets [2]int64
	past    [][]byte // payments, to repeat
}

// set picks a rule set: most rules and a few of closedTexts, each at some
// revision.
func (g *generator) set(lib *Library) task.Set {
	var refs []task.Ref
	for _, name := range ruleNames {
		if rev := g.rand.IntN(revisions + 1); rev > 0 || g.rand.IntN(3) > 0 {
			refs = append(refs, task.Ref{Name: name, Revision: max(rev, 1)})
		}
	}
	for _, name := range closedNames {
		if rev := g.closed.IntN(4*revisions) + 1; rev <= revisions {
			refs = append(refs, task.Ref{Name: name, Revision: rev})
		}
	}
	for _, name := range aboveNames {
		if rev := g.above.IntN(revisions + 1); rev > 0 {
			refs = append(refs, task.Ref{Name: name, Revision: rev})
		}
	}
	set := lib.Set(refs...)
	for _, name := range viewNames {
		if rev := g.views.IntN(revisions + 1); rev > 0 {
			set.Views = append(set.Views, task.Ref{Name: name, Revision: rev})
		}
	}
	return set
}

func (g *generator) tick() task.Entry {
	g.now += int64(g.rand.IntN(8000))
	stream := "payment"
	if g.rand.IntN(2) == 0 {
		stream = "challenge"
	}
	return task.Entry{Kind: task.Tick, Stream: stream, Now: g.now * 1000}
}

func (g *generator) record(at int64) task.Record {
	g.now += int64(g.rand.IntN(1500))
	r := task.Record{Offset: at, Source: g.rand.IntN(4) / 3, Now: g.now * 1000}
	if g.rand.IntN(3) == 0 {
		r.Append = r.Now
	}
	r.SourceOffset = g.offsets[r.Source]
	g.offsets[r.Source]++
	if r.Source == 0 {
		r.Value = g.payment()
	} else {
		r.Value = fmt.Appendf(nil, `{"card":"c%d","ts":%d,"result":%q}`, g.rand.IntN(6), g.stamp(), pick(g, "passed", "failed"))
	}
	return r
}

func pick[T any](g *generator, items ...T) T { return items[g.rand.IntN(len(items))] }

// stamp is an event time: mostly about now, now and then late or in the
// future.
func (g *generator) stamp() int64 {
	switch g.rand.IntN(40) {
	case 0:
		return g.now - int64(g.rand.IntN(20_000))
	case 1:
		return g.now + int64(g.rand.IntN(60_000))
	}
	return g.now - int64(g.rand.IntN(3000))
}

func (g *generator) payment() []byte {
	switch g.rand.IntN(40) {
	case 0:
		return pick(g, nil, []byte(`{"card":`), []byte(`[1]`), []byte(`{"card":"c1","ts":1,"amount":2,"status":"x","event_id":"z"}`),
			[]byte(`{"card":7,"ts":1795219200000,"amount":2,"status":"x","event_id":"z"}`), []byte(`{"ts":1795219200000,"event_id":"z"}`))
	case 1, 2:
		if len(g.past) > 0 {
			return slices.Clone(g.past[g.rand.IntN(len(g.past))])
		}
	}
	g.ids++
	amount := pick(g, 1.5, 2.25, 4, 30, 120, 350, 500, 900)
	b := fmt.Appendf(nil, `{"event_id":"e%d","card":"c%d","ts":%d,"amount":%g,"status":%q,"shop":"s%d"}`,
		g.ids, g.rand.IntN(6), g.stamp(), amount, pick(g, "approved", "declined"), g.rand.IntN(4))
	g.past = append(g.past[max(0, len(g.past)-20):], b)
	return b
}
