package enginetest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/caltrop/caltrop/engine/task"
)

// earlyRules are the rules of the simulation of early alerts. N varies by
// revision; TIMING and SUPPRESS are what the library is made with. Rules whose
// alerts come at a deadline are final in every library.
var earlyRules = []string{`
name: aggregate
key: card
within: 60s
pattern: probe{2,} -> !step_up -> hit
steps:
  probe: {stream: payment, where: amount < 5.0}
  step_up: {stream: challenge, where: result == "passed"}
  hit: {stream: payment, where: amount > N00.0 && amount > 5 * avg(probe.amount), gap: 20s}
alert: {summary: "{{count(probe)}} then {{hit.amount}}", measures: {probed: sum(probe.amount)}, suppress: SUPPRESS}
timing: TIMING
`, `
name: failures
key: card
within: 40s
pattern: fail{N,}
steps:
  fail: {stream: payment, where: status == "declined"}
alert: {suppress: SUPPRESS}
timing: TIMING
`, `
name: capped
key: card
within: 30s
pattern: big -> bigger
steps:
  big: {stream: payment, where: amount > N0.0}
  bigger: {stream: payment, where: amount > big.amount}
limits: {replay: 3}
timing: TIMING
`, `
name: nothing-before
key: card
within: 30s
pattern: "!before -> big"
steps:
  before: {stream: payment, where: amount < 5.0, gap: 1Ns}
  big: {stream: payment, where: amount > 300.0}
alert: {suppress: SUPPRESS}
timing: final
`, `
name: straight
key: card
within: 50s
pattern: low , high , !low2
after_match: no_skip
steps:
  low: {stream: payment, where: amount < N0.0}
  high: {stream: payment, where: amount > 100.0}
  low2: {stream: payment, where: amount < 5.0}
timing: TIMING
`, `
name: velocity
key: card
window: {stream: payment, where: 'status == "approved"', rolling: 10s}
values: {n: count(), total: sum(amount), shops: distinct(shop)}
having: n >= N && shops >= 2
limits: {window_events: 5}
timing: TIMING
`, `
name: every
key: card
within: 20s
emit: all
after_match: skip_past_last
pattern: ask ->> answer
steps:
  ask: {stream: payment, where: amount > N0.0}
  answer: {stream: challenge}
limits: {matches_per_event: 50, runs_per_key: 64}
alert: {suppress: SUPPRESS}
timing: TIMING
`, `
name: either
key: card
within: 30s
pattern: (small | failed)+ until passed -> large
steps:
  small: {stream: payment, where: amount < N0.0}
  failed: {stream: challenge, where: result == "failed"}
  passed: {stream: challenge, where: result == "passed"}
  large: {stream: payment, where: amount >= 350.0}
alert: {suppress: SUPPRESS}
timing: TIMING
`, `
name: listed
key: card
within: 30s
pattern: a -> b
steps:
  a: {stream: payment, where: 'in_list("risky", shop)'}
  b: {stream: payment, where: amount > N00.0}
timing: TIMING
`, `
name: never-answered
key: card
within: 1Ns
pattern: ask -> !answer
steps:
  ask: {stream: payment, where: amount > 400.0}
  answer: {stream: challenge}
alert: {suppress: SUPPRESS}
timing: final
`}

var earlyNames = []string{"aggregate", "failures", "capped", "nothing-before", "straight", "velocity", "every", "either", "listed", "never-answered"}

const earlyStreams = paymentText + `---
apiVersion: caltrop/v1
kind: Stream
name: challenge
source: {topic: challenges}
time: {field: ts, unit: ms}
id: event_id
partition_key: card
lateness: 3s
fields: {card: string, result: string}
`

const riskyList = `
apiVersion: caltrop/v1
kind: List
name: risky
entries: [%s]
`

var riskyShops = []string{"s0, s1", "s1", "s2, s3"}

// finalRevision of each rule is final in every library: a rule may go from one
// timing to the other.
const finalRevision = 3

// earlyText returns the document of a rule. suppress is a duration, "" for none.
func earlyText(rule, revision int, timing, suppress string) string {
	if revision == finalRevision {
		timing = "final"
	}
	text := earlyRules[rule]
	if suppress == "" {
		text = strings.NewReplacer("alert: {suppress: SUPPRESS}\n", "", ", suppress: SUPPRESS", "").Replace(text)
	}
	text = strings.NewReplacer("N", fmt.Sprint(revision+1), "TIMING", timing, "SUPPRESS", suppress).Replace(text)
	return "\napiVersion: caltrop/v1\nkind: Rule" + text
}

// NewEarlyLibrary returns the rules of the simulation of early alerts in three
// revisions, and a list in three versions.
func NewEarlyLibrary(timing, suppress string) (*Library, error) {
	lib, err := NewLibrary(earlyStreams)
	if err != nil {
		return nil, err
	}
	for v, shops := range riskyShops {
		if err := lib.AddList(v+1, fmt.Sprintf(riskyList, shops)); err != nil {
			return nil, err
		}
	}
	for rev := 1; rev <= revisions; rev++ {
		for i := range earlyRules {
			if err := lib.Add(rev, earlyText(i, rev, timing, suppress)); err != nil {
				return nil, err
			}
		}
	}
	return lib, nil
}

// earlyEventsMax is the number of records of a run of the simulation.
const earlyEventsMax = 40

// NewEarlyScript makes a short run: few cards, event times that often meet,
// disorder, duplicates, late records, ticks, and, in every second seed,
// switches of rules and of a list.
func NewEarlyScript(seed uint64, lib *Library) *Script {
	g := &earlyGenerator{generator: generator{rand: rand.New(rand.NewPCG(seed, 13)), now: scriptStart}, lib: lib}
	g.cards = 1 + g.rand.IntN(3)
	g.stretch = int64(pick(&g.generator, 300, 800, 1500))
	s := &Script{Seed: seed, Library: lib, Acts: map[int64][]task.Entry{}, Sources: []task.Source{
		{Stream: "payment", Origin: "payments"}, {Stream: "challenge", Origin: "challenges"}}}
	s.Acts[0] = []task.Entry{{Kind: task.Switch, Set: g.set()}}
	at := int64(0)
	for range 8 + g.rand.IntN(earlyEventsMax-8+1) {
		at += 1 + int64(g.rand.IntN(20)/19)
		s.Records = append(s.Records, g.record(at))
		switch n := g.rand.IntN(30); {
		case n == 0 && seed%2 == 1:
			s.Acts[at+1] = append(s.Acts[at+1], task.Entry{Kind: task.Switch, Set: g.set()})
		case n == 1 || n == 2:
			s.Acts[at+1] = append(s.Acts[at+1], g.tick())
		}
	}
	g.now += 600_000
	for _, stream := range []string{"payment", "challenge"} {
		s.Acts[at+1] = append(s.Acts[at+1], task.Entry{Kind: task.Tick, Stream: stream, Now: g.now * 1000})
	}
	return s
}

type earlyGenerator struct {
	generator
	lib     *Library
	cards   int
	stretch int64 // ms between two records, at most
}

func (g *earlyGenerator) set() task.Set {
	var refs []task.Ref
	for _, name := range earlyNames {
		if g.rand.IntN(4) > 0 {
			refs = append(refs, task.Ref{Name: name, Revision: 1 + g.rand.IntN(revisions)})
		}
	}
	set := g.lib.Set(refs...)
	set.Lists = []task.Ref{{Name: "risky", Revision: 1 + g.rand.IntN(len(riskyShops))}}
	return set
}

func (g *earlyGenerator) record(at int64) task.Record {
	g.now += g.rand.Int64N(g.stretch)
	r := task.Record{Offset: at, Source: g.rand.IntN(4) / 3, Now: g.now * 1000}
	if g.rand.IntN(3) == 0 {
		r.Append = r.Now
	}
	r.SourceOffset = g.offsets[r.Source]
	g.offsets[r.Source]++
	card := g.rand.IntN(g.cards)
	if r.Source == 1 {
		g.ids++
		r.Value = fmt.Appendf(nil, `{"event_id":"c%d","card":"c%d","ts":%d,"result":%q}`, g.ids, card, g.stamp(), pick(&g.generator, "passed", "failed"))
		return r
	}
	if len(g.past) > 0 && g.rand.IntN(20) == 0 {
		r.Value = pick(&g.generator, g.past...)
		return r
	}
	g.ids++
	r.Value = fmt.Appendf(nil, `{"event_id":"e%d","card":"c%d","ts":%d,"amount":%g,"status":%q,"shop":"s%d"}`,
		g.ids, card, g.stamp(), pick(&g.generator, 1.5, 2.25, 15, 30, 120, 350, 500, 900), pick(&g.generator, "approved", "declined"), g.rand.IntN(4))
	g.past = append(g.past, r.Value)
	return r
}

// stamp is an event time in whole half seconds, often the same as another's.
func (g *earlyGenerator) stamp() int64 {
	at := g.now - g.rand.Int64N(4500)
	switch g.rand.IntN(30) {
	case 0:
		at = g.now - g.rand.Int64N(9000)
	case 1:
		at = g.now + g.rand.Int64N(40_000)
	}
	return at - at%500
}
