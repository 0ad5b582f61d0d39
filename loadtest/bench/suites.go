package bench

import (
	"fmt"
	"strings"

	"github.com/caltrop/caltrop/rules"
)

// A Suite is rules over traffic.
type Suite struct {
	Name      string
	Documents string
	Traffic   Traffic
	Lane      Lane
	// Prefix is how many events the oracle judges, which is slow.
	Prefix int
}

// Counts of events of a suite.
const (
	events     = 500_000
	manyEvents = 3_000_000 // over a million keys
	fewEvents  = 50_000    // where a single event may be dear
	prefix     = 5_000
	fewPrefix  = 500
)

// Suites returns the built-in suites.
func Suites() []Suite {
	var all []Suite
	all = append(all, sequenceSuites()...)
	all = append(all, ruleSuites()...)
	all = append(all, shapeSuites()...)
	all = append(all, windowSuites()...)
	all = append(all, timingSuites()...)
	all = append(all, ordinarySuites()...)
	return append(all, hardSuites()...)
}

func sparse(keys int) Traffic { return Traffic{Events: events, Keys: keys, Probes: 10, Large: 10} }

func dense(keys int) Traffic { return Traffic{Events: events, Keys: keys, Probes: 100, Large: 10} }

func suite(name, documents string, t Traffic) Suite {
	return Suite{Name: name, Documents: streams{}.text() + documents, Traffic: t, Lane: Parsed, Prefix: prefix}
}

// declaring replaces the suite's streams.
func (s Suite) declaring(d streams) Suite {
	s.Documents = d.text() + strings.TrimPrefix(s.Documents, streams{}.text())
	return s
}

func (s Suite) over(lane Lane) Suite {
	s.Lane = lane
	return s
}

func (s Suite) judged(n int) Suite {
	s.Prefix = n
	return s
}

func sequenceSuites() []Suite {
	one := sequences(1, constants, first)
	million := sparse(1_000_000)
	million.Events = manyEvents
	return []Suite{
		suite("sequence/sparse/1k", one, sparse(1000)),
		suite("sequence/sparse/100k", one, sparse(100_000)),
		suite("sequence/sparse/1m", one, million),
		suite("sequence/dense/1k", one, dense(1000)),
		suite("sequence/sparse/1k/all", sequences(1, constants, all), sparse(1000)),
		suite("sequence/dense/1k/all", sequences(1, constants, all), shortened(dense(1000), fewEvents)).judged(fewPrefix),
		suite("sequence/sparse/1k/bytes", one, sparse(1000)).over(Bytes),
		suite("sequence/sparse/1k/lateness", one, sparse(1000)).declaring(streams{lateness: "30s"}),
		suite("sequence/sparse/1k/ids", one, sparse(1000)).declaring(streams{ids: true}),
	}
}

func shortened(t Traffic, n int) Traffic {
	t.Events = n
	return t
}

func ruleSuites() []Suite {
	hundred := sequences(100, constants, first)
	suites := []Suite{
		suite("rules=100/sparse/100k", hundred, sparse(100_000)),
		suite("rules=100/dense/1k", hundred, shortened(dense(1000), events/5)),
		suite("rules=100/sparse/1k/bytes", hundred, sparse(1000)).over(Bytes),
	}
	for _, n := range []int{10, 100, 1000} {
		suites = append(suites,
			suite(fmt.Sprintf("rules=%d/sparse/1k", n), sequences(n, constants, first), shortened(sparse(1000), events/5)).judged(min(prefix, 200_000/n)),
			suite(fmt.Sprintf("rules=%d/disjoint/1k", n), sequences(n, disjoint, first), shortened(sparse(1000), events/5)).declaring(streams{more: owns()}).judged(min(prefix, 200_000/n)),
			suite(fmt.Sprintf("rules=%d/tenth/1k", n), sequences(n, tenth, first), shortened(sparse(1000), events/5)).judged(min(prefix, 200_000/n)))
	}
	return suites
}

func shapeSuites() []Suite {
	large := step("large", "payment", "amount > 500")
	declined := step("declined", "payment", `status == "declined"`)
	strict := rule("strict", "10m", "declined , second , third , large", first, declined,
		step("second", "payment", `amount < 400`), step("third", "payment", `amount < 400`), large)
	absence := rule("absence", "10m", "large -> !declined", first, large, declined)
	travel := rule("travel", "10m", "here -> there", first, step("here", "payment", "amount > 500"),
		step("there", "payment", "amount > 500 && geo.km(here.lat, here.lon, lat, lon) / hours(time - here.time) > 900.0"))
	three := rule("streams", "10m", "login -> pay -> move", first, step("login", "login", `status == "declined"`),
		step("pay", "payment", "amount > 500"), step("move", "transfer", "amount > 500"))
	mixed := sparse(1000)
	mixed.Streams = true
	idle := func(n int) string {
		return sequences(n, func(i int) (string, string) { return tenth(10*i + 1) }, first)
	}
	return []Suite{
		suite("strict/1k", strict, sparse(1000)),
		suite("velocity/1k", velocity("5m"), sparse(1000)),
		suite("absence/1k", absence, sparse(1000)),
		suite("travel/1k", travel, sparse(1000)).declaring(streams{more: places}),
		suite("streams/1k", three, mixed),
		suite("idle/rules=1", idle(1), sparse(1000)),
		suite("idle/rules=101", idle(101), sparse(1000)),
	}
}

// windowSuites let a window of one key hold n events.
func windowSuites() []Suite {
	var suites []Suite
	for _, n := range []int{50, 1000, 10_000, 40_000} {
		few := Traffic{Events: events / 5, Keys: 1, Probes: 10, Large: 10}
		span := fmt.Sprintf("%dms", n)
		seq := rule("sequence", span, "probe{3} -> hit", first, step("probe", "payment", probeWhere), step("hit", "payment", hitWhere))
		suites = append(suites,
			suite(fmt.Sprintf("window=%d/sequence", n), seq, few).judged(2*n),
			suite(fmt.Sprintf("window=%d/velocity", n), velocity(span), few).judged(fewPrefix))
	}
	return suites
}

// timingSuites are the same rules and events final and early, the events in
// order and held for the lateness.
func timingSuites() []Suite {
	rules := []struct {
		name, documents string
		traffic         Traffic
	}{
		{"sparse/1k", sequences(1, constants, first), sparse(1000)},
		{"dense/1k", sequences(1, constants, first), dense(1000)},
		{"velocity/1k", velocity("5m"), sparse(1000)},
		{"ten/dense/1k", sequences(10, constants, first), shortened(dense(1000), events/5)},
	}
	var suites []Suite
	for _, r := range rules {
		for _, timing := range []string{"final", "early"} {
			documents := strings.ReplaceAll(r.documents, "kind: Rule\n", "kind: Rule\ntiming: "+timing+"\n")
			suites = append(suites, suite("timing="+timing+"/"+r.name, documents, r.traffic).declaring(streams{lateness: "30s"}).judged(fewPrefix))
		}
	}
	return suites
}

// hardSuites are the cases that hurt other engines.
func hardSuites() []Suite {
	hot := sparse(1000)
	hot.Hot = 90
	one := Traffic{Events: fewEvents, Keys: 1, Probes: 500}
	probe := func(name string) string { return step(name, "payment", probeWhere) }
	options, optional := "", ""
	for i := range 12 {
		options += fmt.Sprintf("a%d? -> ", i)
		optional += probe(fmt.Sprintf("a%d", i))
	}
	never := step("b", "payment", "amount > 100000")
	return []Suite{
		suite("hard/hot-key", sequences(1, constants, first), hot),
		suite("hard/nested-loop", rule("nested", "1m", "(a+)+ -> b", first, probe("a"), never), one).judged(20),
		suite("hard/options", rule("options", "1m", options+"b", first, optional, never), one).judged(20),
		suite("hard/starts-without-end", rule("starts", "6h", "a -> b", first, probe("a"), never), Traffic{Events: events / 5, Keys: 1, Probes: 1000}).judged(fewPrefix),
	}
}

// Load compiles the suite's documents.
func (s *Suite) Load() (*rules.Set, error) {
	set, problems := rules.Check(nil, rules.Source{Name: s.Name, Text: []byte(s.Documents)})
	for _, p := range problems {
		if !p.Warning {
			return nil, fmt.Errorf("compiling suite %s: %s", s.Name, p)
		}
	}
	return set, nil
}
