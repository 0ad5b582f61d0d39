package enginetest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/caltrop/caltrop/engine/task"
)

// earlyEventsMax is the number of records of a run of the simulation.
const earlyEventsMax = 40

// earlyRulesMax is how many rules a run draws at most.
const earlyRulesMax = 4

// NewEarlyScript makes a short run: few rules, few cards, event times that
// often meet, disorder, duplicates, late records, ticks, and, in every second
// seed, switches of rules and of a list.
func NewEarlyScript(seed uint64, lib *Library) *Script {
	g := &earlyGenerator{generator: generator{rand: rand.New(rand.NewPCG(seed, 13)), now: scriptStart}, lib: lib}
	g.cards = 1 + g.rand.IntN(3)
	g.stretch = int64(pick(&g.generator, 300, 800, 1500))
	g.pool = g.rand.Perm(len(earlyRules))[:1+g.rand.IntN(earlyRulesMax)]
	if slices.ContainsFunc(g.pool, func(rule int) bool { return isAbove(earlyName(rule)) }) {
		g.pool = append(g.pool, earlyBelow...)
		slices.Sort(g.pool)
		g.pool = slices.Compact(g.pool)
	}
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
	pool    []int // of earlyRules
	cards   int
	stretch int64 // ms between two records, at most
}

// set picks rules of the pool, each at some revision.
func (g *earlyGenerator) set() task.Set {
	var refs []task.Ref
	for n, rule := range g.pool {
		if n == 0 || g.rand.IntN(4) > 0 {
			refs = append(refs, task.Ref{Name: earlyName(rule), Revision: 1 + g.rand.IntN(revisions)})
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
